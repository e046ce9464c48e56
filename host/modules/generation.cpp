// SPDX-License-Identifier: Apache-2.0
#include "modules/generation.hpp"

#include <bit>
#include <utility>

#include "sync/mutex.hpp"

namespace backplane::host {

const void* Generation::extension(const char* id) const {
  return entry.extension == nullptr || deinited ? nullptr : entry.extension(id);
}

std::uint32_t Generation::handler_stack(std::uint64_t own) const noexcept {
  const std::uint64_t bytes = own != 0 ? own : stack_size;
  return bytes == 0 ? 0 : static_cast<std::uint32_t>(std::bit_ceil(bytes));
}

std::string Generation::label() const { return manifest.name + " (generation " + std::to_string(number) + ")"; }

std::string Generation::take_failure() {
  const MutexLock lock(failure_mutex);
  return std::exchange(failure, {});
}

}  // namespace backplane::host
