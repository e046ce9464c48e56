// SPDX-License-Identifier: Apache-2.0
#include "cli/help.hpp"

namespace backplane::host::cli {

const char* const help_introduction = R"(backplane: run a plugin host, or talk to a running host.

First steps:
  backplane run &                          start a host with the bundled modules
  backplane ls                             list the wire names that can be called
  backplane call echo.shout '{"text":"hi"}'
  backplane load ./mine.so                 add a module while the host runs
  backplane reload mine                    replace it by a new build; no call is lost
  backplane stop
)";

const char* const help_ending = R"(backplane COMMAND --help describes a command, with examples.

Commands reach the host over a Unix socket. Its path is the first of these that is set:
  1. --socket PATH
  2. $BACKPLANE_SOCKET
  3. $XDG_RUNTIME_DIR/backplane/backplane.sock
  4. backplane-UID/backplane.sock in $TMPDIR, or in /tmp if that is not set

Results go to stdout, everything else to stderr. Exit codes: 0 ok; 1 the module or the host answered an error, or the
socket lacks the role; 2 usage, or a wrong configuration; 3 no host answers; 4 timeout; 5 a module was refused; 6 the
host answers, but a thread of it does not respond (status and ping); 130 ended by Ctrl-C.
)";

}  // namespace backplane::host::cli
