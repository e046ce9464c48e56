// SPDX-License-Identifier: Apache-2.0
//
// Calls of names that need no context: the handler runs on the thread that calls.
#include "modules/static_calls.hpp"
#include "request/handler_errors.hpp"
#include "request/submission.hpp"
#include "support/running_code.hpp"
#include "support/views.hpp"

namespace backplane::host {
namespace {

// The record of one call: its token is what the handler replies to, and stale ever after.
class OwnRequest {
 public:
  OwnRequest() : request_(Request::slab().allocate()) {
    if (request_ != nullptr) set_up(*request_, nullptr);
  }
  OwnRequest(const OwnRequest&) = delete;
  OwnRequest& operator=(const OwnRequest&) = delete;
  ~OwnRequest() {
    if (request_ == nullptr) return;
    request_->payload.clear();
    request_->answer.clear();
    Request::slab().free(request_);
  }
  explicit operator bool() const noexcept { return request_ != nullptr; }
  Request& operator*() const noexcept { return *request_; }
  Request* operator->() const noexcept { return request_; }

 private:
  Request* const request_;
};

void count(Request& request) noexcept {
  CallStats* const stats = request.method->stats_list.take();
  if (stats == nullptr) return;
  CallStats::add(stats->calls);
  CallStats::add(stats->ended);
  if (request.answer.status != BP_OK) CallStats::add(stats->errors);
  CallStats::add(stats->bytes_in, request.payload.view().size);
  CallStats::add(stats->bytes_out, request.answer.payload().view().size);
  stats->wait.record(0);
  stats->run.record(request.ran);
  CallStatsList::release(*stats);
}

void run(Request& request, const Handler& handler) {
  request.handler = &handler;
  request.arm();
  const Generation& generation = *handler.generation;
  const RunningCode running{"handler", generation.module->name, generation.number, handler.name};
  const RunningCodeNote note(running);
  const Ticks begin = ticks();
  call_handler(request);
  request.ran = span(begin, ticks());
  // Unsuccessful if there was a reply; then this sees all of it.
  if (request.claim(request.token())) request.answer.fail(BP_NO_REPLY, no_reply_text(request));
  if (request.answer.status != BP_OK) log_error(request);
  count(request);
}

void refuse(Request& request, bp_status status, std::string_view why) {
  request.answer.fail(status, why);
  if (request.method != nullptr) request.method->refused.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

bp_status submit_without_context(const Registry& registry, const bp_submission& submission) {
  const Method* method = nullptr;
  if (const bp_status status = resolve(registry, submission, method); status != BP_OK) return status;
  if ((submission.flags & BP_SUBMIT_PARTS) != 0 || submission.source.id != 0) return BP_NOT_SUPPORTED;
  const OwnRequest request;
  if (!request) return BP_OUT_OF_MEMORY;
  request->method = method;
  if (submission.buffer != nullptr) {
    request->payload.adopt(submission.buffer);
  } else if (!request->payload.copy(submission.payload)) {
    return BP_OUT_OF_MEMORY;
  }
  if (method == nullptr) {
    refuse(*request, BP_UNKNOWN_NAME, unknown_name_text(view(submission.name)));
  } else {
    const StaticCall call(*method);
    std::string why;
    if (call.handler() == nullptr) {
      const bp_status status = no_handler(*method, call.module_runs(), why);
      refuse(*request, status, why);
    } else if ((call.handler()->flags & BP_HANDLER_STATIC) == 0) {
      refuse(*request, BP_NOT_SUPPORTED,
             "\"" + method->name + "\" is not declared static; create a context, or connect one, and call it there");
    } else {
      run(*request, *call.handler());
    }
  }
  // The generation may go: what it answered has been copied.
  const bp_answer answer = request->answer.view();
  submission.on_reply(submission.user, &answer);
  return BP_OK;
}

}  // namespace backplane::host
