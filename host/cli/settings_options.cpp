// SPDX-License-Identifier: Apache-2.0
#include "cli/settings_options.hpp"

#include "cli/failure.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {

bool gives_settings(const Args& args) { return args.unload || args.workers || args.stack_size; }

ModuleSettings with_given(ModuleSettings settings, const Args& args) {
  if (args.unload && *args.unload != "drain" && *args.unload != "never") {
    throw usage(cat("--unload: found \"", *args.unload, "\", expected drain or never"));
  }
  if (args.stack_size && *args.stack_size != 0 && (*args.stack_size < least_stack || *args.stack_size > most_stack)) {
    throw usage(cat("--stack-size: found ", std::to_string(*args.stack_size), ", expected bytes, 0 or from ",
                    std::to_string(least_stack), " to ", std::to_string(most_stack)));
  }
  if (args.unload) settings.unload_never = *args.unload == "never";
  settings.workers = args.workers.value_or(settings.workers);
  settings.stack_size = args.stack_size.value_or(settings.stack_size);
  return settings;
}

}  // namespace backplane::host::cli
