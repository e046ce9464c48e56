// SPDX-License-Identifier: Apache-2.0
//
// The C functions of operations.h.
#include <backplane/backplane.h>

#include "embed/guard.hpp"
#include "support/sized.hpp"
#include "support/views.hpp"

using namespace backplane::host;

namespace {

constexpr std::size_t longest_requester = 256;

// What is wrong with a request; null: nothing. `load` is its widened copy.
const char* fault_of(const bp_operation_request& request, const bp_load_options* load) {
  const bool is_load = request.kind == BP_OPERATION_LOAD;
  if (request.kind < BP_OPERATION_LOAD || request.kind > BP_OPERATION_RELOAD) {
    return "request->kind is unknown; expected one of BP_OPERATION_LOAD to BP_OPERATION_RELOAD";
  }
  if (is_null(request.module) || is_null(request.requester)) return null_view;
  if (request.requester.size > longest_requester) return "request->requester has more than 256 bytes; shorten it";
  if (is_load && (load == nullptr || load->path == nullptr)) return "a load needs request->load with a path";
  if (!is_load && request.module.size == 0) return "request->module is empty; expected the name of a module";
  if (request.kind == BP_OPERATION_UNLOAD && load != nullptr) return "an unload has no request->load; set it to NULL";
  if (load != nullptr && is_null(load->config)) return null_view;
  if (load != nullptr && load->flags != 0) return "load->flags has a bit that this version does not know; set it to 0";
  return nullptr;
}

}  // namespace

extern "C" {

bp_status bp_operation_begin(bp_context ctx, const bp_operation_request* request, bp_operation* out,
                             bp_result* result) {
  if (out != nullptr) out->id = 0;
  return with_endpoint(ctx, result, [&](Endpoint& endpoint) {
    if (out == nullptr || !covers_core(request) || (request->load != nullptr && !covers_core(request->load))) {
      return set_result(result, BP_INVALID_ARGUMENT,
                        "request or out is null, or a struct_size is too small; set it to the struct's sizeof");
    }
    bp_operation_request chosen = widened(*request);
    bp_load_options load{};
    if (chosen.load != nullptr) {
      load = widened(*chosen.load);
      chosen.load = &load;
    }
    if (const char* const fault = fault_of(chosen, chosen.load)) return set_result(result, BP_INVALID_ARGUMENT, fault);
    return endpoint.modules().begin_operation(chosen, *out, *result);
  });
}

bp_status bp_operation_wait(bp_context ctx, bp_operation operation, uint32_t timeout_ms, bp_result* result) {
  return with_endpoint(ctx, result, [&](Endpoint& endpoint) {
    return endpoint.modules().wait_operation(operation, timeout_ms, *result);
  });
}

bp_status bp_operation_then(bp_context ctx, bp_operation operation, bp_operation_fn on_end, void* user) {
  if (on_end == nullptr) return BP_INVALID_ARGUMENT;
  return with_endpoint(ctx,
                       [&](Endpoint& endpoint) { return endpoint.modules().then_operation(operation, on_end, user); });
}

bp_status bp_operation_cancel(bp_context ctx, bp_operation operation, bp_result* result) {
  return with_endpoint(ctx, result,
                       [&](Endpoint& endpoint) { return endpoint.modules().cancel_operation(operation, *result); });
}

}  // extern "C"
