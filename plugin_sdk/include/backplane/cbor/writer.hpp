// SPDX-License-Identifier: Apache-2.0
//
// Writes CBOR (RFC 8949) with libcbor's streaming encoder. Every head has its shortest form. It builds no tree, and
// allocates only when the output grows.
#pragma once

#include <cbor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace backplane::cbor {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

/// Appends items to `out`, which must outlive the writer. The caller must write as many items as each array and map
/// announces.
class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  void uint(std::uint64_t v) {
    head([v](unsigned char* p, std::size_t n) { return cbor_encode_uint(v, p, n); });
  }
  /// Writes the negative integer -1 - `v`.
  void negint(std::uint64_t v) {
    head([v](unsigned char* p, std::size_t n) { return cbor_encode_negint(v, p, n); });
  }
  void integer(std::int64_t v) {
    if (v < 0) {
      negint(static_cast<std::uint64_t>(-(v + 1)));
    } else {
      uint(static_cast<std::uint64_t>(v));
    }
  }
  void bytes(View v) {
    head([&](unsigned char* p, std::size_t n) { return cbor_encode_bytestring_start(v.size(), p, n); });
    out_.insert(out_.end(), v.begin(), v.end());
  }
  void text(std::string_view v) {
    head([&](unsigned char* p, std::size_t n) { return cbor_encode_string_start(v.size(), p, n); });
    out_.insert(out_.end(), v.begin(), v.end());
  }
  void array(std::size_t count) {
    head([=](unsigned char* p, std::size_t n) { return cbor_encode_array_start(count, p, n); });
  }
  /// Begins a map. `count` pairs must follow: key, value, key, value, …
  void map(std::size_t count) {
    head([=](unsigned char* p, std::size_t n) { return cbor_encode_map_start(count, p, n); });
  }
  void array_until_end() { head(cbor_encode_indef_array_start); }
  void map_until_end() { head(cbor_encode_indef_map_start); }
  void end() { head(cbor_encode_break); }
  void tag(std::uint64_t v) {
    head([v](unsigned char* p, std::size_t n) { return cbor_encode_tag(v, p, n); });
  }
  void boolean(bool v) {
    head([v](unsigned char* p, std::size_t n) { return cbor_encode_bool(v, p, n); });
  }
  void null() { head(cbor_encode_null); }
  void undefined() { head(cbor_encode_undef); }
  void simple(std::uint8_t v) {
    head([v](unsigned char* p, std::size_t n) { return cbor_encode_ctrl(v, p, n); });
  }
  void real(double v) {
    head([v](unsigned char* p, std::size_t n) { return cbor_encode_double(v, p, n); });
  }
  void real32(float v) {
    head([v](unsigned char* p, std::size_t n) { return cbor_encode_single(v, p, n); });
  }
  /// Writes one item that is encoded already.
  void encoded(View v) { out_.insert(out_.end(), v.begin(), v.end()); }

 private:
  template <class Encode>
  void head(Encode encode) {
    unsigned char buffer[9];  // the longest head: one initial byte, eight of argument
    const std::size_t n = encode(buffer, sizeof buffer);
    out_.insert(out_.end(), buffer, buffer + n);
  }

  Bytes& out_;
};

}  // namespace backplane::cbor
