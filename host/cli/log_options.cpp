// SPDX-License-Identifier: Apache-2.0
#include "cli/log_options.hpp"

#include <backplane/backplane.h>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "support/log_level.hpp"
#include "support/views.hpp"

namespace backplane::host::cli {

int log_level(const std::string& given, const std::string& where) {
  if (const auto level = log_level_of(given)) return *level;
  throw usage(cat(where, ": found \"", given, "\", expected trace, debug, info, warn, error or off"));
}

int log_format(const std::string& given, const std::string& where) {
  if (given == "human") return BP_LOG_FORMAT_HUMAN;
  if (given == "json") return BP_LOG_FORMAT_JSON;
  throw usage(cat(where, ": found \"", given, "\", expected human or json"));
}

void log_line(int level, const std::string& line) { bp_log_write(level, 0, str("run"), str(line)); }

}  // namespace backplane::host::cli
