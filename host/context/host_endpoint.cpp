// SPDX-License-Identifier: Apache-2.0
#include "context/host_endpoint.hpp"

#include "context/host.hpp"
#include "request/submission.hpp"
#include "support/views.hpp"

namespace backplane::host {

bool HostEndpoint::on_own_thread() const noexcept { return host_.on_own_thread(); }

bp_status HostEndpoint::submit(const bp_submission& submission, bp_request*) {
  return submit_without_context(host_.registry(), submission);
}

bp_status HostEndpoint::find_method(bp_str name, bp_method& out) { return host_.registry().resolve(view(name), out); }

bp_status HostEndpoint::load(const bp_load_options& options, bp_result& result) { return host_.load(options, result); }

bp_status HostEndpoint::unload(bp_str name, std::uint32_t timeout_ms, bp_result& result) {
  return host_.unload(view(name), timeout_ms, result);
}

bp_status HostEndpoint::reload(bp_str name, const bp_load_options* options, std::uint32_t timeout_ms,
                               bp_result& result) {
  return host_.reload(view(name), options, timeout_ms, result);
}

bp_status HostEndpoint::begin_operation(const bp_operation_request& request, bp_operation& out, bp_result& result) {
  return host_.begin_operation(request, out, result);
}

bp_status HostEndpoint::wait_operation(bp_operation operation, std::uint32_t timeout_ms, bp_result& result) {
  return host_.wait_operation(operation, timeout_ms, result);
}

bp_status HostEndpoint::then_operation(bp_operation operation, bp_operation_fn on_end, void* user) {
  return host_.then_operation(operation, on_end, user);
}

bp_status HostEndpoint::cancel_operation(bp_operation operation, bp_result& result) {
  return host_.cancel_operation(operation, result);
}

bp_status HostEndpoint::list(bp_result& result) { return host_.list(result); }

bp_status HostEndpoint::status(bp_result& result) { return host_.status(result); }

}  // namespace backplane::host
