// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>
#include <string_view>

namespace backplane::host {

/// Begins what BP_EVENT_TYPED promises, {"eventType": name, "payload": …}; the payload's item follows.
/// For the host's own events: what modules emit is wrapped in the event queue.
inline void begin_typed_event(cbor::Writer& out, std::string_view name) {
  out.map(2);
  out.text("eventType");
  out.text(name);
  out.text("payload");
}

}  // namespace backplane::host
