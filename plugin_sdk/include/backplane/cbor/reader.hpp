// SPDX-License-Identifier: Apache-2.0
//
// Reads CBOR (RFC 8949) item by item with libcbor's streaming decoder, which allocates nothing. The bytes may come from
// an untrusted source. So this code checks what that decoder does not: depth, UTF-8, and counts against the bytes left.
#pragma once

#include <cbor.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

#include "utf8.hpp"
#include "writer.hpp"

namespace backplane::cbor {

/// The bytes are not well-formed CBOR, or not the item that was asked for.
struct Error : std::runtime_error {
  Error(const std::string& what, std::size_t at) : std::runtime_error(what), offset(at) {}
  std::size_t offset;  ///< of the wrong item, in bytes from the start
};

enum class Type : std::uint8_t {
  uint,
  negint,
  bytes,
  text,
  array,
  map,
  tag,
  boolean,
  null,
  undefined,
  simple,
  real,
  end,  ///< the break that closes an array, map or string of unknown length
};

/// The name of a type in error messages.
inline const char* name(Type type) noexcept {
  constexpr const char* names[] = {"int",  "int",  "bytes",     "text",         "array", "map", "tag",
                                   "bool", "null", "undefined", "simple value", "float", "end"};
  return names[static_cast<std::size_t>(type)];
}

/// The head of one item. The contents of arrays, maps and tags follow as separate items.
struct Item {
  Type type = Type::end;
  bool until_end = false;   ///< array, map, bytes or text of unknown length: items follow until `end`
  std::uint8_t width = 0;   ///< real: its bytes in the input (2, 4 or 8)
  std::uint64_t value = 0;  ///< uint; negint (meaning -1 - value); count of array or map; tag; simple; boolean
  double real = 0;
  const std::uint8_t* data = nullptr;  ///< bytes, text: points into the input
  std::size_t size = 0;

  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data), size}; }
  View bytes() const noexcept { return {data, size}; }
};

/// The maximum nesting. It is limited because readers of items recurse.
inline constexpr std::size_t max_depth = 64;

class Reader {
 public:
  explicit Reader(View input) : input_(input) {}

  std::size_t offset() const noexcept { return at_; }
  bool at_end() const noexcept { return at_ == input_.size(); }
  View rest() const noexcept { return input_.subspan(at_); }

  /// Reads the next head. Throws Error if there is none, or if it is not well-formed.
  [[gnu::noinline]] Item next() {
    if (at_end()) [[unlikely]]
      cut_off();
    Item item;
    const cbor_decoder_result result = decode_next(item);
    if (result.status != CBOR_DECODER_FINISHED) [[unlikely]]
      fail(result.status);
    const std::size_t begin = at_;
    at_ += result.read;
    if (item.type == Type::text) {
      if (!valid_utf8(item.text())) [[unlikely]]
        not_utf8(begin);
    } else if (item.type == Type::array || item.type == Type::map) {
      // Each element takes at least a byte. A larger count is refused here, before anything reserves memory for it.
      const std::size_t left = input_.size() - at_;
      if (item.value > (item.type == Type::map ? left / 2 : left)) [[unlikely]]
        too_many(item, begin);
    }
    return item;
  }

  /// Skips `size` bytes. The caller has looked at them in rest(): they are whole items.
  void pass(std::size_t size) noexcept { at_ += size; }

  /// Returns the next head and stays before it.
  Item peek() {
    const std::size_t begin = at_;
    const Item item = next();
    at_ = begin;
    return item;
  }

  /// Skips one whole item and returns its bytes. Throws Error if it is not well-formed, or nested too deeply. `depth`:
  /// the levels around the item.
  View skip(std::size_t depth = 0) {
    const std::size_t begin = at_;
    skip_item(depth, false);
    return input_.subspan(begin, at_ - begin);
  }

 private:
  cbor_decoder_result decode_next(Item& item) const {
    return input_[at_] < 0xc0 ? decode(rest(), item) : decode_other(item);
  }

  // For an item that is no number, string, array or map.
  cbor_decoder_result decode_other(Item& item) const {
    const std::uint8_t first = input_[at_];
    if (first >> 5 == 6) return decode_tag(item);
    if (first >= 0xe0 && first < 0xf4) return simple(item, first & 0x1f, 1);
    // RFC 8949, 3.3: the two-byte form starts at the value 32.
    if (first == 0xf8 && input_.size() - at_ > 1 && input_[at_ + 1] >= 32) return simple(item, input_[at_ + 1], 2);
    return decode(rest(), item);
  }

  // libcbor has no callback for simple values that have no meaning.
  static cbor_decoder_result simple(Item& item, std::uint8_t value, std::size_t size) {
    item.type = Type::simple;
    item.value = value;
    return {size, CBOR_DECODER_FINISHED, 0};
  }

  static cbor_decoder_result decode(View input, Item& item) {
    return cbor_stream_decode(input.data(), input.size(), &callbacks, &item);
  }

  // libcbor 0.8 refuses the tags 6 to 20. The head of a tag is that of an integer except for its top three bits.
  cbor_decoder_result decode_tag(Item& item) const {
    unsigned char head[9] = {};
    const std::size_t size = std::min(sizeof head, input_.size() - at_);
    std::copy_n(input_.data() + at_, size, head);
    head[0] &= 0x1f;
    const cbor_decoder_result result = decode(View(head, size), item);
    item.type = Type::tag;
    return result;
  }

  void skip_item(std::size_t depth, bool end_allowed) {
    const std::size_t begin = at_;
    if (depth > max_depth) throw Error("nested deeper than " + std::to_string(max_depth) + " levels", begin);
    const Item item = next();
    if (item.type == Type::end) {
      if (!end_allowed) throw Error("found a break, expected an item", begin);
      ended_ = true;
      return;
    }
    ended_ = false;
    if (item.type == Type::tag) return skip_item(depth + 1, false);
    if (item.until_end) return skip_until_end(item, depth, begin);
    if (item.type != Type::array && item.type != Type::map) return;
    const std::uint64_t count = item.type == Type::map ? item.value * 2 : item.value;
    for (std::uint64_t i = 0; i < count; ++i) skip_item(depth + 1, false);
  }

  void skip_until_end(const Item& item, std::size_t depth, std::size_t begin) {
    const bool chunks = item.type == Type::bytes || item.type == Type::text;
    std::uint64_t count = 0;
    for (;; ++count) {
      if (chunks && !at_end()) {
        const Item chunk = peek();
        if (chunk.type != Type::end && (chunk.type != item.type || chunk.until_end)) {
          throw Error("found a chunk of another type in a string", at_);
        }
      }
      skip_item(depth + 1, true);
      if (ended_) break;
    }
    ended_ = false;
    if (item.type == Type::map && count % 2 != 0) throw Error("found a map key without a value", begin);
  }

  // Not inlined, so that next() stays short where it is inlined.
  [[noreturn, gnu::cold, gnu::noinline]] void cut_off() const { throw Error("the CBOR ends too early", at_); }

  [[noreturn, gnu::cold, gnu::noinline]] static void not_utf8(std::size_t begin) {
    throw Error("text that is not UTF-8", begin);
  }

  [[noreturn, gnu::cold, gnu::noinline]] void too_many(const Item& item, std::size_t begin) const {
    throw Error(std::string(name(item.type)) + " of " + std::to_string(item.value) + " elements, but only " +
                    std::to_string(input_.size() - at_) + " bytes follow",
                begin);
  }

  [[noreturn, gnu::cold, gnu::noinline]] void fail(cbor_decoder_status status) const {
    // The whole input is here, so "more data needed" means that its length is wrong.
    if (status == CBOR_DECODER_NEDATA) cut_off();
    char byte[8];
    std::snprintf(byte, sizeof byte, "0x%02x", input_[at_]);
    throw Error(std::string("no CBOR item begins with the byte ") + byte, at_);
  }

  template <Type type, class T>
  static void number(void* item, T value) {
    static_cast<Item*>(item)->type = type;
    static_cast<Item*>(item)->value = value;
  }
  template <Type type>
  static void string(void* item, cbor_data data, std::size_t size) {
    auto* out = static_cast<Item*>(item);
    out->type = type;
    out->data = data;
    out->size = size;
  }
  template <Type type>
  static void open(void* item) {
    static_cast<Item*>(item)->type = type;
    static_cast<Item*>(item)->until_end = true;
  }
  template <Type type>
  static void plain(void* item) {
    static_cast<Item*>(item)->type = type;
  }
  template <int width, class T>
  static void real_value(void* item, T value) {
    auto* out = static_cast<Item*>(item);
    out->type = Type::real;
    out->width = width;
    out->real = static_cast<double>(value);
  }

  // All callbacks are set, because libcbor calls them without a check for null.
  static constexpr cbor_callbacks callbacks = [] {
    cbor_callbacks t{};
    t.uint8 = number<Type::uint, std::uint8_t>;
    t.uint16 = number<Type::uint, std::uint16_t>;
    t.uint32 = number<Type::uint, std::uint32_t>;
    t.uint64 = number<Type::uint, std::uint64_t>;
    t.negint8 = number<Type::negint, std::uint8_t>;
    t.negint16 = number<Type::negint, std::uint16_t>;
    t.negint32 = number<Type::negint, std::uint32_t>;
    t.negint64 = number<Type::negint, std::uint64_t>;
    t.byte_string = string<Type::bytes>;
    t.string = string<Type::text>;
    t.byte_string_start = open<Type::bytes>;
    t.string_start = open<Type::text>;
    t.array_start = number<Type::array, std::size_t>;
    t.indef_array_start = open<Type::array>;
    t.map_start = number<Type::map, std::size_t>;
    t.indef_map_start = open<Type::map>;
    t.tag = number<Type::tag, std::uint64_t>;
    t.float2 = real_value<2, float>;
    t.float4 = real_value<4, float>;
    t.float8 = real_value<8, double>;
    t.undefined = plain<Type::undefined>;
    t.null = plain<Type::null>;
    t.boolean = number<Type::boolean, bool>;
    t.indef_break = plain<Type::end>;
    return t;
  }();

  View input_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

/// Throws Error unless `input` is exactly one well-formed item.
inline void check_well_formed(View input) {
  Reader reader(input);
  reader.skip();
  if (!reader.at_end()) throw Error("found more bytes after the end of the item", reader.offset());
}

}  // namespace backplane::cbor
