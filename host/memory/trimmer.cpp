// SPDX-License-Identifier: Apache-2.0
#include "memory/trimmer.hpp"

#include <malloc.h>

namespace backplane::host {

bool MemoryTrimmer::look(Nanos now, bool idle) noexcept {
  const std::uint64_t used = budget_.counts().used;
  high_ = std::max(high_, budget_.take_high());
  const std::uint64_t released = high_ > used ? high_ - used : 0;
  if (released < (idle ? idle_least : busy_least)) return false;
  if (!idle && last_ != 0 && now - last_ < busy_interval) return false;
  last_ = now;
  trim_(idle);
  budget_.take_high();
  high_ = budget_.counts().used;
  return true;
}

void trim_heap() noexcept { ::malloc_trim(0); }

}  // namespace backplane::host
