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
/// A text of less than 24 bytes as CBOR. Its head uses the room of the closing NUL.
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

/// The map of a typed event, {"eventType": name, "payload": …}, up to the payload. The payload's item must follow.
/// `name` has at most BP_WIRE_NAME_MAX bytes.
namespace typed_event {
inline constexpr std::size_t head_max = 1 + name_key.size() + cbor::head_max + BP_WIRE_NAME_MAX + payload_key.size();

constexpr std::size_t head_size(std::string_view name) noexcept {
  return 1 + name_key.size() + cbor::head_size(name.size()) + name.size() + payload_key.size();
}
/// Writes head_size() bytes; returns where they end.
inline std::uint8_t* write_head(std::uint8_t* at, std::string_view name) noexcept {
  const auto put = [&at](const void* from, std::size_t size) {
    std::memcpy(at, from, size);
    at += size;
  };
  *at++ = cbor::short_head(cbor::Major::map, 2);
  put(name_key.data(), name_key.size());
  at = cbor::write_head(at, cbor::Major::text, name.size());
  put(name.data(), name.size());
  put(payload_key.data(), payload_key.size());
  return at;
}
}  // namespace typed_event

/// Begins a typed event of the host itself. The payload's item must follow.
inline void begin_typed_event(cbor::Writer& out, std::string_view name) {
  std::uint8_t head[typed_event::head_max];
  const std::uint8_t* const end = typed_event::write_head(head, name);
  out.encoded({head, static_cast<std::size_t>(end - head)});
}

}  // namespace backplane::host
