// SPDX-License-Identifier: Apache-2.0
//
// What a process does that was forked from one with a host. It has the host's memory, but only the thread that forked.
#pragma once

#include <atomic>

namespace backplane::host {

/// Set by the atfork handler (embed/fork_guard.hpp), before fork() returns in the child. Never reset.
inline constinit std::atomic<bool> is_forked_child{false};

/// Ends the process, with a line that names the code that has returned.
[[noreturn]] void end_forked_child() noexcept;

/// Call this where code of a module or of the application has returned. A child that it has forked ends here: what
/// follows is the host's work, which the parent does.
inline void leave_to_parent() noexcept {
  if (is_forked_child.load(std::memory_order_relaxed)) [[unlikely]]
    end_forked_child();
}

}  // namespace backplane::host
