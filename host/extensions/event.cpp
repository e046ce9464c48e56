// SPDX-License-Identifier: Apache-2.0
//
// bp.event/1: events of a module to the listeners of its context.
#include <backplane/ext/event.h>

#include "extensions/tables.hpp"
#include "modules/instance.hpp"
#include "support/views.hpp"

namespace backplane::host {
namespace {

bp_status emit(bp_instance* instance, bp_str name, bp_bytes payload, uint32_t flags) noexcept {
  return instance == nullptr ? BP_INVALID_ARGUMENT : instance->site->emit(view(name), payload, flags);
}

}  // namespace

const bp_event_api event_table{sizeof(bp_event_api), 0, emit};

}  // namespace backplane::host
