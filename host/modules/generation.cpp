// SPDX-License-Identifier: Apache-2.0
#include "modules/generation.hpp"

#include <utility>

#include "support/mutex.hpp"

namespace backplane {

std::string Generation::label() const { return manifest.name + " (generation " + std::to_string(number) + ")"; }

std::string Generation::take_failure() {
  const MutexLock lock(failure_mutex);
  return std::exchange(failure, {});
}

}  // namespace backplane
