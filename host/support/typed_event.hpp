// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <array>
#include <backplane/cbor/head.hpp>
#include <backplane/cbor/writer.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace backplane::host {

namespace typed_event {
/// A text of less than 24 bytes as CBOR; its head takes the place of the closing NUL.
template <std::size_t size>
constexpr std::array<std::uint8_t, size> short_text(const char (&text)[size]) noexcept {
  std::array<std::uint8_t, size> out{};
  out[0] = cbor::short_head(cbor::Major::text, size - 1);
  for (std::size_t i = 1; i < size; ++i) out[i] = static_cast<std::uint8_t>(text[i - 1]);
  return out;
}
inline constexpr auto name_key = short_text("eventType");
inline constexpr auto payload_key = short_text("payload");
}  // namespace typed_event

/// What BP_EVENT_TYPED promises, {"eventType": name, "payload": …}, up to the payload, whose item follows.
class TypedEventHead {
 public:
  /// `name`: of at most BP_WIRE_NAME_MAX bytes.
  explicit TypedEventHead(std::string_view name) noexcept {
    std::uint8_t* at = bytes_;
    const auto put = [&at](const void* from, std::size_t size) {
      std::memcpy(at, from, size);
      at += size;
    };
    *at++ = cbor::short_head(cbor::Major::map, 2);
    put(typed_event::name_key.data(), typed_event::name_key.size());
    at = cbor::write_head(at, cbor::Major::text, name.size());
    put(name.data(), name.size());
    put(typed_event::payload_key.data(), typed_event::payload_key.size());
    size_ = static_cast<std::size_t>(at - bytes_);
  }
  const std::uint8_t* data() const noexcept { return bytes_; }
  std::size_t size() const noexcept { return size_; }

 private:
  std::uint8_t
      bytes_[1 + typed_event::name_key.size() + cbor::head_max + BP_WIRE_NAME_MAX + typed_event::payload_key.size()];
  std::size_t size_ = 0;
};

/// Begins a typed event of the host's own; the payload's item follows.
inline void begin_typed_event(cbor::Writer& out, std::string_view name) {
  const TypedEventHead head(name);
  out.encoded({head.data(), head.size()});
}

}  // namespace backplane::host
