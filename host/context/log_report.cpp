// SPDX-License-Identifier: Apache-2.0
#include "context/log_report.hpp"

#include <backplane/cbor/writer.hpp>
#include <optional>
#include <string>
#include <vector>

#include "support/log.hpp"
#include "support/log_level.hpp"
#include "support/names.hpp"
#include "support/report.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

std::vector<std::uint8_t> log_report(std::optional<int> was) {
  const log::Levels levels = log::levels();
  const log::Counts counts = log::counts();
  std::vector<std::uint8_t> bytes;
  cbor::Writer out(bytes);
  out.map(was ? 6 : 5);
  field(out, "level", log_level_name(levels.level));
  out.text("modules");
  out.array(levels.modules.size());
  for (const log::ModuleLevel& each : levels.modules) {
    out.map(2);
    field(out, "module", each.name);
    field(out, "level", log_level_name(each.level));
  }
  if (was) field(out, "was", log_level_name(*was));
  field(out, "format", log::is_json() ? "json" : "human");
  field(out, "waiting", counts.waiting);
  field(out, "dropped", counts.dropped);
  return bytes;
}

}  // namespace

bp_status set_log_level(std::string_view module, std::int32_t level, bp_result& result) {
  if (level != BP_LOG_KEEP && (level < BP_LOG_TRACE || level > BP_LOG_OFF)) {
    return set_result(&result, BP_INVALID_ARGUMENT,
                      "found the log level " + std::to_string(level) + ", expected one of BP_LOG_TRACE to BP_LOG_OFF");
  }
  if (!module.empty() && !is_module_name(module)) {
    return set_result(&result, BP_INVALID_ARGUMENT,
                      "found a module name of " + std::to_string(module.size()) +
                          " bytes; expected [a-z_][a-z0-9_]*, at most " + std::to_string(BP_MODULE_NAME_MAX) +
                          " bytes");
  }
  if (level == BP_LOG_KEEP) return set_result(&result, BP_OK, log_report(std::nullopt));
  if (module.empty()) {
    const int was = log::levels().level;
    log::set_level(level);
    return set_result(&result, BP_OK, log_report(was));
  }
  const int was = log::set_level_of(module, level);
  if (was < 0) {
    return set_result(&result, BP_OVERLOADED,
                      std::to_string(log::most_module_levels) +
                          " modules have a log level of their own, which is the most; set one level for all first");
  }
  return set_result(&result, BP_OK, log_report(was));
}

}  // namespace backplane::host
