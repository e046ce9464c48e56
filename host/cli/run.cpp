// SPDX-License-Identifier: Apache-2.0
//
// `backplane run`: prepares socket, data directory and host, loads the planned modules, and serves until a stop
// request. `--check-config` only makes the plan.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <thread>

#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/configured.hpp"
#include "cli/failure.hpp"
#include "cli/given_sockets.hpp"
#include "cli/limits_check.hpp"
#include "cli/log_options.hpp"
#include "cli/output.hpp"
#include "cli/places_check.hpp"
#include "cli/print_config.hpp"
#include "cli/run_places.hpp"
#include "cli/run_plan.hpp"
#include "cli/service_manager.hpp"
#include "cli/stop_request.hpp"
#include "server/server.hpp"
#include "support/result.hpp"
#include "support/views.hpp"

namespace backplane::host::cli {
namespace {

// How long open calls may take to end after a stop request.
constexpr std::chrono::milliseconds drain{5000};

CommandFailure as_usage(const Failure& failure) { return {exit_usage, failure.status, failure.message}; }

void configure(const RunPlan& plan) {
  std::vector<const char*> allowed;
  for (const std::string& dir : plan.allowed_dirs) allowed.push_back(dir.c_str());
  allowed.push_back(nullptr);
  const bp_host_options options = {.struct_size = sizeof options,
                                   .worker_threads = plan.workers,
                                   .data_dir = plan.data_dir.c_str(),
                                   .module_dirs = plan.allowed_dirs.empty() ? nullptr : allowed.data(),
                                   .memory_limit = plan.memory_limit,
                                   .load_timeout_ms = plan.load_timeout_ms,
                                   .crash_line = 1,
                                   .trial_program = plan.trial_load ? "" : nullptr,
                                   .module_cache = plan.module_cache.empty() ? nullptr : plan.module_cache.c_str()};
  Result why;
  const bp_status status = bp_host_configure(&options, why.out());
  if (status != BP_OK) throw CommandFailure{exit_usage, status, why.message(status)};
}

/// The embedded context that the server serves.
class Host {
 public:
  explicit Host(const RunPlan& plan) {
    Result why;
    const bp_status status = bp_context_create(&plan.context, &context_, why.out());
    if (status != BP_OK) throw CommandFailure{exit_error, status, why.message(status)};
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() { end(); }

  bp_context context() const noexcept { return context_; }

  void load(const PlannedModule& module) {
    bp_load_options options = {
        .struct_size = sizeof options, .path = module.path.c_str(), .config = bytes(module.config)};
    module.settings.add_to(options);
    Result result;
    const bp_status status = bp_module_load(context_, &options, result.out());
    if (status == BP_OK) return;
    throw CommandFailure{
        load_exit_code(status),
        status,
        cat("the module \"", module.name, "\" was not loaded, so nothing is served: ", result.message(status)),
        {result.detail().begin(), result.detail().end()}};
  }

  bp_status end() { return std::exchange(ended_, true) ? static_cast<bp_status>(BP_OK) : bp_context_destroy(context_); }

 private:
  bp_context context_ = {};
  bool ended_ = false;
};

std::string count_of(const RunPlan& plan) {
  return cat(std::to_string(plan.modules.size()), plan.modules.size() == 1 ? " module" : " modules");
}

std::string plan_json(const RunPlan& plan) {
  std::string modules;
  for (const PlannedModule& module : plan.modules) {
    modules += cat(modules.empty() ? "" : ",", "{\"name\":", cli::json_string(module.name),
                   ",\"path\":", cli::json_string(module.path), "}");
  }
  return cat("{\"modules\":[", modules, "],\"socket\":", cli::json_string(plan.socket),
             ",\"data_dir\":", cli::json_string(plan.data_dir), "}\n");
}

int check_only(const Args& args) {
  try {
    const RunPlan plan = make_plan(args);
    check_places(plan);
    std::string names;
    for (const std::string& warning : plan.warnings) note(cat("warning: ", warning));
    for (const std::string& warning : plan.unchecked) note(cat("warning: ", warning));
    for (const PlannedModule& module : plan.modules) names += cat(names.empty() ? "" : ", ", module.name);
    if (args.json) {
      write_result(plan_json(plan));
      return exit_ok;
    }
    note(cat("the configuration is valid: ", count_of(plan), " (", names, "), socket ", plan.socket, ", data in ",
             plan.data_dir));
    return exit_ok;
  } catch (CommandFailure& failure) {
    if (failure.exit != exit_refused) failure.exit = exit_usage;  // any other fault lies in the configuration
    throw;
  }
}

ServerOptions server_options(const RunPlan& plan) {
  ServerOptions options = plan.server;
  options.socket_path = plan.socket;
  if (plan.connection_memory != 0) options.max_memory = plan.connection_memory;
  options.log = [](int level, const std::string& line) { bp_log_write(level, 0, str("server"), str(line)); };
  return options;
}

// Runs before any module touches its data, because a host that is stopping may still have the data open.
void reserve(Server& server) {
  try {
    server.reserve();
  } catch (const Failure& failure) {
    throw as_usage(failure);
  }
}

// Code of modules that keeps a thread of the loader; empty: none. Module operations are canceled.
std::string stuck_code() {
  Result result;
  return bp_operation_cancel(bp_host_context(), {}, result.out()) == BP_OK ? std::string() : result.message(BP_TIMEOUT);
}

// Names whose handlers have not ended, as text.
std::string names_in_flight(bp_context context) {
  Result result;
  if (bp_host_status(context, result.out()) != BP_OK) return {};
  std::string names;
  const Value report = Value::read(result.payload());
  for (const Value& name : report["names"].items()) {
    const std::string& count = name["in_flight"].text();
    if (count != "0") names += cat(names.empty() ? "" : ", ", name["name"].text(), " (", count, ")");
  }
  return names;
}

// Ends the process although code of modules runs, so nothing may be unloaded or destroyed, and exit() may hang.
[[noreturn]] void end_by_force(int code, const std::string& left) {
  log_line(BP_LOG_WARN, cat("the host ends by force; left behind: ", left));
  bp_log_flush(last_lines_ms);
  ::_exit(code);
}

// exit() runs the destructors of the objects that are still mapped. They may hang like any other code of a module.
void bound_the_exit() {
  static constexpr std::chrono::seconds bound{5};
  std::thread([] {
    std::this_thread::sleep_for(bound);
    // The log may have ended.
    constexpr std::string_view line =
        "backplane: the host ends by force; left behind: a destructor of a module, or another exit handler\n";
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    static_cast<void>(written);  // nothing can be done about an error
    ::_exit(exit_error);
  }).detach();
}

int serve(Host& host, Server& server, const RunPlan& plan, Configured& configured, StopRequest& stop,
          const ServiceManager& manager) {
  try {
    server.start();
  } catch (const Failure& failure) {
    throw as_usage(failure);
  }
  const std::string ready =
      cat("ready on ", server.socket_path(), ", ", count_of(plan), ", pid ", std::to_string(::getpid()));
  bp_log_write(BP_LOG_INFO, BP_LOG_ALWAYS, str("run"), str(ready));
  manager.ready(plan.socket);
  while (!stop.wait()) configured.ask_by_signal();
  manager.stopping(stop.reason());
  configured.stop();
  log_line(BP_LOG_INFO, cat("stopping: ", stop.reason(), "; press Ctrl-C again to end at once"));
  std::string stuck = stuck_code();
  server.shutdown(drain);
  const std::string names = names_in_flight(host.context());
  const bool in_time = host.end() != BP_TIMEOUT;
  if (stuck.empty()) stuck = stuck_code();  // of an unload that has ended meanwhile
  if (!stuck.empty()) end_by_force(exit_error, stuck);
  if (!in_time)
    end_by_force(exit_error,
                 names.empty() ? "a listener or an instance that has not returned" : cat("calls of ", names));
  bound_the_exit();
  return exit_ok;
}

void configure_log(const RunPlan& plan) {
  bp_log_level(plan.log_level);
  if (const bp_status status = bp_log_configure(&plan.log); status != BP_OK) {
    throw CommandFailure{exit_usage, status, bp_status_text(status)};
  }
  for (const std::string& warning : plan.warnings) log_line(BP_LOG_WARN, warning);
}

// Each connection takes a descriptor, and the usual soft limit of 1024 is for programs that use select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// How long the load of a module may take, with its trial and what surrounds it. The limit holds for each of its
// constructors, its init and its instances.
std::chrono::milliseconds longest_load(const RunPlan& plan) {
  constexpr std::uint32_t usual_ms = 10'000;
  constexpr std::chrono::seconds beside{20};
  constexpr int steps = 3;
  return steps * std::chrono::milliseconds(plan.load_timeout_ms != 0 ? plan.load_timeout_ms : usual_ms) + beside;
}

/// What a start of `run` begins with.
struct Start {
  std::shared_ptr<const ServiceManager> manager;
  std::shared_ptr<StopRequest> stop;
  std::vector<GivenSocket> sockets;
  RunPlan plan;
};

int run_with(const Args& args, Start& start) {
  const RunPlan& plan = start.plan;
  const std::shared_ptr<const ServiceManager>& manager = start.manager;
  const std::shared_ptr<StopRequest>& stop = start.stop;
  raise_descriptor_limit();
  if (!is_given(start.sockets, plan.socket)) prepare_socket(plan.socket);
  prepare_data_dir(plan.data_dir);
  stop->begin();
  configure(plan);
  Host host(plan);
  for (const std::string& warning : warnings_of_memory(plan.limits)) log_line(BP_LOG_WARN, warning);
  Configured configured(args, plan, manager);
  ServerOptions options = server_options(plan);
  options.reconfigure = configured.asked();
  Server server(host.context(), std::move(options), [&stop] { stop->ask(); });
  if (const auto interval = manager->watchdog()) server.show_life(*interval, [manager] { manager->alive(); });
  server.adopt(std::move(start.sockets));
  reserve(server);
  for (const PlannedModule& module : plan.modules) {
    if (stop->asked()) break;
    manager->starting(cat("loading the module ", module.name), longest_load(plan));
    host.load(module);
  }
  stop->started();
  return stop->asked() ? static_cast<int>(exit_ok) : serve(host, server, plan, configured, *stop, *manager);
}

// The first two change the environment and the signals, so no other thread may run before them.
void prepare(const Args& args, Start& start) try {
  start.sockets = given_sockets();
  start.stop = StopRequest::from_signals(exit_interrupted);
  start.plan = make_plan(args);
  place(start.sockets, start.plan);
} catch (const CommandFailure& failure) {
  start.manager->failed(failure.message);
  throw;
}

// A failure is the last line on stderr, in the form of the others if that is JSON. If nobody reads stderr, it is not
// told: the exit code says it.
int run_run(const Args& args) {
  if (args.check_config) return check_only(args);
  if (args.print_config) {
    const RunPlan plan = make_plan(args);
    for (const std::string& warning : plan.warnings) note(cat("warning: ", warning));
    write_result(config_text(plan));
    return exit_ok;
  }
  Start start{.manager = std::make_shared<const ServiceManager>()};
  prepare(args, start);
  const RunPlan& plan = start.plan;
  configure_log(plan);
  for (const std::string& warning : start.manager->warnings()) log_line(BP_LOG_WARN, warning);
  try {
    return run_with(args, start);
  } catch (const CommandFailure& failure) {
    start.manager->failed(failure.message);
    const bool as_line = plan.log.format == BP_LOG_FORMAT_JSON && !args.json;
    if (as_line) bp_log_write(BP_LOG_ERROR, BP_LOG_ALWAYS, str("run"), str(failure.message));
    const bool told = bp_log_flush(last_lines_ms) != BP_OK || as_line;
    if (const std::string stuck = stuck_code(); !stuck.empty()) {
      if (!told) report(failure, args.json);
      end_by_force(failure.exit, stuck);
    }
    if (told) return failure.exit;
    throw;
  }
}

}  // namespace

const Command run_command = {
    "run",
    "serve modules in the foreground, until Ctrl-C, SIGTERM or backplane stop",
    R"(run writes "run: ready on …" to its log on stderr when it serves, whatever the log level. If neither the options nor the configuration
file name a module, it loads the bundled modules. If a module is refused, run ends before it serves.

The data directory is the first of these that is set: --data-dir, $BACKPLANE_DATA_DIR, data_dir in the configuration
file, $XDG_DATA_HOME/backplane, ~/.local/share/backplane.

An option on the command line takes precedence over the environment (BACKPLANE_SOCKET, BACKPLANE_DATA_DIR,
BACKPLANE_MODULE_CACHE, BACKPLANE_LOG_LEVEL, BACKPLANE_LOG_FORMAT, BACKPLANE_CONFIG), and the environment over the configuration file.

The configuration file is TOML; docs/cli.md describes its keys. The keys socket, data_dir, module_cache, log_level,
log_format, module_dirs and trial_load are as the options. The others:
  allowed_dirs        the directories from which modules may be loaded; default: any
  workers             number of threads for blocking handlers
  memory_limit, connection_memory
                      how many bytes the host may allocate, and how many of them for one connection
  load_timeout_ms     how long a module's constructors, init, deinit or destructors may take
  log_queue_lines, log_queue_bytes
                      lines of the log that may wait while nobody reads stderr
  fiber_stack_size    stack size of handlers, in bytes
  fiber_limit         number of fibers that one run of a handler may have
  call_depth          how deep handlers may call handlers
  suspended_limit, suspended_per_name
                      how many handlers may wait at once, of the host and of one wire name
  calls_per_name      how many calls of one wire name may be in flight
  context_memory      how many bytes the calls in flight may hold
  on_event_overflow   "gap": a listener that is too slow loses events, and is told so; "refuse": emitters and calls are
                      refused instead
  event_log_events, event_log_bytes, event_queue_depth, event_output_bytes
                      how many events are kept for slow listeners
  queue_depth, max_connections, calls_per_connection, calls_of_connections, bytes_per_connection,
  bytes_of_connections, default_deadline_ms, cpu_warning_ms
                      limits of calls
  window_bytes, window_parts, request_window_bytes, request_window_parts, part_output_bytes, stalled_client_ms
                      limits of answers and requests in parts
  frame_bytes, output_bytes, answer_output_bytes, listeners_per_connection, listener_patterns, lossless_listeners,
  lossless_window_bytes
                      limits of connections and of listeners
  functions_per_connection, asks_per_connection
                      how many host functions a connection may provide, and how many calls of them it may have to
                      answer
  management_connections, management_idle_ms
                      how many connections beyond max_connections are served for management alone, and how long an
                      idle one stays
  [[listen]]          a further socket: path, mode, group, and may: the roles "call", "observe" and "manage"
  [modules.NAME]      a module: path, load, config, its settings workers, stack_size and unload, and strict

Examples:
  backplane run --module ./mine.so --data-dir ./data
  backplane run --config backplane.toml --check-config
  backplane run --config backplane.toml --print-config

Exit codes: 0 stopped; 2 usage, a wrong configuration, an unusable data directory or socket, or one that another host
uses; 5 a module was refused; 1 ended by force, because a handler, a listener or a module's start did not return: the
last line says which; 130 ended at once by a second Ctrl-C.)",
    {
        {"--module", "FILE", "load this module; may be repeated", &Args::modules},
        {"--module-dir", "DIR", "load every *.so in this directory; may be repeated", &Args::module_dirs},
        {"--data-dir", "DIR", "where modules keep their data; default: see below", &Args::data_dir},
        {"--module-cache", "DIR", "where private copies of modules go; default: $TMPDIR, or /tmp", &Args::module_cache},
        {"--config", "FILE", "the configuration file; default $BACKPLANE_CONFIG, else none", &Args::config},
        {"--check-config", "", "check the configuration and all manifests, report faults, and serve nothing",
         &Args::check_config},
        {"--print-config", "", "print the configuration in force as TOML, and where each value comes from",
         &Args::print_config},
        {"--no-trial", "", "load each module without a trial in a process of its own first", &Args::no_trial},
        {"--log-level", "LEVEL", "trace, debug, info, warn, error or off; default info", &Args::log_level},
        {"--log-format", "FORMAT", "human or json: the form of the lines on stderr; default human", &Args::log_format},
        socket_option,
        {"--json", "", "print errors as JSON on stderr, and the result of --check-config as JSON on stdout",
         &Args::json},
    },
    run_run,
};

}  // namespace backplane::host::cli
