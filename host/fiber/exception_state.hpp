// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cxxabi.h>

#include <utility>

namespace backplane::host {

/// What the C++ runtime keeps per thread of exceptions that are being handled (Itanium C++ ABI,
/// "Exception Handling", 2.2.2). Boost.Context does not switch it, so who suspends in a catch block
/// would leave its exceptions to whoever runs next.
struct ExceptionState {
  void* caught = nullptr;
  unsigned int uncaught = 0;

  /// Puts `with` in place of this, and gives what was there. By its parts: a copy of the whole would read in one
  /// what was written in two, and wait for both to reach memory.
  void exchange(const ExceptionState& with, ExceptionState& before) noexcept {
    before.caught = std::exchange(caught, with.caught);
    before.uncaught = std::exchange(uncaught, with.uncaught);
  }

  /// The calling thread's own.
  static ExceptionState& of_thread() noexcept { return *reinterpret_cast<ExceptionState*>(abi::__cxa_get_globals()); }
};

}  // namespace backplane::host
