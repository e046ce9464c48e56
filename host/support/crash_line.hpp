// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace backplane::host {

/// From now on, a crash in code of a module is told by one line on stderr: the signal, the module, its generation, the
/// wire name, whose call it was, and where each frame is. Then the previous action of the signal runs. So the process
/// still dies of the signal, at the same place. An exit() in code of a module is told as well. It ends the process with
/// its code, or with 1 instead of 0. Crashes of the host's own code, and of threads that it does not know, are not
/// told, unless the address belonged to a module that was unloaded (gone_code.hpp).
///
/// Signals: SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT. Call it once, before the threads of the host exist.
void install_crash_line() noexcept;

/// Tells the actions that the crash of this thread has been told already. Async-signal-safe.
void crash_is_told() noexcept;

}  // namespace backplane::host
