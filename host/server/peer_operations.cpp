// SPDX-License-Identifier: Apache-2.0
#include "server/peer_operations.hpp"

#include <exception>

#include "server/connection.hpp"
#include "support/views.hpp"

namespace backplane::host {

bp_status AskedOperation::begin(bp_context context, bp_operation* out, bp_result* result) const {
  bp_load_options load{};
  load.struct_size = sizeof load;
  load.path = path_.empty() ? nullptr : path_.c_str();
  load.config = bytes(config_);
  load.flags = flags_;
  load.stack_size = stack_size_;
  load.workers = workers_;
  load.drain_ms = drain_ms_;
  bp_operation_request request{};
  request.struct_size = sizeof request;
  request.kind = kind_;
  request.module = str(module_);
  request.load = kind_ == BP_OPERATION_UNLOAD ? nullptr : &load;
  request.requester = str(requester_);
  return bp_operation_begin(context, &request, out, result);
}

void OperationAnswer::operator()(bool run) const try {
  bp_result result{};
  result.struct_size = sizeof result;
  const bp_status status =
      run ? bp_operation_wait(peer_->core_->context, {operation_}, 0, &result) : bp_status{BP_CLOSED};
  const bool goes_on = status == BP_TIMEOUT && drain_.has_value();
  if (!goes_on) return peer_->answer_control(frame_, status, result);
  bp_result_free(&result);
  peer_->core_->control.push_after(operation_, ControlThread::Clock::now() + *drain_, *this);
} catch (const std::exception&) {
  peer_->answer_without_memory(frame_);
}

}  // namespace backplane::host
