// SPDX-License-Identifier: Apache-2.0
//
// Stream: the partial replies of a call as a range, and its answer behind them.
#pragma once

#include <cstdio>
#include <iterator>

#include "partial_replies.hpp"

namespace backplane::client {

namespace detail {

/// What Stream and AsyncStream share: the last part, and how the call has ended.
template <class Part, class Reply>
class PartReader {
 public:
  /// Cancels the call. Parts that have come may still be read; then reply() says BP_CANCELED, unless an answer came
  /// first. Any thread may call it.
  void cancel() const noexcept { shared_->cancel(); }

 protected:
  explicit PartReader(std::shared_ptr<PartialReplies> shared) noexcept : shared_(std::move(shared)) {}
  PartReader(PartReader&&) noexcept = default;
  PartReader& operator=(PartReader&& other) noexcept {
    std::swap(shared_, other.shared_);
    std::swap(part_, other.part_);
    std::swap(bad_, other.bad_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~PartReader() {
    if (shared_ != nullptr) shared_->leave();
  }

  /// Reads the part that `next(View&)` gives, and returns nullptr if it gives none, or one of another form.
  template <class Next>
  Part* read(Next next) noexcept {
    part_.reset();
    if (bad_) return nullptr;
    try {
      View bytes;
      if (!next(bytes)) return nullptr;
      ++count_;
      part_.emplace(detail::read<Part>(bytes));
      return &*part_;
    } catch (...) {
      char doing[64];
      std::snprintf(doing, sizeof doing, "part %llu has another form than expected",
                    static_cast<unsigned long long>(count_));
      bad_ = failure_of_exception(shared_->name(), doing);
      shared_->cancel();
      return nullptr;
    }
  }
  /// After the last part.
  Result<Reply> outcome() const noexcept {
    if (bad_) return copy_of(*bad_);
    if (shared_->failed()) return copy_of(shared_->failure());
    return result_of<Reply>(shared_->name(), BP_OK, bytes(shared_->answer()), {}, {});
  }
  void throw_if_failed() const {
    if (bad_) throw CallError(*bad_);
    if (shared_->failed()) throw CallError(shared_->failure());
  }

  std::shared_ptr<PartialReplies> shared_;
  std::optional<Part> part_;
  std::optional<Failure> bad_;
  std::uint64_t count_ = 0;
};

}  // namespace detail

/// The partial replies of a call, each a Part, and then its answer, a Reply:
///
///   auto ticks = context.stream<Tick, Ticked>("timer.ticks", Ticks{3, 100});
///   for (const Tick& tick : ticks) …
///   const Ticked all = ticks.reply();
///
/// A part makes room for others when the reader asks for the next one, so a slow reader holds up its own handler alone.
/// For one thread at a time, which is no thread of the host. Destroying a Stream cancels its call if it is open.
template <class Part, class Reply>
class [[nodiscard]] Stream : public detail::PartReader<Part, Reply> {
 public:
  explicit Stream(std::shared_ptr<detail::PartialReplies> shared) noexcept
      : detail::PartReader<Part, Reply>(std::move(shared)) {}

  /// Waits for the next part. Returns nullptr at the end of the parts, also if that is an error: reply() tells. The
  /// part is valid until the next call.
  Part* next() noexcept {
    return this->read([this](View& bytes) { return this->shared_->next(bytes); });
  }

  /// Waits for the end, and returns the answer. Parts that were not read are dropped. Throws CallError.
  Reply reply() { return try_reply().value(); }
  /// The same without an exception.
  Result<Reply> try_reply() noexcept {
    while (next() != nullptr) {
    }
    return this->outcome();
  }

  /// Reads the stream once. begin() and ++ throw CallError if the call ends with an error.
  class Iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using value_type = Part;
    using difference_type = std::ptrdiff_t;
    using reference = Part&;
    using pointer = Part*;

    explicit Iterator(Stream* stream = nullptr) : stream_(stream) {
      if (stream != nullptr) ++*this;
    }
    Part& operator*() const noexcept { return *stream_->part_; }
    Part* operator->() const noexcept { return &*stream_->part_; }
    Iterator& operator++() {
      if (stream_->next() == nullptr) stream_->throw_if_failed();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return !stream_->part_.has_value(); }

   private:
    Stream* stream_;
  };
  Iterator begin() { return Iterator(this); }
  std::default_sentinel_t end() const noexcept { return {}; }
};

namespace detail {

template <class Part, class Reply, class Request>
Stream<Part, Reply> stream(Core& core, const Target& target, const Request& request, const CallOptions& options) {
  auto shared = std::make_shared<PartialReplies>(target.name);
  try {
    shared->start(core, target, request, options, true);
  } catch (...) {
    shared->refuse(failure_of_exception(target.name, "the request cannot be sent"));
  }
  return Stream<Part, Reply>(std::move(shared));
}

}  // namespace detail
}  // namespace backplane::client
