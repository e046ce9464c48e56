// SPDX-License-Identifier: Apache-2.0
//
// The part of fibers.hpp that runs when a fiber ends or a switch fails.
#pragma once

#include "fibers.hpp"

namespace backplane {

inline bp_status detail::FiberBody::enter(void* argument) noexcept {
  auto& self = *static_cast<FiberBody*>(argument);
  std::exception_ptr error;
  bp_status status = BP_OK;
  try {
    status = self.run();
  } catch (const Canceled& e) {
    status = e.status == BP_OK ? BP_CANCELED : e.status;
  } catch (const Error& e) {
    error = std::current_exception();
    status = e.status();
  } catch (...) {
    error = std::current_exception();
    status = BP_EXCEPTION;
  }
  // Here and not in release(): what the body holds may switch again when it is destroyed, such as a Fiber. So the
  // error is noted after that.
  self.over_ = true;
  self.clear();
  if (error != nullptr) {
    self.fibers_.error_ = std::move(error);
    self.fibers_.thrower_ = self.id;
  }
  return status;
}

inline void detail::FiberBody::release(void* argument) noexcept {
  auto* const self = static_cast<FiberBody*>(argument);
  if (self->over_) {
    delete self;
  } else {
    self->next = std::exchange(self->fibers_.unused_, self);
  }
}

/// In main: the fiber whose end made a switch return `status`. 0: no fiber ended, the switch itself failed.
inline std::uint64_t Fibers::take_end(bp_status status) noexcept {
  if (first_ == BP_FIBER_MAIN) return BP_FIBER_MAIN;
  bp_status how = BP_OK;
  // Without the id: passing one counts as asking, also about an earlier entry that returned unnoticed.
  if (api_->ended(token_, nullptr, &how) != BP_OK || how != status) return BP_FIBER_MAIN;
  const std::uint64_t id = ended();
  if (id == last_end_ || id < first_) return BP_FIBER_MAIN;
  last_end_ = id;
  return id;
}

inline void Fibers::failed_quietly(bp_status status) noexcept {
  if (status != BP_ENTRY_RETURNED && active() == BP_FIBER_MAIN) take_end(status);
}

inline void Fibers::failed(bp_status status, std::uint64_t target) {
  const bool in_main = active() == BP_FIBER_MAIN;
  if (std::uncaught_exceptions() > (in_main ? uncaught_ : 0)) return failed_unwinding(status, target);
  if (const std::uint64_t id = in_main ? take_end(status) : 0; id != 0) fiber_ended(status, id);
  not_switched(status, target);
}

inline void Fibers::failed_unwinding(bp_status status, std::uint64_t target) noexcept {
  failed_quietly(status);
  if (status == BP_CANCELED || status == BP_ENTRY_RETURNED) return;  // the host reports BP_ENTRY_RETURNED
  try {
    log(Level::warn, "a switch to fiber ", target, " while an exception unwinds the caller: ", status_name(status));
  } catch (...) {  // no memory for the text
  }
}

inline void Fibers::fiber_ended(bp_status status, std::uint64_t id) {
  if (id == thrower_ && error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
  if (status == BP_ENTRY_RETURNED) throw EntryReturned(id);
  if (status == BP_CANCELED || status == BP_DEADLINE) throw Canceled{status};
  throw Error(status, join("fiber ", id, " ended with ", status_name(status)));
}

inline void Fibers::not_switched(bp_status status, std::uint64_t target) {
  if (status == BP_CANCELED) throw Canceled{status};
  if (status == BP_NOT_FOUND) {
    throw Error(status, target == BP_FIBER_MAIN
                            ? std::string("this Fiber object holds no fiber; create one, or move one into it")
                            : join("there is no fiber ", target,
                                   ": it has ended, was destroyed, or belongs to another run; switch to one that is "
                                   "alive"));
  }
  if (status == BP_OUT_OF_MEMORY) {
    throw Error(status,
                join("there is no memory for the stack of fiber ", target, "; try again when other fibers have ended"));
  }
  throw Error(status, join("the host refused to switch to fiber ", target, ": ", status_name(status),
                           "; a fiber works only in the run of the handler that created it, on its thread"));
}

inline void Fibers::not_created(bp_status status, StackSize stack) {
  if (status == BP_CANCELED) throw Canceled{status};
  if (status == BP_INVALID_ARGUMENT) {
    throw Error(status, join("found a stack size of ", stack.bytes,
                             " bytes for a fiber, expected 16384 to 1 GiB, or 0 for the default"));
  }
  if (status == BP_OUT_OF_MEMORY) {
    throw Error(status,
                "cannot create another fiber: out of memory, or the application's fiber_limit is reached; "
                "destroy some");
  }
  throw Error(status, join("the host refused a fiber: ", status_name(status)));
}

inline void Fibers::not_opened(bp_status status) {
  if (status == BP_CANCELED) throw Canceled{status};
  if (status == BP_REENTRANT) {
    throw Error(status, "this run of the handler already has a Fibers object; pass it on by reference");
  }
  if (status == BP_NOT_SUPPORTED) {
    throw Error(
        status,
        "fibers are not available here: a blocking handler has none, and the application may have disabled them "
        "(fiber_limit -1)");
  }
  throw Error(status, join("the host refused to provide fibers: ", status_name(status)));
}

}  // namespace backplane
