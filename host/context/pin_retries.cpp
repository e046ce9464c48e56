// SPDX-License-Identifier: Apache-2.0
#include "context/pin_retries.hpp"

#include <algorithm>
#include <new>

#include "modules/kept_by_threads.hpp"
#include "modules/loader.hpp"

namespace backplane::host {

void PinRetries::begin() noexcept {
  delay_ = first;
  control_.post_operation_later(*this, delay_);
}

// The tries follow as operations of their own. Without memory, it is tried next time.
void PinRetries::run() {
  try {
    loader_.retry_pinned([this](const Generation& each) { return kept_.has_below(each); });
  } catch (const std::bad_alloc&) {
  }
  // One that another operation tries now may stay all the same, and nobody begins again for it.
  if (!kept_.has_any_below()) return;
  delay_ = std::min(2 * delay_, longest);
  control_.post_operation_later(*this, delay_);
}

}  // namespace backplane::host
