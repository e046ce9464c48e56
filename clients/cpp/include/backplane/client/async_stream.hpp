// SPDX-License-Identifier: Apache-2.0
//
// AsyncStream and AsyncUpload: partial replies, and requests in parts, for coroutines.
#pragma once

#include "async.hpp"
#include "task.hpp"
#include "upload.hpp"

namespace backplane::client {
namespace detail {

/// Where coroutines that wait for a call resume, as of an AsyncCall.
struct ResumeOn {
  Executor* of_call = nullptr;
  Executor* of_context = nullptr;
};

/// Waits for something of a call. Ended by the destruction of its coroutine, it lets nothing resume that.
class ReplyAwaiter {
 public:
  ReplyAwaiter(PartialReplies& replies, ResumeOn on, Awaited what, std::uint64_t seen = 0) noexcept
      : replies_(replies), on_(on), what_(what), seen_(seen) {}
  ReplyAwaiter(const ReplyAwaiter&) = delete;
  ReplyAwaiter& operator=(const ReplyAwaiter&) = delete;
  ~ReplyAwaiter() {
    if (waits_) replies_.forget();
  }

  bool await_ready() noexcept {
    if (what_ != Awaited::part) return false;
    replies_.let_go();
    return replies_.is_ready();
  }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
    Executor* const executor = CoroutineSlot::executor_of(waiting, on_.of_call, on_.of_context);
    waits_ = true;  // before it may go on, on another thread
    if (replies_.resume_later(waiting, executor, what_, seen_)) return true;
    waits_ = false;
    return false;
  }
  void await_resume() noexcept { waits_ = false; }

 private:
  PartialReplies& replies_;
  const ResumeOn on_;
  const Awaited what_;
  const std::uint64_t seen_;
  bool waits_ = false;
};

}  // namespace detail

/// The partial replies of a call for a coroutine, each a Part, and then its answer, a Reply:
///
///   auto ticks = context.stream_async<Tick, Ticked>("timer.ticks", request);
///   while (const Tick* tick = co_await ticks.next()) …
///   const Ticked all = co_await ticks.reply();
///
/// The call begins at once. A part makes room for others when the coroutine asks for the next one. Coroutines resume as
/// those of an AsyncCall do; one may wait at a time. Destroying an AsyncStream cancels its call if it is open. So does
/// destroying a coroutine that holds it. The stream must stay where it is, and outlive each coroutine that waits for
/// it: also a Task of reply() refers to it.
template <class Part, class Reply>
class [[nodiscard]] AsyncStream : public detail::PartReader<Part, Reply> {
 public:
  AsyncStream(std::shared_ptr<detail::PartialReplies> shared, detail::ResumeOn on) noexcept
      : detail::PartReader<Part, Reply>(std::move(shared)), on_(on) {}

  /// What co_await uses; gives a Part*.
  class Next : public detail::ReplyAwaiter {
   public:
    explicit Next(AsyncStream& stream) noexcept
        : ReplyAwaiter(*stream.shared_, stream.on_, detail::Awaited::part), stream_(stream) {}
    Part* await_resume() noexcept {
      ReplyAwaiter::await_resume();
      return stream_.read([this](View& bytes) { return stream_.shared_->next_here(bytes); });
    }

   private:
    AsyncStream& stream_;
  };
  /// `co_await next()` gives the next part, or nullptr at the end of the parts, also if that is an error: reply()
  /// tells. The part is valid until the next call.
  [[nodiscard]] Next next() noexcept { return Next(*this); }

  /// `co_await reply()` gives the answer at the end. Parts that were not read are dropped. Throws CallError.
  Task<Reply> reply() & {
    Result<Reply> result = co_await try_reply();
    co_return std::move(result).value();
  }
  /// The same; the await gives a Result<Reply>.
  Task<Result<Reply>> try_reply() & {
    const Part* part = nullptr;
    do {
      part = co_await next();
    } while (part != nullptr);
    co_return this->outcome();
  }

 private:
  detail::ResumeOn on_;
};

/// A call whose request goes in parts, for a coroutine:
///
///   auto sum = context.upload_async<Chunk, Sum>("sums.add", first);
///   co_await sum.part(chunk);                    resumes when there is room for it
///   const Sum all = co_await sum.reply();        says that no part follows
///
/// Otherwise as an Upload and an AsyncStream. It, too, must outlive each coroutine that waits for it.
template <class Part, class Reply, class Answer = Raw>
class [[nodiscard]] AsyncUpload {
 public:
  AsyncUpload(std::shared_ptr<detail::PartialReplies> shared, detail::ResumeOn on) noexcept
      : shared_(shared), on_(on), answers_(shared, on) {}

  /// Sends the next part when there is room for it. The await gives false if the call has ended: reply() tells how.
  /// It throws CallError if the part cannot be sent. Throws Error if it cannot be encoded.
  Task<bool> part(const Part& part) & {
    detail::Output out(&detail::buffers);
    detail::write(out, part);
    return send(Bytes(out.view().begin(), out.view().end()), 0);
  }
  /// This g++ would destroy a temporary of a co_await expression twice: give the part a name.
  Task<bool> part(Part&& part) & requires detail::breaks_in_await<Part>
  = delete;

  /// No part follows. reply() does this, too. Throws CallError if this cannot be sent.
  Task<void> finish() & {
    if (finished_) co_return;
    co_await send({}, BP_PART_END);
    finished_ = true;  // not before: the Task may be destroyed while it waits
  }

  /// As of an AsyncStream, for an answer in parts.
  [[nodiscard]] typename AsyncStream<Answer, Reply>::Next next() noexcept { return answers_.next(); }
  /// Says that no part follows, and gives the answer at the end. Throws CallError.
  Task<Reply> reply() & {
    Result<Reply> result = co_await try_reply();
    co_return std::move(result).value();
  }
  /// The same; the await gives a Result<Reply>, also if the end of the request cannot be sent.
  Task<Result<Reply>> try_reply() & {
    try {
      co_await finish();
    } catch (...) {
      co_return detail::failure_of_exception(shared_->name(), "the end of the request cannot be sent");
    }
    co_return co_await answers_.try_reply();
  }
  void cancel() const noexcept { shared_->cancel(); }

 private:
  Task<bool> send(Bytes part, std::uint32_t flags) {
    for (;;) {
      const std::optional<std::uint64_t> seen = shared_->credits();
      if (!seen) co_return false;
      const bp_status status = bp_request_part(shared_->native(), shared_->request(), detail::bytes(part), flags);
      switch (status) {
        case BP_OK:
          co_return true;
        case BP_INVALID_HANDLE:
        case BP_UNREACHABLE:
          co_return false;
        case BP_WOULD_BLOCK:
          shared_->settle();
          co_await detail::ReplyAwaiter(*shared_, on_, detail::Awaited::room, *seen);
          break;
        case BP_OVERLOADED:
        case BP_OUT_OF_MEMORY:  // nothing tells when the connection takes more
          co_await detail::ReplyAwaiter(*shared_, on_, detail::Awaited::moment);
          break;
        default:
          throw CallError(detail::make_failure(status, shared_->name(), bp_status_text(status)));
      }
    }
  }

  std::shared_ptr<detail::PartialReplies> shared_;
  detail::ResumeOn on_;
  AsyncStream<Answer, Reply> answers_;
  bool finished_ = false;
};

namespace detail {

/// Begins a call for a coroutine. `flags`: BP_SUBMIT_PARTS for an AsyncUpload.
template <class Made, class Request>
Made begin_async(Core& core, const Target& target, const Request& request, const CallOptions& options,
                 std::uint32_t flags) {
  auto shared = std::make_shared<PartialReplies>(target.name);
  try {
    shared->start(core, target, request, options, false, flags);
  } catch (...) {
    shared->refuse(failure_of_exception(target.name, "the request cannot be sent"));
  }
  return Made(std::move(shared), ResumeOn{options.executor, core.executor()});
}

}  // namespace detail
}  // namespace backplane::client
