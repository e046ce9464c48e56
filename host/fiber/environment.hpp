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

/// Of all environments of one thread. That thread writes them, anybody reads them.
struct FiberCounts {
  std::atomic<std::uint64_t> created{0};
  std::atomic<std::uint64_t> alive{0};      ///< created, and not ended
  std::atomic<std::uint64_t> swallowed{0};  ///< ended otherwise than by BP_CANCELED when destroyed
};

/// The fibers that one run of a handler switches between, behind bp.fiber/1: what is said there of each
/// function holds here. Main is the handler, on whatever stack it runs.
///
/// A switch jumps from fiber to fiber, not by way of the thread's own stack: who it suspends is suspended
/// for the environment alone. The whole of it suspends as its handler's Fiber does, in the active one.
class Environment {
 public:
  Environment(Stacks& stacks, FiberCounts& counts) noexcept : stacks_(stacks), counts_(counts) {}
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() = default;

  /// For a run, on its own thread and `stack`. It is open then. `run` tells this run from others.
  void begin(std::uint64_t run, Stack& stack, std::uint64_t limit) noexcept;
  /// After close(): the run is over, and another may begin.
  void end() noexcept;
  /// Whether what it keeps for the next run is little memory.
  bool worth_keeping() const noexcept { return blocks_.size() <= 32; }

  std::uint64_t run() const noexcept { return run_; }
  bool is_open() const noexcept { return open_; }
  void open() noexcept { open_ = true; }

  /// Whether there can be such a fiber.
  static bool possible(const bp_fiber_desc& desc) noexcept {
    const bool fits = desc.stack_size == 0 || (desc.stack_size >= Stacks::least && desc.stack_size <= Stacks::most);
    return desc.entry != nullptr && fits;
  }
  /// One that is possible(), and not by a fiber that is canceled().
  bp_status create(const bp_fiber_desc& desc, std::uint64_t& id) noexcept;
  bp_status switch_to(std::uint64_t id) noexcept;
  bp_status destroy(std::uint64_t id) noexcept;
  /// BP_INVALID_ARGUMENT: not in main.
  bp_status close() noexcept;

  std::uint64_t active() const noexcept { return active_->id; }
  /// The stack in whose guard `address` is, and whose that is; nullptr: in none. For signal handlers.
  const Stack* guarding(const void* address, std::uint64_t& id) const noexcept;
  /// The stack that the active fiber runs on.
  Stack& active_stack() const noexcept { return *active_->stack; }
  /// Whether the active fiber is being destroyed.
  bool canceled() const noexcept { return active_->destroyer != nullptr; }

  /// The last fiber that ended by itself, and how. 0: none has.
  struct Ended {
    std::uint64_t id = 0;
    bp_status status = BP_OK;
  };
  const Ended& ended() const noexcept { return ended_; }
  /// Somebody knows which that was.
  void asked() noexcept {
    if (ended_.id == returned_) returned_ = 0;
  }
  /// The last whose entry returned, unless somebody has asked which it was; else 0.
  std::uint64_t returned() const noexcept { return returned_; }

  /// How many of this run swallowed their cancellation, and the last of them.
  std::uint64_t swallowed() const noexcept { return swallowed_; }
  const Ended& swallower() const noexcept { return swallower_; }

 private:
  struct Member;

 public:
  /// A jump that may begin, or (`to` is null) why not.
  struct Departure {
    boost::context::detail::fcontext_t to;
    union {
      Member* from;
      bp_status refused;
    };
  };
  static Departure depart(Environment& environment, std::uint64_t id) noexcept;

 private:
  // `context` and `environment` are where scripts/gdb_fibers.py expects them.
  struct Member {
    boost::context::detail::fcontext_t context = nullptr;  ///< null: active, or not started
    bp_status arrival = BP_OK;                             ///< what its switch returns
    bool destroys = false;                                 ///< it is suspended in destroy()
    Environment* environment = nullptr;
    Stack* stack = nullptr;       ///< null: not started
    Member* destroyer = nullptr;  ///< who waits for its end; it is being destroyed
    std::uint64_t id = BP_FIBER_MAIN;
    ExceptionState handled;
    Member* same_hash = nullptr;
    StackPool* stacks = nullptr;
    bp_fiber_entry_fn entry = nullptr;
    bp_fiber_release_fn release = nullptr;
    void* arg = nullptr;
    Member* newer = nullptr;  ///< by age; `older` is also the list of free ones
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
  StackPool* usual_ = nullptr;  ///< of the size that was asked for last
  std::uint64_t usual_size_ = 0;
  std::uint64_t next_id_ = 1;
  std::uint64_t limit_ = 0;
  std::uint64_t swallowed_ = 0;
  std::uint64_t returned_ = 0;
  Ended ended_;
  Ended swallower_;
  bool open_ = false;
  [[maybe_unused]] Stack* left_ = nullptr;  ///< of who has just ended, for ThreadSanitizer
  std::vector<std::unique_ptr<Member[]>> blocks_;
};

}  // namespace backplane::host
