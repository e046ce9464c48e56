// SPDX-License-Identifier: Apache-2.0
#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/status_text.hpp"

namespace backplane::host::cli {
namespace {

// An older host says nothing.
int exit_of_state(const Value& report) {
  return report["state"].text() == "not responding" ? exit_not_responding : exit_ok;
}

int run_status(const Args& args) {
  end_at_timeout(args);
  const Client client(args);
  Result result;
  check(bp_host_status(client.context(), result.out()), result, exit_code);
  show(args, result.payload(), status_text);
  return exit_of_state(Value::read(result.payload()));
}

int run_ping(const Args& args) {
  constexpr std::uint64_t default_ping_ms = 2000;
  Args bounded = args;
  bounded.timeout = args.timeout.value_or(default_ping_ms);
  end_at_timeout(bounded);
  const Client client(args);
  Result result;
  check(bp_host_status(client.context(), result.out()), result, exit_code);
  const Value report = Value::read(result.payload());
  const int code = exit_of_state(report);
  write_out(args.json
                ? cat("{\"state\":\"", report["state"].text(), "\",\"pid\":", report["pid"].text(), "}\n")
                : cat(report["state"].text(), " (pid ", report["pid"].text(), ")\n", not_responding_text(report)));
  return code;
}

}  // namespace

const Command status_command = {
    "status",
    "show uptime, contexts, stacks, and the time that each wire name takes",
    R"(The line "memory" shows what the host has allocated, its limit (memory_limit), and the memory of the whole process with
its modules (resident). The line "connections" shows how many there are, their limit, and what they have open. A
connection is held while its output is too much to add parts of answers.

Columns of the table of contexts:
  FIBERS           fibers that handlers have created and that are alive now
  SUSPENDED        handlers that wait now, and how many may (suspended_limit in the configuration file)

A line "oldest call" names the call of a context that has waited longest for its answer: who made it, and how it stands.
  waiting               its turn has not come
  running               its handler keeps the request thread
  suspended             its handler waits for something
  pending               its handler has returned, and answers later
  waiting for a worker  its blocking handler waits for a worker thread, or for its instance
  on a worker           its blocking handler runs
For a handler that keeps the request thread, the time is a little too short; otherwise it may be up to a second too long.

The table OPERATION has the loads, unloads and reloads that go on: backplane cancel asks for the end of one. Lines
that begin with NOT RESPONDING stand above all tables. They name threads that make no progress, and modules whose code
keeps a thread of the loader for longer than load_timeout_ms. A line "NAME: 3 calls wait for
its next generation" names a module that is being replaced, the old generation first.

The table WORKERS OF has the modules whose blocking handlers were called, and their worker threads:
  LIMIT            threads that the module may have at once (workers in its table of the configuration file)
  WAITED           calls that found no free thread
  WAIT             how long calls waited for one

The table LIMIT HIT has the keys of the configuration file whose limits have refused, held or ended something, and how
often. It is missing if none has.

Columns of the table of wire names, slowest in total first:
  CALLS, ERRORS    calls that a handler was given, and those of them that ended with an error
  IN FLIGHT        calls that a handler was given and that have not ended
  REFUSED          calls refused before a handler began
  WAIT             how long a request waited for its handler to begin; 1 in 32 is measured, and each while waits may be
                   longer than 1 ms; -: none yet
  >1 MS            calls that waited for longer than 1 ms
  RUN              how long the handler held its thread; accurate to 3 %
  BYTES IN, OUT    bytes of payloads
  HELD             bytes of the payloads of the calls in flight, each rounded up to a power of two

Columns of the table of stacks, one row for each size:
  IN USE           includes the stacks of handlers that rest between two requests
  DEEPEST USE      the most that was ever used of one stack
A stack overflow ends the process. If DEEPEST USE is near 100 %, enlarge the stack: for handlers with
fiber_stack_size in the configuration file of backplane run, or with bp_handler_desc.stack_size in the module; for
fibers with bp_fiber_desc.stack_size.

Examples:
  backplane status
  backplane status --json | jq .contexts[0].errors
  backplane status --json | jq '.names | max_by(.run_ns.p99)'

Exit codes: 0 ok; 1 the socket lacks the role; 2 usage; 3 no host answers; 4 no answer within --timeout; 6 the host
answers, but a thread of it does not respond.)",
    {look_timeout_option, socket_option, json_option},
    run_status,
};

const Command ping_command = {
    "ping",
    "say whether the host responds, by the exit code",
    R"(ping is for scripts and supervisors. It asks for the host's state, and prints one line. A host responds if no thread of
a context and no code of a module on a control thread is stuck; the watchdog takes a second to find out.

Examples:
  backplane ping --timeout 1000; [ $? -ne 6 ] || echo "a thread hangs: see backplane status"

Exit codes: 0 it responds; 1 the socket lacks the role; 2 usage; 3 no host answers; 4 no answer within --timeout; 6 it
answers, but does not respond.)",
    {{"--timeout", "MS", "how long to wait for the answer; default 2000", &Args::timeout}, socket_option, json_option},
    run_ping,
};

}  // namespace backplane::host::cli
