// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <exception>
#include <new>

#include "endpoint/context_table.hpp"
#include "support/result.hpp"

namespace backplane::host {

/// What is_null() views are refused with.
inline constexpr const char* null_view = "a view has a size, but points nowhere";

/// The border of the C functions: finds the endpoint, and lets no exception through.
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

/// The same for a function whose failure has words.
template <class F>
bp_status with_endpoint(bp_context ctx, bp_result* result, F call) noexcept {
  if (result == nullptr) return BP_INVALID_ARGUMENT;
  const ContextTable::Pin pin(context_table(), ctx);
  if (!pin) return set_result(result, BP_INVALID_HANDLE, "the context handle is zero, stale or not a context's");
  try {
    if (pin->on_own_thread()) {
      return set_result(result, BP_REENTRANT,
                        "a blocking call on one of the context's own threads; use another thread");
    }
    return call(*pin);
  } catch (const std::bad_alloc&) {
    return set_result(result, BP_OUT_OF_MEMORY, "no memory for the operation");
  } catch (const std::exception& error) {
    return set_result(result, BP_ERROR, error.what());
  }
}

}  // namespace backplane::host
