// SPDX-License-Identifier: Apache-2.0
//
// Keeps the exceptions of handlers and fibers apart that take turns on one thread.
#pragma once

#include <utility>

namespace backplane::detail {

/// What a C++ runtime records of a thread: the exceptions that it handles, and how many are in flight (Itanium C++ ABI,
/// "Exception Handling", 2.2.2).
struct ThreadExceptions {
  void* caught = nullptr;
  unsigned int uncaught = 0;
};

#if defined(__cpp_exceptions)
/// The record of the calling thread, in the C++ runtime that this module uses. The name is our own, because not every
/// <cxxabi.h> declares the function.
[[gnu::visibility("default")]] ThreadExceptions* exceptions_of_thread() noexcept __asm__("__cxa_get_globals");

/// While the module's code is suspended, the thread has no exceptions. At the end it has its own again.
///
/// The host does the same for the C++ runtime that it uses itself. A module may have another one: a copy of its own
/// (-static-libstdc++), or libc++. Then only the module can reach the record. If both have the same, this changes
/// nothing.
class ExceptionsApart {
 public:
  ExceptionsApart() noexcept : now_(*exceptions_of_thread()) {
    mine_.caught = std::exchange(now_.caught, nullptr);
    mine_.uncaught = std::exchange(now_.uncaught, 0u);
  }
  ExceptionsApart(const ExceptionsApart&) = delete;
  ExceptionsApart& operator=(const ExceptionsApart&) = delete;
  ~ExceptionsApart() {
    now_.caught = mine_.caught;
    now_.uncaught = mine_.uncaught;
  }

 private:
  ThreadExceptions& now_;
  ThreadExceptions mine_;
};
#else
struct ExceptionsApart {};
#endif

/// Calls a function of the host that may suspend the caller.
template <class F, class... Arguments>
auto suspending(F function, Arguments... arguments) noexcept {
  [[maybe_unused]] const ExceptionsApart apart;
  return function(arguments...);
}

}  // namespace backplane::detail
