// SPDX-License-Identifier: Apache-2.0
//
// Reads the configuration file of a host that runs again, and makes the difference: all of it, or nothing.
#include "cli/configured.hpp"

#include <backplane/backplane.h>

#include <algorithm>
#include <backplane/cbor/reader.hpp>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "cli/client.hpp"
#include "cli/failure.hpp"
#include "cli/input.hpp"
#include "cli/log_options.hpp"
#include "cli/output.hpp"
#include "cli/plan_difference.hpp"
#include "cli/print_config.hpp"
#include "support/report.hpp"
#include "support/result.hpp"

namespace backplane::host::cli {
namespace {

constexpr std::uint32_t look_ms = 100;
constexpr std::chrono::milliseconds last_look{300};
constexpr const char* unchanged = "nothing has changed";

std::vector<RunningModule> running_modules() {
  Result result;
  check(bp_module_configurations(bp_host_context(), result.out()), result, exit_code);
  std::vector<RunningModule> all;
  const Value report = Value::read(result.payload());
  for (const Value& each : report["modules"].items()) {
    const std::string config = each["config"].raw();
    all.push_back({each["name"].raw(),
                   each["path"].raw(),
                   each["sha256"].raw(),
                   {config.begin(), config.end()},
                   ModuleSettings::of(each["settings"])});
  }
  return all;
}

// A path is bytes if it is no text.
void file_field(cbor::Writer& out, const std::string& file) {
  out.text("file");
  cbor::valid_utf8(file) ? out.text(file)
                         : out.bytes({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()});
}

// The module-changes and keys of a reconfigure-report, as docs/protocol.md has it.
cbor::Bytes report_of(const std::string& file, const PlanDifference& difference,
                      const std::vector<std::string>& warnings, std::uint64_t operation) {
  cbor::Bytes report;
  cbor::Writer out(report);
  out.map(5);
  file_field(out, file);
  field(out, "operation", operation);
  out.text("changes");
  out.array(difference.modules.size());
  for (const ModuleChange& each : difference.modules) {
    out.map(4);
    field(out, "kind", name_of_change(each.kind));
    field(out, "module", each.name);
    path_field(out, each.path);
    field(out, "why", cbor::valid_utf8(each.why) ? std::string_view(each.why) : "its path has changed");
  }
  out.text("keys");
  out.array(difference.keys.size());
  for (const KeyChange& each : difference.keys) {
    out.map(3);
    field(out, "key", each.key);
    field(out, "from", each.from);
    field(out, "to", each.to);
  }
  field(out, "warnings", warnings);
  return report;
}

// What is to be shown to save(): the modules that run, and those of the plan that do not.
cbor::Bytes shown(const std::string& file, const RunPlan& plan) {
  const std::vector<RunningModule> running = running_modules();
  cbor::Bytes report;
  cbor::Writer out(report);
  out.map(3);
  file_field(out, file);
  out.text("modules");
  out.array(running.size());
  for (const RunningModule& each : running) {
    out.map(4);
    field(out, "name", each.name);
    path_field(out, each.path);
    out.text("config");
    out.bytes(each.config);
    each.settings.write(out);
  }
  out.text("planned");
  out.array(plan.modules.size());
  for (const PlannedModule& each : plan.modules) {
    out.map(5);
    field(out, "name", each.name);
    path_field(out, each.path);
    out.text("config");
    out.bytes(each.config);
    each.settings.write(out);
    field(out, "source", cbor::valid_utf8(each.source) ? std::string_view(each.source) : "");
  }
  return report;
}

[[noreturn]] void refuse(std::string message) {
  throw CommandFailure{exit_usage, BP_INVALID_ARGUMENT, std::move(message)};
}

// With the whole difference as its detail.
void refuse_restart(const std::string& file, const PlanDifference& difference,
                    const std::vector<std::string>& warnings) {
  std::string all;
  for (const KeyChange& each : difference.keys) {
    if (each.needs_restart()) all += cat(all.empty() ? "" : "; ", each.key, ": from ", each.from, " to ", each.to);
  }
  if (all.empty()) return;
  throw CommandFailure{
      exit_usage, BP_INVALID_ARGUMENT,
      cat("these keys take effect only when the host starts: ", all, "; restart it, or take them back"),
      report_of(file, difference, warnings, 0)};
}

bool is_other_than_a_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error);
}

bp_status begin(const std::vector<ModuleChange>& changes, const std::string& requester, bp_operation& out,
                Result& result) {
  std::vector<bp_load_options> loads(changes.size());
  std::vector<bp_operation_request> requests(changes.size());
  std::vector<const bp_operation_request*> pointers;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const ModuleChange& each = changes[i];
    loads[i] = {.struct_size = sizeof loads[i], .path = each.path.c_str(), .config = bytes(each.config)};
    each.settings.add_to(loads[i]);
    if (each.strict) loads[i].flags |= BP_LOAD_STRICT;
    requests[i] = {.struct_size = sizeof requests[i], .kind = each.kind, .module = str(each.name)};
    if (each.kind != BP_OPERATION_UNLOAD) requests[i].load = &loads[i];
    pointers.push_back(&requests[i]);
  }
  const bp_operation_request all = {.struct_size = sizeof all,
                                    .kind = BP_OPERATION_CHANGE,
                                    .requester = str(requester),
                                    .changes = pointers.data(),
                                    .change_count = pointers.size()};
  return bp_operation_begin(bp_host_context(), &all, &out, result.out());
}

}  // namespace

struct Configured::State : std::enable_shared_from_this<Configured::State> {
  State(const Args& given, const RunPlan& now, std::shared_ptr<const ServiceManager> told)
      : args(given), plan(now), manager(std::move(told)) {}

  void serve();
  void handle(ReconfigureRequest& request) noexcept;
  void manage(ReconfigureRequest& request) noexcept;
  void refused(ReconfigureRequest& request, bp_status status, std::string message, const cbor::Bytes& detail = {});
  void change(ReconfigureRequest& request);
  bp_operation begin_unless_stopped(const std::vector<ModuleChange>& changes, const std::string& requester);
  bp_status wait_for_commit(bp_operation operation, std::string& why);
  void answer(ReconfigureRequest& request, const cbor::Bytes& report);
  void push(ReconfigureRequest request);

  const Args args;
  RunPlan plan;  // the thread's own
  const std::shared_ptr<const ServiceManager> manager;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<ReconfigureRequest> waiting;  // guarded by `mutex`, as the next
  bool stopped = false;
  bool serves = false;
};

void Configured::State::push(ReconfigureRequest request) {
  {
    const std::lock_guard lock(mutex);
    if (!stopped) {
      waiting.push_back(std::move(request));
      try {
        // Most hosts are never asked, and a thread takes address space.
        if (!serves) std::thread([self = shared_from_this()] { self->serve(); }).detach();
      } catch (...) {
        waiting.pop_back();
        throw std::bad_alloc();
      }
      serves = true;
      changed.notify_all();
      return;
    }
  }
  bp_result closed = {.struct_size = sizeof closed};
  request.answer(BP_CLOSED, closed);
}

void Configured::State::serve() {
  for (;;) {
    ReconfigureRequest request;
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return stopped || !waiting.empty(); });
      if (stopped) break;
      request = std::move(waiting.front());
      waiting.erase(waiting.begin());
    }
    handle(request);
  }
  const std::lock_guard lock(mutex);
  serves = false;
  changed.notify_all();
}

void Configured::State::answer(ReconfigureRequest& request, const cbor::Bytes& report) {
  bp_result result = {.struct_size = sizeof result};
  const bp_status status = set_result(&result, BP_OK, report);
  std::exchange(request.answer, nullptr)(status, result);
}

// Whatever happens here, the host goes on as it was.
void Configured::State::handle(ReconfigureRequest& request) noexcept {
  const bool changes = request.flags == 0;
  if (changes) manager->reloading();
  manage(request);
  if (changes) manager->ready(plan.socket);
}

void Configured::State::manage(ReconfigureRequest& request) noexcept {
  try {
    try {
      change(request);
    } catch (const CommandFailure& failure) {
      refused(request, failure.status == BP_OK ? bp_status{BP_INVALID_ARGUMENT} : failure.status,
              cat(failure.message, failure.hint.empty() ? "" : cat("; ", failure.hint)), failure.detail);
    } catch (const Failure& failure) {
      refused(request, failure.status, failure.message);
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& error) {
      refused(request, BP_ERROR, error.what());
    }
  } catch (...) {  // no memory
    if (!request.answer) return;
    bp_result none = {.struct_size = sizeof none};
    std::exchange(request.answer, nullptr)(BP_OUT_OF_MEMORY, none);
  }
}

void Configured::State::refused(ReconfigureRequest& request, bp_status status, std::string message,
                                const cbor::Bytes& detail) {
  if (message.empty()) message = bp_status_text(status);
  if (status != BP_NOT_SUPPORTED && status != BP_CLOSED && message.find(unchanged) == std::string::npos)
    message += cat("; ", unchanged);
  if (request.flags == 0) log_line(BP_LOG_WARN, cat("reconfigure for ", request.requester, ": ", message));
  if (!request.answer) return;
  bp_result result = {.struct_size = sizeof result};
  set_result(&result, status, {}, message, detail);
  std::exchange(request.answer, nullptr)(status, result);
}

// Waits until the operation is committed or has ended without that.
bp_status Configured::State::wait_for_commit(bp_operation operation, std::string& why) {
  for (;;) {
    {
      const std::lock_guard lock(mutex);
      if (stopped) {
        why = "the host is stopping";
        return BP_CLOSED;
      }
    }
    Result result;
    const bp_status status = bp_operation_wait(bp_host_context(), operation, look_ms, result.out());
    if (status == BP_TIMEOUT) continue;
    if (status != BP_OK) why = result.message(status);
    return status;
  }
}

bp_operation Configured::State::begin_unless_stopped(const std::vector<ModuleChange>& changes,
                                                     const std::string& requester) {
  Result result;
  bp_operation operation{};
  const std::lock_guard lock(mutex);  // after stop(), what has begun is canceled, and nothing more begins
  if (stopped) throw CommandFailure{exit_error, BP_CLOSED, "the host is stopping"};
  check(begin(changes, requester, operation, result), result, exit_code);
  return operation;
}

void Configured::State::change(ReconfigureRequest& request) {
  const std::string file = config_path(args);
  const std::string place = file.empty() ? file : absolute_path(file);
  if (request.flags == BP_RECONFIGURE_SHOW) return answer(request, shown(place, plan));
  if (file.empty()) {
    throw CommandFailure{exit_error, BP_NOT_SUPPORTED,
                         "this host runs without a configuration file, so there is nothing to read again; start it "
                         "with --config FILE"};
  }
  // The start may read a pipe. Here, one that nobody writes to would keep all that follow.
  if (is_other_than_a_file(place)) refuse(cat("\"", place, "\" is not a regular file any more; put the file back"));
  RunPlan next = make_plan(args);
  // If nobody chooses a socket, a service manager may have given one, which make_plan() does not know.
  if (plan.sources.count("socket") + next.sources.count("socket") == 0) next.socket = plan.socket;
  PlanDifference difference{module_changes(plan.modules, next.modules, running_modules()),
                            key_changes(settings_of(plan), settings_of(next))};
  const std::string who = cat("reconfigure for ", request.requester, ": ");
  if (request.flags == 0) {
    for (const std::string& warning : next.warnings) log_line(BP_LOG_WARN, cat(who, warning));
    for (const std::string& line : lines_of(difference)) log_line(BP_LOG_INFO, cat(who, line));
  }
  refuse_restart(place, difference, next.warnings);
  if (request.flags == BP_RECONFIGURE_DRY_RUN) return answer(request, report_of(place, difference, next.warnings, 0));
  bp_operation operation{};
  if (!difference.modules.empty()) operation = begin_unless_stopped(difference.modules, request.requester);
  const cbor::Bytes report = report_of(place, difference, next.warnings, operation.id);
  if (operation.id != 0) {
    if (request.answer) answer(request, report);
    std::string why;
    if (const bp_status status = wait_for_commit(operation, why); status != BP_OK) {
      throw CommandFailure{exit_error, status, std::move(why)};
    }
  }
  for (const KeyChange& each : difference.keys) {
    if (each.key == "log_level") bp_log_level(next.log_level);
  }
  plan = std::move(next);
  log_line(BP_LOG_INFO, cat(who, difference.empty() ? unchanged : "done"));
  if (request.answer) answer(request, report);
}

Configured::Configured(const Args& args, const RunPlan& plan, std::shared_ptr<const ServiceManager> manager)
    : state_(std::make_shared<State>(args, plan, std::move(manager))) {}

std::function<void(ReconfigureRequest)> Configured::asked() const {
  return [state = state_](ReconfigureRequest request) { state->push(std::move(request)); };
}

void Configured::ask_by_signal() const noexcept try {
  static constexpr const char* signal = "SIGHUP";
  {
    const std::lock_guard lock(state_->mutex);
    const auto is_signal = [](const ReconfigureRequest& each) { return each.requester == signal; };
    if (std::any_of(state_->waiting.begin(), state_->waiting.end(), is_signal)) return;  // that one reads the file anew
  }
  state_->push({0, signal, [](bp_status, bp_result& result) { bp_result_free(&result); }});
} catch (const std::bad_alloc&) {
  bp_log_write(BP_LOG_WARN, BP_LOG_ALWAYS, str("run"), str("no memory to read the configuration again for SIGHUP"));
}

void Configured::stop() {
  std::vector<ReconfigureRequest> unanswered;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopped = true;
    unanswered.swap(state_->waiting);
    state_->changed.notify_all();
  }
  for (ReconfigureRequest& each : unanswered) {
    bp_result closed = {.struct_size = sizeof closed};
    each.answer(BP_CLOSED, closed);
  }
}

void Configured::wait_for_end() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait_for(lock, last_look, [this] { return !state_->serves; });
}

}  // namespace backplane::host::cli
