// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/ext/fiber.h>

#include <atomic>
#include <boost/context/detail/fcontext.hpp>
#include <cstdint>
#include <memory>
#include <vector>

#include "fiber/exception_state.hpp"
#include "fiber/member_table.hpp"
#include "fiber/stack_pool.hpp"

namespace backplane::host {

/// Counts of all environments of one thread. Only that thread writes; any thread may read.
struct FiberCounts {
  std::atomic<std::uint64_t> created{0};
  std::atomic<std::uint64_t> alive{0};      ///< created and not ended
  std::atomic<std::uint64_t> swallowed{0};  ///< destroyed, but ended with another status than BP_CANCELED
};

/// The fibers of one run of a handler. Implements bp.fiber/1; see ext/fiber.h for each function. Main is the handler
/// itself, on the handler's stack.
///
/// A switch jumps directly from fiber to fiber and does not return to the thread's own stack. It suspends a fiber only
/// within the environment. An await suspends the whole environment: the handler's Fiber suspends on the active stack.
class Environment {
 public:
  Environment(Stacks& stacks, FiberCounts& counts) noexcept : stacks_(stacks), counts_(counts) {}
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() = default;

  /// Begins a run and opens the environment. Call it on the run's thread, with the handler's stack. `run` identifies
  /// the run.
  void begin(std::uint64_t run, Stack& stack, std::uint64_t limit) noexcept;
  /// Ends the run, after close(). Another run may begin.
  void end() noexcept;
  /// Whether the memory that it keeps for the next run is small.
  bool worth_keeping() const noexcept { return blocks_.size() <= 32; }

  std::uint64_t run() const noexcept { return run_; }
  bool is_open() const noexcept { return open_; }
  void open() noexcept { open_ = true; }

  /// Whether the description of a fiber is valid.
  static bool possible(const bp_fiber_desc& desc) noexcept {
    const bool fits = desc.stack_size == 0 || (desc.stack_size >= Stacks::least && desc.stack_size <= Stacks::most);
    return desc.entry != nullptr && fits;
  }
  /// Creates a fiber. `desc` must be possible(), and the caller must not be canceled().
  bp_status create(const bp_fiber_desc& desc, std::uint64_t& id) noexcept;
  bp_status switch_to(std::uint64_t id) noexcept;
  bp_status destroy(std::uint64_t id) noexcept;
  /// Destroys all fibers and closes the environment. BP_INVALID_ARGUMENT if the caller is not main.
  bp_status close() noexcept;

  std::uint64_t active() const noexcept { return active_->id; }
  /// The stack whose guard contains `address`, and the id of its fiber; nullptr if none does. Async-signal-safe.
  const Stack* guarding(const void* address, std::uint64_t& id) const noexcept;
  /// The stack that the active fiber runs on.
  Stack& active_stack() const noexcept { return *active_->stack; }
  /// Whether the active fiber is being destroyed.
  bool canceled() const noexcept { return active_->destroyer != nullptr; }

  /// The last fiber that ended by itself, and its status. Id 0: none.
  struct Ended {
    std::uint64_t id = 0;
    bp_status status = BP_OK;
  };
  const Ended& ended() const noexcept { return ended_; }
  /// The handler has read ended(), so returned() need not report this fiber any more.
  void asked() noexcept {
    if (ended_.id == returned_) returned_ = 0;
  }
  /// The last fiber whose entry returned, if asked() was not called since; otherwise 0.
  std::uint64_t returned() const noexcept { return returned_; }

  /// The number of fibers of this run that swallowed their cancellation, and the last of them.
  std::uint64_t swallowed() const noexcept { return swallowed_; }
  const Ended& swallower() const noexcept { return swallower_; }

 private:
  struct Member;

 public:
  /// A jump that may begin. If `to` is null, `refused` is the reason why it may not.
  struct Departure {
    boost::context::detail::fcontext_t to;
    union {
      Member* from;
      bp_status refused;
    };
  };
  static Departure depart(Environment& environment, std::uint64_t id) noexcept;

 private:
  // scripts/gdb_fibers.py relies on the offsets of `context` and `environment`.
  struct Member {
    boost::context::detail::fcontext_t context = nullptr;  ///< null: active, or not started
    bp_status arrival = BP_OK;                             ///< the status that its switch returns
    bool destroys = false;                                 ///< it is suspended in destroy()
    Environment* environment = nullptr;
    Stack* stack = nullptr;       ///< null: not started
    Member* destroyer = nullptr;  ///< the member that destroys it and waits for its end, or null
    std::uint64_t id = BP_FIBER_MAIN;
    ExceptionState handled;
    Member* same_hash = nullptr;
    StackPool* stacks = nullptr;
    bp_fiber_entry_fn entry = nullptr;
    bp_fiber_release_fn release = nullptr;
    void* arg = nullptr;
    Member* newer = nullptr;  ///< list by age; free members are linked by `older`
    Member* older = nullptr;
  };

  static void enter(boost::context::detail::transfer_t from) noexcept;
  bool start(Member& member) noexcept;
  void leave(Member& from, Member& to) noexcept;
  void arrive(Member& self, boost::context::detail::transfer_t came) noexcept;
  void jump(Member& from, Member& to) noexcept;
  [[noreturn]] void finish(Member& self, bp_status status) noexcept;
  void retire(Member& member) noexcept;
  bool grow() noexcept;
  void reap() noexcept;

  Stacks& stacks_;
  FiberCounts& counts_;
  std::uint64_t run_ = 0;
  Member* active_ = &main_;
  ExceptionState* handled_ = nullptr;  ///< ExceptionState::of_thread()
  MemberTable<Member> members_;
  Member main_;
  Member* newest_ = nullptr;
  Member* free_ = nullptr;
  StackPool* usual_ = nullptr;  ///< pool of the size that was used last
  std::uint64_t usual_size_ = 0;
  std::uint64_t next_id_ = 1;
  std::uint64_t limit_ = 0;
  std::uint64_t swallowed_ = 0;
  std::uint64_t returned_ = 0;
  Ended ended_;
  Ended swallower_;
  bool open_ = false;
  [[maybe_unused]] Stack* left_ = nullptr;  ///< stack of the fiber that has just ended, for ThreadSanitizer
  std::vector<std::unique_ptr<Member[]>> blocks_;
};

}  // namespace backplane::host
