// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <cstdint>
#include <string_view>

namespace backplane::host {

/// What a program was built against. `cddl` may be empty.
struct ExpectedInterface {
  std::string_view module;
  std::string_view hash;
  std::string_view cddl;
};

/// The modules behind a bp_context handle: those of this process, or of another one. Each function implements the C
/// function of a similar name. None may be called on a thread of the endpoint.
class ModuleEndpoint {
 public:
  ModuleEndpoint() = default;
  ModuleEndpoint(const ModuleEndpoint&) = delete;
  ModuleEndpoint& operator=(const ModuleEndpoint&) = delete;

  virtual bp_status load(const bp_load_options& options, bp_result& result) = 0;
  virtual bp_status unload(bp_str name, std::uint32_t timeout_ms, bp_result& result) = 0;
  virtual bp_status reload(bp_str name, const bp_load_options* options, std::uint32_t timeout_ms,
                           bp_result& result) = 0;
  virtual bp_status begin_operation(const bp_operation_request& request, bp_operation& out, bp_result& result) = 0;
  virtual bp_status wait_operation(bp_operation operation, std::uint32_t timeout_ms, bp_result& result) = 0;
  virtual bp_status then_operation(bp_operation, bp_operation_fn, void*) { return BP_NOT_SUPPORTED; }
  virtual bp_status cancel_operation(bp_operation operation, bp_str requester, bp_result& result) = 0;
  virtual bp_status configurations(bp_result&) { return BP_NOT_SUPPORTED; }
  virtual bp_status reconfigure(std::uint32_t, std::uint32_t, bp_result&) { return BP_NOT_SUPPORTED; }
  virtual bp_status list(bp_result& result) = 0;
  virtual bp_status expect(const ExpectedInterface& expected, bp_result& result) = 0;
  virtual bp_status status(bp_result& result) = 0;

 protected:
  ~ModuleEndpoint() = default;
};

}  // namespace backplane::host
