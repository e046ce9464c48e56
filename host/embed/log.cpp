// SPDX-License-Identifier: Apache-2.0
//
// The C functions of log.h, and bp_log_level.
#include <backplane/backplane.h>

#include "context/log_report.hpp"
#include "embed/guard.hpp"
#include "support/log.hpp"
#include "support/sized.hpp"
#include "support/views.hpp"

using namespace backplane::host;

namespace {

constexpr std::uint32_t most_lines = 1u << 24;
constexpr std::uint32_t least_bytes = 1u << 16;
constexpr std::uint32_t most_bytes = 1u << 30;

bool within(std::uint32_t value, std::uint32_t least, std::uint32_t most) {
  return value == 0 || (value >= least && value <= most);
}

}  // namespace

extern "C" {

void bp_log_level(int32_t level) { log::set_level(level); }

bp_status bp_log_configure(const bp_log_options* options) {
  if (options == nullptr || options->struct_size == 0) return BP_INVALID_ARGUMENT;
  const bp_log_options chosen = widened(*options);
  if (chosen.format > BP_LOG_FORMAT_JSON || !within(chosen.queue_lines, 1, most_lines) ||
      !within(chosen.queue_bytes, least_bytes, most_bytes)) {
    return BP_INVALID_ARGUMENT;
  }
  const bool done = log::configure(
      {.json = chosen.format == BP_LOG_FORMAT_JSON, .lines = chosen.queue_lines, .bytes = chosen.queue_bytes});
  return done ? BP_OK : BP_OUT_OF_MEMORY;
}

void bp_log_write(int32_t level, uint32_t flags, bp_str where, bp_str text) {
  if (level < BP_LOG_TRACE || level > BP_LOG_ERROR || (flags & ~std::uint32_t{BP_LOG_ALWAYS}) != 0) return;
  if (is_null(where) || is_null(text)) return;
  log::write(level, view(where), view(text), {.members = {}, .always = (flags & BP_LOG_ALWAYS) != 0});
}

void bp_log_to(bp_log_fn sink, void* user) { log::set_sink(sink, user); }

bp_status bp_log_flush(uint32_t timeout_ms) {
  return log::flush(std::chrono::milliseconds(timeout_ms)) ? BP_OK : BP_TIMEOUT;
}

bp_status bp_log_set(bp_context ctx, bp_str module, int32_t level, bp_result* result) {
  if (result == nullptr || is_null(module)) return BP_INVALID_ARGUMENT;
  return with_endpoint(ctx, [&](Endpoint& endpoint) {
    return endpoint.logs_elsewhere() ? endpoint.set_log_level(module, level, *result)
                                     : set_log_level(view(module), level, *result);
  });
}

}  // extern "C"
