// SPDX-License-Identifier: Apache-2.0
#include "modules/generation.hpp"

#include <utility>

#include "sync/mutex.hpp"

namespace backplane::host {

const void* Generation::extension(const char* id) const {
  return entry.extension == nullptr || deinited ? nullptr : entry.extension(id);
}

std::string Generation::label() const { return manifest.name + " (generation " + std::to_string(number) + ")"; }

std::string Generation::take_failure() {
  const MutexLock lock(failure_mutex);
  return std::exchange(failure, {});
}

}  // namespace backplane::host
