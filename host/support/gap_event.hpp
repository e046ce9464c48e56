// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <backplane/cbor/head.hpp>
#include <backplane/cbor/reader.hpp>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "support/typed_event.hpp"
#include "support/views.hpp"

namespace backplane::host {

/// What a listener has missed.
struct Lost {
  std::uint64_t events = 0;
  std::uint64_t since_ms = 0;  ///< Unix time of the first

  /// Some more, the first of them at `since`.
  void add(std::uint64_t more, std::uint64_t since) noexcept {
    if (events == 0) since_ms = since;
    events += more;
  }
};

/// The event that tells it, in place of the events; see BP_EVENT_GAP in backplane/base.h.
class GapEvent {
 public:
  static constexpr std::string_view name = "backplane.gap";

  explicit GapEvent(const Lost& lost) noexcept : lost_(lost) {
    std::uint8_t* at = typed_event::write_head(bytes_, name);
    const auto put = [&at](const void* from, std::size_t size) {
      std::memcpy(at, from, size);
      at += size;
    };
    *at++ = cbor::short_head(cbor::Major::map, 2);
    put(events_key.data(), events_key.size());
    at = cbor::write_head(at, cbor::Major::uint, lost.events);
    put(since_key.data(), since_key.size());
    at = cbor::write_head(at, cbor::Major::uint, lost.since_ms);
    size_ = static_cast<std::size_t>(at - bytes_);
  }

  bp_bytes payload() const noexcept { return {bytes_, size_}; }
  /// Valid as long as this object.
  bp_event native() const noexcept {
    bp_event event{};
    event.struct_size = sizeof event;
    event.flags = BP_EVENT_TYPED | BP_EVENT_GAP;
    event.name = str(name);
    event.payload = payload();
    event.lost = lost_.events;
    event.emitted_ms = lost_.since_ms;
    return event;
  }

  /// What the payload of such an event says; nullopt if it is no such payload.
  static std::optional<Lost> read(cbor::View payload) noexcept try {
    cbor::Reader in(payload);
    std::optional<Lost> lost;
    const cbor::Item envelope = in.next();
    if (envelope.type != cbor::Type::map) return std::nullopt;
    for (std::uint64_t i = 0; i < envelope.value; ++i) {
      if (in.next().text() != "payload") {
        in.skip();
        continue;
      }
      lost.emplace();
      const cbor::Item map = in.next();
      if (map.type != cbor::Type::map) return std::nullopt;
      for (std::uint64_t k = 0; k < map.value; ++k) {
        const std::string_view key = in.next().text();
        std::uint64_t* const field = key == "lost" ? &lost->events : key == "since_ms" ? &lost->since_ms : nullptr;
        if (field == nullptr) {
          in.skip();
          continue;
        }
        const cbor::Item number = in.next();
        if (number.type != cbor::Type::uint) return std::nullopt;
        *field = number.value;
      }
    }
    return lost;
  } catch (const std::exception&) {
    return std::nullopt;
  }

 private:
  static constexpr auto events_key = typed_event::short_text("lost");
  static constexpr auto since_key = typed_event::short_text("since_ms");

  Lost lost_;
  std::uint8_t bytes_[typed_event::head_max + 1 + events_key.size() + since_key.size() + 2 * cbor::head_max];
  std::size_t size_ = 0;
};

}  // namespace backplane::host
