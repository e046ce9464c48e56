// SPDX-License-Identifier: Apache-2.0
#include "support/forked_child.hpp"

#include <unistd.h>

#include "support/running_code.hpp"
#include "support/signal_text.hpp"

namespace backplane::host {

void end_forked_child() noexcept {
  SignalText line;
  line << "backplane: a forked child of the host returned from ";
  if (RunningCode code; find_running_code(code)) {
    line << "the " << code.in;
    if (!code.name.empty()) line << " of \"" << code.name << "\"";
    if (!code.module.empty()) line << " of the module \"" << code.module << "\", generation " << code.generation;
  } else {
    line << "code that the host called";
  }
  line << "; the child ends with 1, because the host goes on in its parent alone. Call exec or _exit in the child.";
  line.write_alone();
  ::_exit(1);
}

}  // namespace backplane::host
