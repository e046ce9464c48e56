// SPDX-License-Identifier: Apache-2.0
//
// Writes fields of the reports in docs/protocol.md.
#pragma once

#include <backplane/cbor/utf8.hpp>
#include <backplane/cbor/writer.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host {

inline void field(cbor::Writer& out, std::string_view key, std::string_view value) {
  out.text(key);
  out.text(value);
}

/// A path as text, or as bytes if it is not UTF-8.
inline void path_field(cbor::Writer& out, std::string_view path) {
  out.text("path");
  if (cbor::valid_utf8(path)) return out.text(path);
  out.bytes({reinterpret_cast<const std::uint8_t*>(path.data()), path.size()});
}

inline void field(cbor::Writer& out, std::string_view key, std::uint64_t value) {
  out.text(key);
  out.uint(value);
}

inline void field(cbor::Writer& out, std::string_view key, const std::vector<std::string>& values) {
  out.text(key);
  out.array(values.size());
  for (const std::string& value : values) out.text(value);
}

}  // namespace backplane::host
