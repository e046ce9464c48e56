// SPDX-License-Identifier: Apache-2.0
//
// bp.log/1: writes a module's lines to the host's log.
#include <backplane/ext/log.h>

#include "extensions/tables.hpp"
#include "modules/generation.hpp"
#include "support/log.hpp"
#include "support/views.hpp"

namespace backplane::host {
namespace {

int32_t log_enabled(int32_t level) noexcept { return log::enabled(level) ? 1 : 0; }

void log_write(bp_module* module, int32_t level, bp_str text) noexcept {
  if (module == nullptr || level < BP_LOG_TRACE || level > BP_LOG_ERROR || !log::enabled(level)) return;
  log::write(level, module->generation->source(), view(text));
}

}  // namespace

const bp_log_api log_table{sizeof(bp_log_api), 0, log_enabled, log_write};

}  // namespace backplane::host
