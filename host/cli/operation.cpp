// SPDX-License-Identifier: Apache-2.0
#include "cli/operation.hpp"

#include <unistd.h>

#include <chrono>
#include <thread>

#include "cli/failure.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

constexpr std::uint32_t default_drain_ms = 5000;
// After Ctrl-C: for the id of the operation that is to be canceled.
constexpr std::chrono::seconds answer_after_signal{1};

// For a host that does not know operations: nothing can be canceled.
bp_status run_to_the_end(bp_context context, const bp_operation_request& request, const Args& args, Result& result) {
  switch (request.kind) {
    case BP_OPERATION_LOAD:
      return bp_module_load(context, request.load, result.out());
    case BP_OPERATION_UNLOAD:
      return bp_module_unload(context, request.module, timeout_ms(args), result.out());
    default:
      return bp_module_reload(context, request.module, request.load, timeout_ms(args), result.out());
  }
}

// Without --timeout, the time counts from when the generation drains.
bp_status wait_on_this_thread(bp_context context, bp_operation operation, const Args& args, Result& result) {
  for (;;) {
    const std::uint32_t bound = args.timeout ? timeout_ms(args) : default_drain_ms;
    const bp_status status = bp_operation_wait(context, operation, bound, result.out());
    if (status != BP_TIMEOUT || args.timeout) return status;
    bp_result_free(result.out());
  }
}

}  // namespace

bp_status OperationRun::run(const Client& client, const bp_operation_request& request, const Args& args,
                            Result& result) {
  bp_operation operation{};
  const bp_status begun = bp_operation_begin(client.context(), &request, &operation, result.out());
  if (begun == BP_OK) return wait(client, operation, args, result);
  if (begun != BP_NOT_SUPPORTED) return begun;
  bp_result_free(result.out());
  signals_.leave_on_next(exit_interrupted);
  return run_to_the_end(client.context(), request, args, result);
}

bp_status OperationRun::ask(const std::function<bp_status()>& f, const Args& args) {
  bp_status status = BP_OK;
  std::jthread waiting([&] {
    status = f();
    over_.ring();
  });
  if (cli::wait(signals_, over_, std::nullopt) == Wake::signal) {
    signals_.take();
    interrupted_ = true;
    if (cli::wait(signals_, over_, std::chrono::steady_clock::now() + answer_after_signal) != Wake::bell) {
      report({exit_interrupted, BP_OK, "ended before the host has answered; it may go on, and its log has the answer"},
             args.json);
      ::_exit(exit_interrupted);
    }
  }
  waiting.join();
  over_.silence();
  return status;
}

bp_status OperationRun::wait(const Client& client, bp_operation operation, const Args& args, Result& result) {
  id_ = operation.id;
  bp_status status = BP_OK;
  // A jthread, because cancel() may throw.
  std::jthread waiting([&] {
    status = wait_on_this_thread(client.context(), operation, args, result);
    over_.ring();
  });
  if (interrupted_ || cli::wait(signals_, over_, std::nullopt) == Wake::signal) {
    signals_.take();
    signals_.leave_on_next(exit_interrupted);
    cancel(client, operation);
  }
  waiting.join();
  return status;
}

// It says which it is: undone, or too late for that. The end of the operation follows.
void OperationRun::cancel(const Client& client, bp_operation operation) {
  Result result;
  const bp_status status = bp_operation_cancel(client.context(), operation, result.out());
  note(cat(status == BP_OK ? "" : "cannot cancel it: ", result.message(status)));
}

}  // namespace backplane::host::cli
