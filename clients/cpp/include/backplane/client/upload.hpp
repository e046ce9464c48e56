// SPDX-License-Identifier: Apache-2.0
//
// Upload: a request in parts.
#pragma once

#include "stream.hpp"

namespace backplane::client {

/// A call whose request goes in parts; the handler must take them (BP_HANDLER_PARTS). Its answer is a Reply:
///
///   auto sum = context.upload<Chunk, Sum>("sums.add", Chunk{…});      the first part
///   sum.part(Chunk{…});                                              waits while too much waits for the handler
///   const Sum all = sum.reply();                                     says that no part follows
///
/// `Answer`: the parts of the answer, if it has any; next() gives them. For one thread at a time, which is no thread of
/// the host. Destroying it cancels its call if it is open.
template <class Part, class Reply, class Answer = Raw>
class [[nodiscard]] Upload {
 public:
  /// Sends the next part; waits until there is room for it. Returns false if the call has ended: reply() tells how.
  /// Throws CallError if the part cannot be encoded or sent.
  bool part(const Part& part) {
    const bp_status status = send(part, true);
    if (status == BP_OK) return true;
    if (status == BP_INVALID_HANDLE || status == BP_UNREACHABLE) return false;
    throw CallError(detail::make_failure(status, shared_->name(), bp_status_text(status)));
  }
  /// The same, and does not wait. Returns nullopt if there is no room; then nothing was sent.
  std::optional<bool> try_part(const Part& part) {
    const bp_status status = send(part, false);
    if (status == BP_WOULD_BLOCK || status == BP_OVERLOADED) return std::nullopt;
    if (status == BP_OK) return true;
    if (status == BP_INVALID_HANDLE || status == BP_UNREACHABLE) return false;
    throw CallError(detail::make_failure(status, shared_->name(), bp_status_text(status)));
  }
  /// No part follows. reply() does this, too. Waits while this cannot be sent: without it, the handler waits for ever.
  void finish() noexcept {
    while (!finished_ && shared_->credits()) {
      const bp_status status = bp_request_part(shared_->native(), shared_->request(), {nullptr, 0}, BP_PART_END);
      finished_ = status != BP_OVERLOADED && status != BP_OUT_OF_MEMORY;
      if (!finished_) shared_->wait_for_end(retry);
    }
  }

  /// As of a Stream, for an answer in parts.
  Answer* next() noexcept { return answers_.next(); }
  /// Says that no part follows, waits for the end, and returns the answer. Throws CallError.
  Reply reply() { return try_reply().value(); }
  Result<Reply> try_reply() noexcept {
    finish();
    return answers_.try_reply();
  }
  void cancel() const noexcept { shared_->cancel(); }

  explicit Upload(std::shared_ptr<detail::PartialReplies> shared) noexcept : shared_(shared), answers_(shared) {}

 private:
  static constexpr Milliseconds retry{5};  // nothing tells when the connection takes more

  bp_status send(const Part& part, bool wait) {
    detail::Output out(&detail::buffers);
    detail::write(out, part);
    for (;;) {
      const std::optional<std::uint64_t> seen = shared_->credits();
      if (!seen) return BP_INVALID_HANDLE;
      const bp_status status = bp_request_part(shared_->native(), shared_->request(), detail::bytes(out.view()), 0);
      if (status == BP_WOULD_BLOCK) shared_->settle();
      if (!wait || (status != BP_WOULD_BLOCK && status != BP_OVERLOADED)) return status;
      if (status == BP_OVERLOADED) {
        shared_->wait_for_end(retry);
      } else {
        shared_->wait_for_credit(*seen);
      }
    }
  }

  std::shared_ptr<detail::PartialReplies> shared_;
  Stream<Answer, Reply> answers_;
  bool finished_ = false;
};

namespace detail {

template <class Part, class Reply, class Answer, class Request>
Upload<Part, Reply, Answer> upload(Core& core, const Target& target, const Request& first, const CallOptions& options) {
  auto shared = std::make_shared<PartialReplies>(target.name);
  try {
    shared->start(core, target, first, options, true, BP_SUBMIT_PARTS);
  } catch (...) {
    shared->refuse(failure_of_exception(target.name, "the request cannot be sent"));
  }
  return Upload<Part, Reply, Answer>(std::move(shared));
}

}  // namespace detail
}  // namespace backplane::client
