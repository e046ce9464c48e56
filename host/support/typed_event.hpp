// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>
#include <string_view>

namespace backplane::host {

/// Begins the map of a typed event, {"eventType": name, "payload": …}; the payload's item must follow. For events of
/// the host itself: the event queue wraps the events of modules.
inline void begin_typed_event(cbor::Writer& out, std::string_view name) {
  out.map(2);
  out.text("eventType");
  out.text(name);
  out.text("payload");
}

}  // namespace backplane::host
