// SPDX-License-Identifier: Apache-2.0
//
// The modules of this process, as ModuleEndpoint: operations, list and status.
#include <backplane/cbor/reader.hpp>
#include <backplane/cbor/utf8.hpp>
#include <exception>
#include <new>
#include <optional>

#include "context/host.hpp"
#include "context/status_report.hpp"
#include "modules/expectation.hpp"
#include "support/result.hpp"
#include "support/views.hpp"

namespace backplane::host {
namespace {

constexpr std::uint32_t default_drain_timeout_ms = 5'000;
constexpr std::chrono::seconds cancel_all_timeout{1};

std::string check_config(bp_bytes config) {
  if (config.size == 0) return {};
  try {
    cbor::check_well_formed(view(config));
    if (cbor::Reader(view(config)).next().type != cbor::Type::map) {
      return "the module's configuration is not a CBOR map";
    }
  } catch (const cbor::Error& error) {
    return "the module's configuration is not CBOR: " + std::string(error.what()) + " (at byte " +
           std::to_string(error.offset) + ")";
  }
  return {};
}

// Runs a module operation, and turns exceptions into a result.
template <class F>
bp_status guarded(bp_result& result, F operation) noexcept {
  try {
    return operation();
  } catch (const Failure& failure) {
    return set_result(&result, failure);
  } catch (const std::bad_alloc&) {
    return set_result(&result, BP_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return set_result(&result, BP_ERROR, error.what());
  }
}

// The modules of a change, for people.
std::string names_of(const std::vector<OperationRequest>& changes) {
  constexpr std::size_t most = 200;
  std::string out;
  for (const OperationRequest& each : changes) {
    if (out.size() > most) return out + ", …";
    const std::string& name = each.module.empty() ? each.path : each.module;
    out += (out.empty() ? "" : ", ") + (cbor::valid_utf8(name) ? name : std::string("a file"));
  }
  return out;
}

// What is to be loaded, for `request.kind`. Throws Failure.
void set_load(OperationRequest& request, const bp_load_options* options, bool part_of_change = false) {
  if (options == nullptr) return;
  if (const std::string why = check_config(options->config); !why.empty()) throw Failure{BP_INVALID_ARGUMENT, why};
  if (options->path != nullptr) request.path = options->path;
  const auto config = view(options->config);
  request.config.assign(config.begin(), config.end());
  request.old_first = (options->flags & BP_LOAD_OLD_FIRST) != 0;
  request.strict = (options->flags & BP_LOAD_STRICT) != 0;
  request.compare = (options->flags & BP_LOAD_COMPARE) != 0;
  request.drain_ms = options->drain_ms;
  if (request.compare && (part_of_change || request.kind != BP_OPERATION_RELOAD)) {
    throw Failure{BP_INVALID_ARGUMENT, std::string("found BP_LOAD_COMPARE for ") +
                                           (part_of_change ? "one of several changes" : "a load") +
                                           "; expected it for a reload, which has an old interface; leave it out"};
  }
  if ((request.old_first || request.drain_ms != 0) && (part_of_change || request.kind != BP_OPERATION_RELOAD)) {
    throw Failure{BP_INVALID_ARGUMENT,
                  std::string("found ") + (request.old_first ? "BP_LOAD_OLD_FIRST" : "drain_ms") + " for " +
                      (part_of_change ? "one of several changes" : "a load") +
                      "; expected it for a reload, in which an old generation can end first; leave it out"};
  }
  if (request.kind == BP_OPERATION_RELOAD && (options->flags & BP_LOAD_SETTINGS) == 0) return;
  request.settings = {(options->flags & BP_LOAD_UNLOAD_NEVER) != 0, options->stack_size, options->workers};
}

}  // namespace

// Begins an operation, and waits for it on the caller's thread.
bp_status Host::run(OperationRequest request, bp_result& result) {
  const std::shared_ptr<Operation> operation = operations_.begin(std::move(request));
  operation->wait();
  return operations_.look(*operation, result);
}

// The time counts from the operation's turn on: what waits before it has bounds of its own.
bp_status Host::run_draining(OperationRequest request, std::uint32_t timeout_ms, bp_result& result) {
  const std::shared_ptr<Operation> operation = operations_.begin(std::move(request));
  operation->wait_for_drain();
  const std::uint32_t bound = timeout_ms == 0 ? default_drain_timeout_ms : timeout_ms;
  operation->wait_until(Operation::Clock::now() + std::chrono::milliseconds(bound));
  return operations_.look(*operation, result);
}

bp_status Host::load(const bp_load_options& options, bp_result& result) {
  return guarded(result, [&] {
    OperationRequest request;
    set_load(request, &options);
    return run(std::move(request), result);
  });
}

bp_status Host::unload(bp_str name, std::uint32_t timeout_ms, bp_result& result) {
  return guarded(result, [&] {
    OperationRequest request;
    request.kind = BP_OPERATION_UNLOAD;
    request.module = view(name);
    return run_draining(std::move(request), timeout_ms, result);
  });
}

bp_status Host::reload(bp_str name, const bp_load_options* options, std::uint32_t timeout_ms, bp_result& result) {
  return guarded(result, [&] {
    OperationRequest request;
    request.kind = BP_OPERATION_RELOAD;
    request.module = view(name);
    set_load(request, options);
    return run_draining(std::move(request), timeout_ms, result);
  });
}

bp_status Host::begin_operation(const bp_operation_request& wanted, bp_operation& out, bp_result& result) {
  return guarded(result, [&] {
    OperationRequest request;
    request.kind = wanted.kind;
    request.module = view(wanted.module);
    request.requester = view(wanted.requester);
    set_load(request, wanted.load);
    const std::uint64_t count = wanted.kind == BP_OPERATION_CHANGE ? wanted.change_count : 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      OperationRequest& each = request.changes.emplace_back();
      each.kind = wanted.changes[i]->kind;
      each.module = view(wanted.changes[i]->module);
      set_load(each, wanted.changes[i]->load, true);
    }
    if (count != 0) request.module = names_of(request.changes);
    out.id = operations_.begin(std::move(request))->id();
    return bp_status{BP_OK};
  });
}

bp_status Host::wait_operation(bp_operation wanted, std::uint32_t timeout_ms, bp_result& result) {
  return guarded(result, [&] {
    const std::shared_ptr<Operation> operation = find_operation(wanted);
    if (timeout_ms != 0) operation->wait_until(Operation::Clock::now() + std::chrono::milliseconds(timeout_ms));
    return operations_.look(*operation, result);
  });
}

bp_status Host::then_operation(bp_operation wanted, bp_operation_fn on_end, void* user) {
  const std::shared_ptr<Operation> operation = operations_.find(wanted.id);
  if (operation == nullptr) return BP_INVALID_HANDLE;
  operation->then([on_end, user] { on_end(user); });
  return BP_OK;
}

bp_status Host::cancel_operation(bp_operation wanted, bp_str requester, bp_result& result) {
  return guarded(result, [&] {
    if (wanted.id == 0) {
      operations_.cancel_all(cancel_all_timeout);
      return bp_status{BP_OK};
    }
    return set_result(&result, BP_OK, operations_.cancel(*find_operation(wanted), std::string(view(requester))));
  });
}

std::shared_ptr<Operation> Host::find_operation(bp_operation operation) const {
  if (auto found = operations_.find(operation.id)) return found;
  throw Failure{BP_INVALID_HANDLE, "there is no operation " + std::to_string(operation.id) +
                                       ", or it has ended long ago; status lists the operations"};
}

bp_status Host::configurations(bp_result& result) {
  return guarded(result, [&] { return set_result(&result, BP_OK, loader_.configurations()); });
}

bp_status Host::list(bp_result& result) {
  return guarded(result, [&] { return set_result(&result, BP_OK, loader_.list()); });
}

bp_status Host::expect(const ExpectedInterface& expected, bp_result& result) {
  return guarded(result, [&] {
    std::optional<Manifest> now;
    std::uint64_t number = 0;
    loader_.for_each_running([&](const Generation& generation) {
      if (generation.module->name != expected.module) return;
      now = generation.manifest;
      number = generation.number;
    });
    if (!now) {
      return set_result(&result, BP_NOT_FOUND,
                        "no module \"" + std::string(expected.module) + "\" is loaded; load it first");
    }
    const Expectation found = check_expected(*now, number, expected.hash, expected.cddl);
    if (found.status == BP_OK) return set_result(&result, BP_OK, found.report, found.message);
    return set_result(&result, Failure{found.status, found.message, found.report});
  });
}

bp_status Host::status(bp_result& result) {
  return guarded(result, [&] {
    const auto uptime = std::chrono::steady_clock::now() - began_;
    std::size_t modules = 0;
    loader_.for_each_running([&modules](const Generation&) { ++modules; });
    MutexLock lock(catalog_);
    const OldestCallQueries oldest = ask_oldest_calls(contexts_);
    lock.unlock();
    wait_for_answers(oldest);
    lock.lock();
    const HostStatus status{
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(uptime).count()), modules,
        workers_.load(), silent_workers_.all(), resting_count()};
    return set_result(&result, BP_OK, status_report(status, contexts_, oldest, registry_, operations_));
  });
}

}  // namespace backplane::host
