// SPDX-License-Identifier: Apache-2.0
#include "modules/generation.hpp"

#include <utility>

namespace backplane {

std::string Generation::label() const { return manifest.name + " (generation " + std::to_string(number) + ")"; }

std::string Generation::take_failure() {
  const std::lock_guard lock(failure_mutex);
  return std::exchange(failure, {});
}

}  // namespace backplane
