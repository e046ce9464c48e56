// SPDX-License-Identifier: Apache-2.0
//
// What the host tells a waited-for call, and what its owner's threads ask of it. No function of the host is called with
// its mutex locked.
#include "embed/pending_call.hpp"

#include <chrono>
#include <exception>
#include <utility>

#include "support/result.hpp"
#include "support/views.hpp"

namespace backplane::host {
namespace {

/// A connected host may give a call so much at most (backplane.h); twice that is certainly too much.
constexpr std::uint64_t most_window = std::uint64_t{16} << 20;
constexpr std::size_t most_parts = 2 * 65'536;
/// How long a thread waits before it gives refused credit again.
constexpr Nanos credit_retry = 10 * nanos_per_ms;

constexpr const char* freed_text = "the call was freed while this thread waited for it";

std::uint64_t weight(std::size_t size) noexcept { return size == 0 ? 1 : size; }

std::chrono::steady_clock::time_point time_of(Nanos at) noexcept {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(at));
}

/// A result that was moved from has nothing to free.
bp_result moved(bp_result& from) noexcept { return std::exchange(from, bp_result{}); }

void give(bp_result& out, bp_result&& from) noexcept {
  const std::uint32_t struct_size = out.struct_size;
  out = moved(from);
  out.struct_size = struct_size;
}

}  // namespace

PendingCall::~PendingCall() {
  const MutexLock lock(mutex_);
  clear_parts();
  free_result(&answer_);
}

bp_status PendingCall::start(const std::shared_ptr<PendingCall>& self, bp_submission submission, bool is_remote) {
  submission.flags |= BP_SUBMIT_CREDIT | BP_SUBMIT_NO_STALE;
  submission.on_reply = on_reply;
  submission.on_credit = (submission.flags & BP_SUBMIT_PARTS) != 0 ? on_credit : nullptr;
  submission.user = self.get();
  if (is_remote) {
    const bool own = submission.window_bytes != 0 && submission.window_bytes < most_window;
    self->most_bytes_ = 2 * (own ? submission.window_bytes : most_window);
  }
  self->self_ = self;
  const bp_status status = bp_submit(self->ctx_, &submission, &self->request_);
  if (status != BP_OK) self->self_.reset();
  return status;
}

bp_request PendingCall::request() const noexcept {
  return {std::atomic_ref(request_.id).load(std::memory_order_acquire)};
}

void PendingCall::on_reply(void* user, const bp_answer* answer) noexcept {
  auto& call = *static_cast<PendingCall*>(user);
  if (answer->status == BP_STALE) return;
  if (answer->status == BP_PARTIAL) return call.take_part(*answer);
  const std::shared_ptr<PendingCall> self = std::move(call.self_);  // may be the last
  call.end(*answer);
}

void PendingCall::on_credit(void* user, std::uint64_t) noexcept {
  auto& call = *static_cast<PendingCall*>(user);
  const MutexLock lock(call.mutex_);
  ++call.rooms_;
  call.changed_.notify_all();
}

void PendingCall::take_part(const bp_answer& answer) noexcept {
  const std::uint64_t bytes = weight(answer.payload.size);
  bp_status fault = BP_OK;
  {
    const MutexLock lock(mutex_);
    if (!drops_parts_) {
      if (most_bytes_ != 0 && !parts_.empty() && (part_bytes_ + bytes > most_bytes_ || parts_.size() >= most_parts)) {
        fault = BP_PROTOCOL;
      } else {
        bp_result part{};
        fault = set_result(&part, BP_PARTIAL, view(answer.payload)) == BP_PARTIAL ? BP_OK : BP_OUT_OF_MEMORY;
        try {
          if (fault == BP_OK) parts_.push_back(part);
        } catch (const std::exception&) {
          free_result(&part);
          fault = BP_OUT_OF_MEMORY;
        }
      }
      if (fault == BP_OK) {
        part_bytes_ += bytes;
        changed_.notify_all();  // not all of those that wait do so for parts
        return;
      }
      fault_ = fault;  // a part is missing now, so the call cannot end well
      drops_parts_ = true;
    }
  }
  const std::shared_ptr<PendingCall> self = self_;  // a cancel or a credit may bring the terminal answer
  // A handler that could not be canceled must not wait for this part.
  if (fault == BP_OK || cancel() != BP_OK) credit(bytes);
}

void PendingCall::end(const bp_answer& answer) noexcept {
  const MutexLock lock(mutex_);
  if (fault_ == BP_OK) {
    set_result(&answer_, answer.status, view(answer.payload), view(answer.message), view(answer.detail));
  } else {
    set_result(&answer_, fault_,
               fault_ == BP_PROTOCOL ? "the host sent more parts than the window of this call allows; it was canceled"
                                     : "there was no memory for a part of the reply; the call was canceled");
  }
  ended_ = true;
  changed_.notify_all();
}

void PendingCall::credit(std::uint64_t bytes) noexcept {
  {
    const MutexLock lock(mutex_);
    if (ended_) return;  // it needs none
    bytes += std::exchange(due_, 0);
  }
  if (bytes == 0) return;
  const bp_status status = bp_request_credit(ctx_, request(), bytes);
  if (status != BP_OVERLOADED && status != BP_OUT_OF_MEMORY) return;
  const MutexLock lock(mutex_);
  due_ += bytes;
  changed_.notify_all();  // a thread that waits without a bound must give it again
}

bp_status PendingCall::cancel() noexcept {
  {
    const MutexLock lock(mutex_);
    if (ended_) return BP_INVALID_HANDLE;
  }
  return bp_cancel(ctx_, request());
}

std::uint64_t PendingCall::clear_parts() noexcept {
  for (bp_result& part : parts_) free_result(&part);
  parts_.clear();
  return std::exchange(part_bytes_, 0);
}

void PendingCall::drop() noexcept {
  bool runs = false;
  {
    const MutexLock lock(mutex_);
    dropped_ = true;
    drops_parts_ = true;
    clear_parts();
    runs = !ended_;
    changed_.notify_all();
  }
  if (runs) bp_cancel(ctx_, request());
}

template <class F>
bool PendingCall::await(MutexLock& lock, const WaitBound& bound, F condition) {
  const auto reached = [&]() BP_REQUIRES(mutex_) { return ended_ || dropped_ || condition(); };
  if (bound.at_once || reached()) return true;
  if (due_ == 0) {
    const auto has_news = [&]() BP_REQUIRES(mutex_) { return reached() || due_ != 0; };
    if (bound.forever) {
      changed_.wait(lock, has_news);
    } else if (!changed_.wait_until(lock, time_of(bound.until), has_news)) {
      return true;
    }
    if (reached()) return true;
  }
  const Nanos again = now() + credit_retry;
  const bool is_last = !bound.forever && bound.until <= again;
  return changed_.wait_until(lock, time_of(is_last ? bound.until : again), reached) || is_last;
}

bp_status PendingCall::give_end(bp_result& out) const noexcept {
  if (dropped_) return set_result(&out, BP_INVALID_HANDLE, freed_text);
  if (!ended_) return set_result(&out, BP_STALE, std::string_view());
  return set_result(&out, answer_.status, view(answer_.payload), view(answer_.message), view(answer_.detail));
}

bp_status PendingCall::next(const WaitBound& bound, bp_result& out) {
  if (bound.at_once) credit(0);  // it does not come to the wait that does this
  for (;;) {
    std::uint64_t bytes = 0;
    {
      MutexLock lock(mutex_);
      const bool is_over = await(lock, bound, [this]() BP_REQUIRES(mutex_) { return !parts_.empty(); });
      if (!parts_.empty()) {
        give(out, std::move(parts_.front()));
        parts_.pop_front();
        bytes = weight(out.payload.size);
        part_bytes_ -= bytes;
        if (ended_) return BP_PARTIAL;
      } else if (is_over) {
        return give_end(out);
      }
    }
    credit(bytes);
    if (bytes != 0) return BP_PARTIAL;
  }
}

bp_status PendingCall::wait(const WaitBound& bound, bp_result& out) {
  std::uint64_t bytes = 0;
  {
    const MutexLock lock(mutex_);
    drops_parts_ = true;
    bytes = clear_parts();
  }
  for (;;) {
    credit(std::exchange(bytes, 0));
    MutexLock lock(mutex_);
    if (await(lock, bound, [] { return false; })) return give_end(out);
  }
}

bp_status PendingCall::send(bp_bytes payload, std::uint32_t flags, const WaitBound& bound) {
  for (;;) {
    std::uint64_t before = 0;
    {
      const MutexLock lock(mutex_);
      if (ended_ || dropped_) return BP_INVALID_HANDLE;
      before = rooms_;
    }
    const bp_status status = bp_request_part(ctx_, request(), payload, flags);
    if (status != BP_WOULD_BLOCK || bound.at_once) return status;
    bool is_over = false;
    {
      MutexLock lock(mutex_);
      is_over = await(lock, bound, [&]() BP_REQUIRES(mutex_) { return rooms_ != before; });
      if (ended_ || dropped_) return BP_INVALID_HANDLE;
      if (is_over && rooms_ == before) return BP_WOULD_BLOCK;
    }
    if (!is_over) credit(0);  // the handler may wait for this before it takes parts
  }
}

bp_pending PendingCalls::add(std::shared_ptr<PendingCall> call) {
  const bp_pending handle{last_.fetch_add(1, std::memory_order_relaxed) + 1};
  Shard& shard = shard_of(handle);
  const MutexLock lock(shard.mutex);
  shard.calls.emplace(handle.id, std::move(call));
  return handle;
}

std::shared_ptr<PendingCall> PendingCalls::find(bp_pending handle) noexcept {
  Shard& shard = shard_of(handle);
  const MutexLock lock(shard.mutex);
  const auto at = shard.calls.find(handle.id);
  return at == shard.calls.end() ? nullptr : at->second;
}

std::shared_ptr<PendingCall> PendingCalls::remove(bp_pending handle) noexcept {
  Shard& shard = shard_of(handle);
  const MutexLock lock(shard.mutex);
  const auto at = shard.calls.find(handle.id);
  if (at == shard.calls.end()) return nullptr;
  std::shared_ptr<PendingCall> call = std::move(at->second);
  shard.calls.erase(at);
  return call;
}

}  // namespace backplane::host
