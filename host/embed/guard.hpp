// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <exception>
#include <new>

#include "endpoint/context_table.hpp"
#include "support/result.hpp"

namespace backplane::host {

/// The error text for is_null() views.
inline constexpr const char* null_view = "a text or payload has a size, but its data pointer is null";

/// Runs the body of a C function: finds the endpoint of the handle, and turns exceptions into statuses.
template <class F>
bp_status with_endpoint(bp_context ctx, F call) noexcept {
  const ContextTable::Pin pin(context_table(), ctx);
  if (!pin) return BP_INVALID_HANDLE;
  try {
    return call(*pin);
  } catch (const std::bad_alloc&) {
    return BP_OUT_OF_MEMORY;
  } catch (const std::exception&) {
    return BP_ERROR;
  }
}

/// The same for a C function that returns a message in a bp_result.
template <class F>
bp_status with_endpoint(bp_context ctx, bp_result* result, F call) noexcept {
  if (result == nullptr) return BP_INVALID_ARGUMENT;
  const ContextTable::Pin pin(context_table(), ctx);
  if (!pin) return set_result(result, BP_INVALID_HANDLE, "the context handle is zero, stale, or not a context handle");
  try {
    if (pin->on_own_thread()) {
      return set_result(result, BP_REENTRANT,
                        "this call blocks, so it is refused on a thread of the host; use another thread");
    }
    return call(*pin);
  } catch (const std::bad_alloc&) {
    return set_result(result, BP_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return set_result(result, BP_ERROR, error.what());
  }
}

}  // namespace backplane::host
