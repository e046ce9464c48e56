// SPDX-License-Identifier: Apache-2.0
#include "request/cpu_warning.hpp"

#include <new>
#include <string>

#include "support/log.hpp"

namespace backplane::host {
namespace {

constexpr Nanos pause = 1'000'000'000;

}  // namespace

void CpuWarning::look_closely(const Request& request, Ticks ran) noexcept try {
  if ((request.handler->flags & BP_HANDLER_BLOCKING) != 0) return;  // it held a worker thread
  const double held = static_cast<double>(ran) * nanos_per_tick();
  const Nanos time = now();
  if (held < static_cast<double>(threshold_) || time < next_) return;
  next_ = time + pause;
  log::warn(request.handler->generation->source(),
            "a handler of \"" + request.method->name + "\" took " +
                std::to_string(static_cast<std::uint64_t>(held) / nanos_per_ms) +
                " ms of the request thread, in which nothing else of its context runs; declare it blocking if it "
                "computes for long (cpu_warning_ms)");
} catch (const std::bad_alloc&) {
  // The status shows its times all the same.
}

}  // namespace backplane::host
