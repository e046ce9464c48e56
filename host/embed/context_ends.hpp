// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <cstdint>
#include <list>
#include <thread>

#include "sync/mutex.hpp"

namespace backplane::host {

/// Who wants to know that a context stops, or is gone (bp_context_then).
class ContextEnds {
 public:
  /// As bp_context_then, with checked arguments. Throws std::bad_alloc.
  bp_status add(bp_context ctx, std::uint32_t state, bp_context_fn reached, void* user);

  /// The context is about to be stopped: calls those that want to know, once, and waits for those that another thread
  /// calls. False if one of them is what calls this. Allocates nothing.
  bool stopping(bp_context ctx);
  /// The context has left the table: calls those that want to know, and those that have missed the stop. Allocates
  /// nothing.
  void gone(bp_context ctx) noexcept;

 private:
  struct Entry {
    bp_context ctx;
    std::uint32_t state;
    bp_context_fn reached;
    void* user;
  };
  /// A thread that calls them. It lies on that thread's stack.
  struct Caller {
    bp_context ctx;
    std::thread::id thread;
    Caller* next;
  };

  bool is_calling(bp_context ctx) const noexcept BP_REQUIRES(mutex_);
  /// Calls the entries of a context one after another, without the lock.
  void call_all(bp_context ctx, std::uint32_t states);
  void link(Caller& caller) noexcept BP_REQUIRES(mutex_);
  void unlink(const Caller& caller) noexcept BP_REQUIRES(mutex_);

  Mutex mutex_;
  Condition returned_;
  std::list<Entry> entries_ BP_GUARDED_BY(mutex_);
  Caller* callers_ BP_GUARDED_BY(mutex_) = nullptr;
};

/// The one of this process. Never destroyed.
ContextEnds& context_ends() noexcept;

}  // namespace backplane::host
