// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cxxabi.h>

#include <utility>

namespace backplane::host {

/// The C++ runtime's per-thread state of exceptions being handled (Itanium C++ ABI, "Exception Handling", 2.2.2).
/// Boost.Context does not switch it. So a fiber that suspends in a catch block would leave its exceptions to the next
/// one that runs.
struct ExceptionState {
  void* caught = nullptr;
  unsigned int uncaught = 0;

  /// Replaces this state by `with`, and stores the old one in `before`. Copies member by member: one wide load of two
  /// recent narrow stores would stall until both reach the cache.
  void exchange(const ExceptionState& with, ExceptionState& before) noexcept {
    before.caught = std::exchange(caught, with.caught);
    before.uncaught = std::exchange(uncaught, with.uncaught);
  }

  /// The state of the calling thread.
  static ExceptionState& of_thread() noexcept { return *reinterpret_cast<ExceptionState*>(abi::__cxa_get_globals()); }
};

}  // namespace backplane::host
