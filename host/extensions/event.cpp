// SPDX-License-Identifier: Apache-2.0
//
// bp.event/1: emits events of a module to the listeners of its context.
#include <backplane/ext/event.h>

#include "extensions/tables.hpp"
#include "modules/instance.hpp"
#include "request/await_api.hpp"
#include "support/forked_child.hpp"
#include "support/views.hpp"

namespace backplane::host {
namespace {

bp_status emit(bp_instance* instance, bp_str name, bp_bytes payload, uint32_t flags) noexcept {
  if (is_forked_child.load(std::memory_order_relaxed)) return BP_NOT_SUPPORTED;
  if (instance == nullptr || !may_emit(*instance, view(name))) return BP_INVALID_ARGUMENT;
  return instance->host->emit(view(name), payload, flags, nullptr);
}

bp_status emit_wait(bp_token call, bp_str name, bp_bytes payload, uint32_t flags, uint64_t timeout_ms) noexcept {
  return await_api::emit_wait(call, view(name), payload, flags, timeout_ms);
}

}  // namespace

const bp_event_api event_table{sizeof(bp_event_api), 0, emit, emit_wait};

}  // namespace backplane::host
