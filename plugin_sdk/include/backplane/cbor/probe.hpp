// SPDX-License-Identifier: Apache-2.0
//
// Looks at one item that should be a number or a string of known length. This is cheaper than reading an Item.
#pragma once

#include <cbor.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "reader.hpp"
#include "writer.hpp"

namespace backplane::cbor {

/// The next item, if it is one of the common cases. Only the members for its `type` are set.
struct Probe {
  Type type = Type::end;  ///< uint, negint, real, bytes or text; `end`: anything else, ask a Reader
  std::size_t length;     ///< of the item, in bytes
  union {
    std::uint64_t value;  ///< uint; negint (meaning -1 - value)
    double real;
    const std::uint8_t* data;  ///< bytes; text, not checked to be UTF-8
  };
  std::size_t size;

  explicit Probe(View input) noexcept {
    // Calls back only if there is such an item and it is complete.
    length = cbor_stream_decode(input.data(), input.size(), &callbacks, this).read;
  }

  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data), size}; }

 private:
  template <Type type, class T>
  static void integer(void* probe, T value) noexcept {
    static_cast<Probe*>(probe)->type = type;
    static_cast<Probe*>(probe)->value = value;
  }
  template <class T>
  static void number(void* probe, T value) noexcept {
    static_cast<Probe*>(probe)->type = Type::real;
    static_cast<Probe*>(probe)->real = static_cast<double>(value);
  }
  template <Type type>
  static void whole(void* probe, cbor_data data, std::size_t size) noexcept {
    static_cast<Probe*>(probe)->type = type;
    static_cast<Probe*>(probe)->data = data;
    static_cast<Probe*>(probe)->size = size;
  }

  static constexpr cbor_callbacks callbacks = [] {
    cbor_callbacks t{};
    t.uint8 = integer<Type::uint, std::uint8_t>;
    t.uint16 = integer<Type::uint, std::uint16_t>;
    t.uint32 = integer<Type::uint, std::uint32_t>;
    t.uint64 = integer<Type::uint, std::uint64_t>;
    t.negint8 = integer<Type::negint, std::uint8_t>;
    t.negint16 = integer<Type::negint, std::uint16_t>;
    t.negint32 = integer<Type::negint, std::uint32_t>;
    t.negint64 = integer<Type::negint, std::uint64_t>;
    t.byte_string = whole<Type::bytes>;
    t.byte_string_start = cbor_null_byte_string_start_callback;
    t.string = whole<Type::text>;
    t.string_start = cbor_null_string_start_callback;
    t.indef_array_start = cbor_null_indef_array_start_callback;
    t.array_start = cbor_null_array_start_callback;
    t.indef_map_start = cbor_null_indef_map_start_callback;
    t.map_start = cbor_null_map_start_callback;
    t.tag = cbor_null_tag_callback;
    t.float2 = number<float>;
    t.float4 = number<float>;
    t.float8 = number<double>;
    t.undefined = cbor_null_undefined_callback;
    t.null = cbor_null_null_callback;
    t.boolean = cbor_null_boolean_callback;
    t.indef_break = cbor_null_indef_break_callback;
    return t;
  }();
};

}  // namespace backplane::cbor
