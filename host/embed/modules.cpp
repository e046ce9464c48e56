// SPDX-License-Identifier: Apache-2.0
//
// The C functions for modules, and for the host as a whole.
#include <backplane/backplane.h>

#include <string>

#include "embed/guard.hpp"
#include "embed/load_options.hpp"
#include "support/sized.hpp"
#include "support/views.hpp"

using namespace backplane::host;

namespace {

constexpr const char* wrong_size = "options->struct_size is too small; set it to sizeof(bp_load_options)";

}  // namespace

extern "C" {

bp_status bp_module_load(bp_context ctx, const bp_load_options* options, bp_result* result) {
  return with_endpoint(ctx, result, [&](Endpoint& endpoint) {
    if (!covers_core(options) || options->path == nullptr) {
      return set_result(result, BP_INVALID_ARGUMENT,
                        "options or options->path is null, or options->struct_size is too small; expected a path, and "
                        "struct_size set to sizeof(bp_load_options)");
    }
    const bp_load_options chosen = widened(*options);
    if (is_null(chosen.config)) return set_result(result, BP_INVALID_ARGUMENT, null_view);
    if (const char* const fault = load_fault(chosen)) return set_result(result, BP_INVALID_ARGUMENT, fault);
    return endpoint.modules().load(chosen, *result);
  });
}

bp_status bp_module_unload(bp_context ctx, bp_str name, uint32_t timeout_ms, bp_result* result) {
  return with_endpoint(ctx, result, [&](Endpoint& endpoint) {
    if (is_null(name)) return set_result(result, BP_INVALID_ARGUMENT, null_view);
    return endpoint.modules().unload(name, timeout_ms, *result);
  });
}

bp_status bp_module_reload(bp_context ctx, bp_str name, const bp_load_options* options, uint32_t timeout_ms,
                           bp_result* result) {
  return with_endpoint(ctx, result, [&](Endpoint& endpoint) {
    if (is_null(name)) return set_result(result, BP_INVALID_ARGUMENT, null_view);
    if (options == nullptr) return endpoint.modules().reload(name, nullptr, timeout_ms, *result);
    if (!covers_core(options)) return set_result(result, BP_INVALID_ARGUMENT, wrong_size);
    const bp_load_options chosen = widened(*options);
    if (is_null(chosen.config)) return set_result(result, BP_INVALID_ARGUMENT, null_view);
    if (const char* const fault = load_fault(chosen)) return set_result(result, BP_INVALID_ARGUMENT, fault);
    return endpoint.modules().reload(name, &chosen, timeout_ms, *result);
  });
}

bp_status bp_module_list(bp_context ctx, bp_result* result) {
  return with_endpoint(ctx, result, [&](Endpoint& endpoint) { return endpoint.modules().list(*result); });
}

bp_status bp_host_status(bp_context ctx, bp_result* result) {
  return with_endpoint(ctx, result, [&](Endpoint& endpoint) { return endpoint.modules().status(*result); });
}

bp_status bp_host_stop(bp_context ctx) {
  return with_endpoint(ctx, [](Endpoint& endpoint) { return endpoint.stop_host(); });
}

}  // extern "C"
