// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace backplane::host {

/// Who has used up its stack.
struct Overflow {
  const char* module = "";
  const char* wire_name = "";
  std::uint64_t fiber = 0;  ///< 0: the handler itself
  std::size_t stack_size = 0;
};

/// While it exists, a stack overflow of the calling thread's fibers ends the process with a message that
/// names the fiber, instead of with silence.
///
/// The first one in the process sets an action for SIGSEGV. It writes the message, and leaves everything
/// else to the action that was there before; so the process still dies of SIGSEGV, at the same place.
class OverflowWatch {
 public:
  /// Called in the signal handler: whether `address` belongs to the guard below the stack of what the thread
  /// runs. It takes no lock and no memory.
  using Find = bool (*)(const void* address, Overflow& found) noexcept;

  /// `find` is the same for all. Without memory for the signal stack there is no message.
  explicit OverflowWatch(Find find) noexcept;
  OverflowWatch(const OverflowWatch&) = delete;
  OverflowWatch& operator=(const OverflowWatch&) = delete;
  ~OverflowWatch();

 private:
  std::unique_ptr<char[]> signal_stack_;
};

}  // namespace backplane::host
