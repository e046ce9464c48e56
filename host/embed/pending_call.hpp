// SPDX-License-Identifier: Apache-2.0
//
// A call whose owner waits for it instead of giving callbacks (wait.h), and the table of their handles.
#pragma once

#include <backplane/backplane.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>

#include "sync/clock.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// Until when a thread waits.
struct WaitBound {
  explicit WaitBound(std::uint64_t timeout_ms) noexcept
      : at_once(timeout_ms == 0), forever(timeout_ms == BP_FOREVER), until(after_ms(timeout_ms)) {}
  bool at_once;
  bool forever;
  Nanos until;
};

/// A call, the parts that nobody has taken yet, and its terminal answer. It exists until its owner has freed it and the
/// host has answered it, whichever comes last.
class PendingCall {
 public:
  explicit PendingCall(bp_context ctx) noexcept : ctx_(ctx) {}
  PendingCall(const PendingCall&) = delete;
  PendingCall& operator=(const PendingCall&) = delete;
  ~PendingCall();

  bp_context context() const noexcept { return ctx_; }

  /// Submits the call. `self` owns this object, and stays until the terminal answer. `is_remote`: the host is another
  /// process, which may send more than it should.
  static bp_status start(const std::shared_ptr<PendingCall>& self, bp_submission submission, bool is_remote);

  /// As bp_call_next and bp_call_wait, when the handle and the thread have been checked.
  bp_status next(const WaitBound& bound, bp_result& out);
  bp_status wait(const WaitBound& bound, bp_result& out);
  /// As bp_call_part.
  bp_status send(bp_bytes payload, std::uint32_t flags, const WaitBound& bound);
  bp_status cancel() noexcept;
  /// The owner does not want it any more.
  void drop() noexcept;

 private:
  static void on_reply(void* user, const bp_answer* answer) noexcept;
  static void on_credit(void* user, std::uint64_t bytes) noexcept;

  void take_part(const bp_answer& answer) noexcept;
  void end(const bp_answer& answer) noexcept;
  /// Makes room for `bytes` of parts, and for those for which the host has refused to.
  void credit(std::uint64_t bytes) noexcept;
  bp_request request() const noexcept;
  /// Throws away all parts; returns their bytes.
  std::uint64_t clear_parts() noexcept BP_REQUIRES(mutex_);
  bp_status give_end(bp_result& out) const noexcept BP_REQUIRES(mutex_);
  /// Waits until `condition`, or the end of the call, its freeing, or the bound. Returns false if refused credit must
  /// be given again first: the caller does that without the lock, and waits again.
  template <class F>
  bool await(MutexLock& lock, const WaitBound& bound, F condition) BP_REQUIRES(mutex_);

  const bp_context ctx_;
  mutable bp_request request_{0};      // bp_submit stores it before the first reply
  std::uint64_t most_bytes_ = 0;       // of parts that wait; 0: the host of this process sees to it
  std::shared_ptr<PendingCall> self_;  // until the terminal answer; then only on_reply uses it

  Mutex mutex_;
  Condition changed_;
  std::deque<bp_result> parts_ BP_GUARDED_BY(mutex_);
  std::uint64_t part_bytes_ BP_GUARDED_BY(mutex_) = 0;  // of those
  std::uint64_t due_ BP_GUARDED_BY(mutex_) = 0;         // of parts that are taken, and whose credit was refused
  std::uint64_t rooms_ BP_GUARDED_BY(mutex_) = 0;       // how often the handler has taken parts of the request
  bp_result answer_ BP_GUARDED_BY(mutex_){};            // the terminal one, when `ended_`
  bp_status fault_ BP_GUARDED_BY(mutex_) = BP_OK;       // ends the call instead of the host's answer
  bool drops_parts_ BP_GUARDED_BY(mutex_) = false;
  bool ended_ BP_GUARDED_BY(mutex_) = false;
  bool dropped_ BP_GUARDED_BY(mutex_) = false;
};

/// The calls of this process by handle. Ids are never used again.
class PendingCalls {
 public:
  /// Throws std::bad_alloc.
  bp_pending add(std::shared_ptr<PendingCall> call);
  /// Null if there is none.
  std::shared_ptr<PendingCall> find(bp_pending handle) noexcept;
  /// The same, and forgets it.
  std::shared_ptr<PendingCall> remove(bp_pending handle) noexcept;

 private:
  struct alignas(64) Shard {
    Mutex mutex;
    std::unordered_map<std::uint64_t, std::shared_ptr<PendingCall>> calls BP_GUARDED_BY(mutex);
  };
  static constexpr std::size_t shards = 16;
  Shard& shard_of(bp_pending handle) noexcept { return all_[handle.id % shards]; }

  std::atomic<std::uint64_t> last_{0};
  std::array<Shard, shards> all_;
};

}  // namespace backplane::host
