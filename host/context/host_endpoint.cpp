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

ModuleEndpoint& HostEndpoint::modules() noexcept { return host_; }

}  // namespace backplane::host
