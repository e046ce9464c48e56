// SPDX-License-Identifier: Apache-2.0
//
// bp.await/1: suspends a handler until an answer arrives, a time is reached, or a descriptor is ready. Tells the bounds
// of its stack.
#include <backplane/ext/await.h>

#include "extensions/tables.hpp"
#include "request/await_api.hpp"
#include "support/sized.hpp"
#include "support/views.hpp"

namespace backplane::host {
namespace {

bp_status await_call(bp_token call, bp_str name, bp_bytes payload, uint64_t timeout_ms, bp_result* out) noexcept {
  return await_api::call(call, view(name), payload, timeout_ms, out);
}

bp_status await_host_call(bp_token call, bp_str name, bp_bytes payload, uint64_t timeout_ms, bp_result* out) noexcept {
  return await_api::host_call(call, view(name), payload, timeout_ms, out);
}

bp_status start_host_call(bp_token call, bp_str name, bp_bytes payload, uint64_t timeout_ms,
                          bp_host_answer_fn on_answer, void* user) noexcept {
  return await_api::start_host_call(call, view(name), payload, timeout_ms, on_answer, user);
}

bp_status part(bp_token call, const bp_answer* answer, uint64_t timeout_ms) noexcept {
  if (!covers_core(answer) || answer->status != BP_PARTIAL) return BP_INVALID_ARGUMENT;
  return await_api::part(call, *answer, timeout_ms);
}

bp_status stack(bp_token call, bp_stack* out) noexcept {
  if (!covers_core(out)) return BP_INVALID_ARGUMENT;
  return await_api::stack(call, out->low, out->high);
}

}  // namespace

const bp_await_api await_table{
    sizeof(bp_await_api), 0,    await_api::sleep,     await_call, await_host_call, await_api::fd, await_api::check,
    start_host_call,      part, await_api::next_part, stack};

}  // namespace backplane::host
