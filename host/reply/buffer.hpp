// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <cstddef>

namespace backplane::host {

/// Implements bp_buffer_new and bp_host_api.buffer_new. nullptr if out of memory, or at
/// the host's memory limit (memory/budget.hpp).
bp_buffer* new_buffer(std::size_t capacity) noexcept;
void free_buffer(bp_buffer* buffer) noexcept;

}  // namespace backplane::host
