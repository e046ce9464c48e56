// SPDX-License-Identifier: Apache-2.0
#include "cli/failure.hpp"

#include <backplane/backplane.h>

#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

const char* code_name(const CommandFailure& failure) {
  if (failure.status != BP_OK) return bp_status_name(failure.status);
  switch (failure.exit) {
    case exit_usage:
      return "usage";
    case exit_interrupted:
      return "interrupted";
    case exit_unreachable:
      return bp_status_name(BP_UNREACHABLE);
    case exit_timeout:
      return bp_status_name(BP_TIMEOUT);
    case exit_refused:
      return bp_status_name(BP_LOAD_REFUSED);
    default:
      return bp_status_name(BP_ERROR);
  }
}

// The status name. All statuses that modules define share one name, so for them the number is added.
std::string label(const CommandFailure& failure) {
  std::string out = code_name(failure);
  if (failure.status >= BP_STATUS_MODULE_FIRST) out += cat(" (", std::to_string(failure.status), ")");
  return out;
}

}  // namespace

CommandFailure usage(std::string message, std::string hint) {
  return {exit_usage, BP_OK, std::move(message), {}, std::move(hint)};
}

int exit_code(bp_status status) {
  switch (status) {
    case BP_OK:
      return exit_ok;
    case BP_UNREACHABLE:
    case BP_PROTOCOL:
      return exit_unreachable;
    case BP_DEADLINE:
    case BP_TIMEOUT:
      return exit_timeout;
    case BP_CANCELED:
      return exit_interrupted;
    default:
      return exit_error;
  }
}

int load_exit_code(bp_status status) {
  switch (status) {
    case BP_NOT_LOADED:  // from reload
    case BP_CLOSED:
    case BP_NOT_PERMITTED:
    case BP_OVERLOADED:
    case BP_INVALID_HANDLE:
      return exit_error;
    default:
      const int code = exit_code(status);
      return code == exit_error ? static_cast<int>(exit_refused) : code;
  }
}

void report(const CommandFailure& failure, bool json) {
  std::string text;
  if (json) {
    text = cat("{\"error\":{\"exit\":", std::to_string(failure.exit), ",\"code\":\"", code_name(failure), '"');
    if (failure.status != BP_OK) text += cat(",\"status\":", std::to_string(failure.status));
    text += cat(",\"message\":", json_string(failure.message));
    if (!failure.detail.empty()) text += cat(",\"detail\":", payload_json(failure.detail, false).text);
    if (!failure.hint.empty()) text += cat(",\"hint\":", json_string(failure.hint));
    text += "}}\n";
  } else {
    text = "backplane: ";
    if (failure.status != BP_OK) text += cat(label(failure), ": ");
    // A message from the host or a module is one line, whatever it contains. Those of the command line may show a
    // place.
    text += cat(failure.status == BP_OK ? printable(failure.message) : one_line(failure.message), "\n");
    if (!failure.detail.empty()) text += cat("  detail: ", payload_json(failure.detail, false).text, "\n");
    if (!failure.hint.empty()) text += cat("  hint: ", printable(failure.hint), "\n");
  }
  write_err(text);
}

}  // namespace backplane::host::cli
