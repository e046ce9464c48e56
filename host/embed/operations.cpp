// SPDX-License-Identifier: Apache-2.0
//
// The C functions of operations.h.
#include <backplane/backplane.h>

#include <cstddef>
#include <vector>

#include "embed/guard.hpp"
#include "embed/load_options.hpp"
#include "support/sized.hpp"
#include "support/views.hpp"

using namespace backplane::host;

namespace {

constexpr std::size_t longest_requester = 256;
constexpr std::size_t most_changes = 4096;

// What is wrong with a request; null: nothing. `load` is its widened copy.
const char* fault_of(const bp_operation_request& request, const bp_load_options* load) {
  const bool is_load = request.kind == BP_OPERATION_LOAD;
  if (request.kind < BP_OPERATION_LOAD || request.kind > BP_OPERATION_CHANGE) {
    return "request->kind is unknown; expected one of BP_OPERATION_LOAD to BP_OPERATION_CHANGE";
  }
  if (is_null(request.module) || is_null(request.requester)) return null_view;
  if (request.requester.size > longest_requester) return "request->requester has more than 256 bytes; shorten it";
  if (is_load && (load == nullptr || load->path == nullptr)) return "a load needs request->load with a path";
  if (!is_load && request.module.size == 0) return "request->module is empty; expected the name of a module";
  if (request.kind == BP_OPERATION_UNLOAD && load != nullptr) return "an unload has no request->load; set it to NULL";
  if (load != nullptr && is_null(load->config)) return null_view;
  return load == nullptr ? nullptr : load_fault(*load);
}

constexpr const char* wrong_size =
    "request or out is null, or a struct_size is too small; set it to the struct's sizeof";

// A request with the options that it points to, widened.
struct Widened {
  bp_operation_request request{};
  bp_load_options load{};
  bool has_load = false;

  const bp_operation_request& whole() noexcept {
    request.load = has_load ? &load : nullptr;
    return request;
  }
};

// Null, or what is wrong.
const char* widen(const bp_operation_request* request, Widened& out) {
  if (!covers_core(request) || (request->load != nullptr && !covers_core(request->load))) return wrong_size;
  out.request = widened(*request);
  out.has_load = request->load != nullptr;
  if (out.has_load) out.load = widened(*request->load);
  return nullptr;
}

bp_status begin_change(Endpoint& endpoint, const bp_operation_request& request, bp_operation& out, bp_result& result) {
  const auto refuse = [&](const char* fault) { return set_result(&result, BP_INVALID_ARGUMENT, fault); };
  if (is_null(request.module) || is_null(request.requester)) return refuse(null_view);
  if (request.requester.size > longest_requester) return refuse("request->requester has more than 256 bytes");
  if (request.module.size != 0 || request.load != nullptr) {
    return refuse("a change has no module and no load of its own; leave them empty");
  }
  if (request.changes == nullptr || request.change_count == 0 || request.change_count > most_changes) {
    return refuse("a change needs 1 to 4096 requests in request->changes");
  }
  std::vector<Widened> changes(request.change_count);
  std::vector<const bp_operation_request*> pointers;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (const char* const fault = widen(request.changes[i], changes[i])) return refuse(fault);
    const bp_operation_request& each = changes[i].whole();
    if (each.kind == BP_OPERATION_CHANGE)
      return refuse("a change holds another change; expected loads, unloads, reloads");
    if (const char* const fault = fault_of(each, each.load)) return refuse(fault);
    pointers.push_back(&each);
  }
  bp_operation_request chosen = request;
  chosen.changes = pointers.data();
  return endpoint.modules().begin_operation(chosen, out, result);
}

}  // namespace

extern "C" {

bp_status bp_operation_begin(bp_context ctx, const bp_operation_request* request, bp_operation* out,
                             bp_result* result) {
  if (out != nullptr) out->id = 0;
  return with_endpoint(ctx, result, [&](Endpoint& endpoint) {
    if (out == nullptr) return set_result(result, BP_INVALID_ARGUMENT, wrong_size);
    Widened wide;
    if (const char* const fault = widen(request, wide)) return set_result(result, BP_INVALID_ARGUMENT, fault);
    const bp_operation_request& chosen = wide.whole();
    if (chosen.kind == BP_OPERATION_CHANGE) return begin_change(endpoint, chosen, *out, *result);
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
                       [&](Endpoint& endpoint) { return endpoint.modules().cancel_operation(operation, {}, *result); });
}

bp_status bp_operation_cancel_for(bp_context ctx, bp_operation operation, bp_str requester, bp_result* result) {
  return with_endpoint(ctx, result, [&](Endpoint& endpoint) {
    const auto refuse = [&](const char* fault) { return set_result(result, BP_INVALID_ARGUMENT, fault); };
    if (is_null(requester)) return refuse(null_view);
    if (requester.size > longest_requester) return refuse("requester has more than 256 bytes; shorten it");
    if (operation.id == 0) return refuse("found the operation 0; expected an id, as bp_operation_begin gives it");
    return endpoint.modules().cancel_operation(operation, requester, *result);
  });
}

bp_status bp_module_configurations(bp_context ctx, bp_result* result) {
  return with_endpoint(ctx, result, [&](Endpoint& endpoint) { return endpoint.modules().configurations(*result); });
}

bp_status bp_host_reconfigure(bp_context ctx, uint32_t flags, uint32_t timeout_ms, bp_result* result) {
  return with_endpoint(ctx, result, [&](Endpoint& endpoint) {
    if (flags > BP_RECONFIGURE_SHOW) {
      return set_result(result, BP_INVALID_ARGUMENT,
                        "found flags that this version does not know; expected 0 or one of BP_RECONFIGURE_…");
    }
    return endpoint.modules().reconfigure(flags, timeout_ms, *result);
  });
}

}  // extern "C"
