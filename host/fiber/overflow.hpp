// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "support/signal_stack.hpp"

namespace backplane::host {

/// The handler or fiber that has used up its stack.
struct Overflow {
  const char* module = "";
  const char* wire_name = "";
  std::uint64_t fiber = 0;  ///< 0: the handler itself
  bool blocking = false;    ///< a blocking handler, on the stack of its thread
  std::size_t stack_size = 0;
};

/// While this object exists, a stack overflow of the calling thread's fibers writes a message that names the fiber.
///
/// The first object in the process sets an action for SIGSEGV. It writes the message, then runs the previous action. So
/// the process still dies of SIGSEGV, at the same place.
class OverflowWatch {
 public:
  /// Returns whether `address` belongs to the guard of a stack of what the thread runs. Runs in the signal handler,
  /// so it must not lock or allocate.
  using Find = bool (*)(const void* address, Overflow& found) noexcept;

  /// `find` must be the same for all objects. If there is no memory for the signal stack, no message is written.
  explicit OverflowWatch(Find find) noexcept;
  OverflowWatch(const OverflowWatch&) = delete;
  OverflowWatch& operator=(const OverflowWatch&) = delete;

 private:
  SignalStack signal_stack_;
};

}  // namespace backplane::host
