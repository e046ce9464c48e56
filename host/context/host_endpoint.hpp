// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "endpoint/endpoint.hpp"

namespace backplane::host {

class Host;

/// The endpoint of bp_host_context(): module operations, the status and static calls, without a context.
class HostEndpoint final : public Endpoint {
 public:
  explicit HostEndpoint(Host& host) noexcept : host_(host) {}

  void set_handle(bp_context) override {}
  bool on_own_thread() const noexcept override;
  bool can_stop() const noexcept override { return false; }
  bp_status close() override { return BP_NOT_SUPPORTED; }
  bp_status stop(std::uint32_t) override { return BP_NOT_SUPPORTED; }
  bp_status submit(const bp_submission& submission, bp_request* request) override;
  bp_status cancel(bp_request) override { return BP_NOT_SUPPORTED; }
  bp_status find_method(bp_str name, bp_method& out) override;
  bp_status listen(const bp_subscription&, bp_listener&) override { return BP_NOT_SUPPORTED; }
  bp_status unlisten(bp_listener) override { return BP_NOT_SUPPORTED; }
  bp_status change_function(const FunctionChange&) override { return BP_NOT_SUPPORTED; }
  bp_status complete(bp_token, const bp_answer&) override { return BP_NOT_SUPPORTED; }
  ModuleEndpoint& modules() noexcept override;
  bp_status stop_host() override { return BP_NOT_SUPPORTED; }

 private:
  Host& host_;
};

}  // namespace backplane::host
