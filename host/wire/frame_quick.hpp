// SPDX-License-Identifier: Apache-2.0
//
// A fast codec for the two most frequent frames, calls and replies with BP_OK. Anything unusual is left to the codec of
// frame.hpp, which also reports errors.
#pragma once

#include <algorithm>
#include <backplane/cbor/head.hpp>
#include <bit>
#include <cstring>

#include "wire/frame.hpp"

namespace backplane::host::wire {

namespace quick {

inline constexpr std::uint8_t array_of_six = cbor::short_head(cbor::Major::array, 6);
inline constexpr std::uint8_t empty_text = cbor::short_head(cbor::Major::text, 0);
inline constexpr std::uint8_t empty_bytes = cbor::short_head(cbor::Major::bytes, 0);

/// Takes items from a frame's body; each function is false for what is not of its kind, or not all there.
class Items {
 public:
  explicit Items(View body) noexcept : at_(body.data()), end_(body.data() + body.size()) {}

  bool byte(std::uint8_t expected) noexcept {
    if (at_ == end_ || *at_ != expected) return false;
    ++at_;
    return true;
  }
  bool uint(std::uint64_t& out) noexcept { return head(cbor::Major::uint, out); }
  bool uint32(std::uint32_t& out) noexcept {
    std::uint64_t wide = 0;
    if (!head(cbor::Major::uint, wide) || wide > UINT32_MAX) return false;
    out = static_cast<std::uint32_t>(wide);
    return true;
  }
  bool bytes(View& out) noexcept { return string(cbor::Major::bytes, out); }
  /// ASCII only: whether other text is well-formed takes a longer look.
  bool text(std::string_view& out) noexcept {
    View found;
    if (!string(cbor::Major::text, found)) return false;
    if (std::any_of(found.begin(), found.end(), [](std::uint8_t c) { return c >= 0x80; })) return false;
    out = as_text(found);
    return true;
  }
  bool target(Target& out) noexcept {
    if (at_ == end_) return false;
    return *at_ >> 5 == 0 ? uint(out.method) : text(out.name);
  }
  bool at_end() const noexcept { return at_ == end_; }

 private:
  bool head(cbor::Major major, std::uint64_t& value) noexcept {
    if (at_ == end_) return false;
    const unsigned first = *at_;
    const unsigned info = first & 31u;
    if (first >> 5 != static_cast<unsigned>(major) || info > 27) return false;
    if (info < 24) {
      value = info;
      ++at_;
      return true;
    }
    const std::size_t size = std::size_t{1} << (info - 24);
    const auto left = static_cast<std::size_t>(end_ - at_) - 1;
    if (left < size) return false;
    value = left >= 8 ? load(at_ + 1) >> (64 - 8 * size) : load_slowly(at_ + 1, size);
    at_ += 1 + size;
    return true;
  }
  static std::uint64_t load(const std::uint8_t* from) noexcept {
    std::uint64_t v = 0;
    std::memcpy(&v, from, sizeof v);
    return std::endian::native == std::endian::big ? v : __builtin_bswap64(v);
  }
  static std::uint64_t load_slowly(const std::uint8_t* from, std::size_t size) noexcept {
    std::uint64_t v = 0;
    for (std::size_t i = 0; i < size; ++i) v = v << 8 | from[i];
    return v;
  }
  bool string(cbor::Major major, View& out) noexcept {
    std::uint64_t size = 0;
    if (!head(major, size) || size > static_cast<std::size_t>(end_ - at_)) return false;
    out = View(at_, static_cast<std::size_t>(size));
    at_ += size;
    return true;
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

}  // namespace quick

/// Reads a call in its usual form. Returns false for anything else; `out` is then undefined.
inline bool quick_decode(View body, Call& out) noexcept {
  quick::Items items(body);
  out.target = {};
  out.window_bytes = 0;
  out.window_parts = 0;
  return items.byte(quick::array_of_six) && items.byte(2) && items.uint(out.id) && items.target(out.target) &&
         items.bytes(out.payload) && items.uint(out.timeout_ms) && items.uint32(out.flags) && items.at_end();
}

/// Reads a reply with BP_OK, without message and detail. Returns false for anything else; `out` is then undefined.
inline bool quick_decode(View body, Reply& out) noexcept {
  quick::Items items(body);
  out.status = BP_OK;
  out.message = {};
  out.detail = {};
  return items.byte(quick::array_of_six) && items.byte(16) && items.uint(out.id) && items.byte(0) &&
         items.bytes(out.payload) && items.byte(quick::empty_text) && items.byte(quick::empty_bytes) && items.at_end();
}

/// Appends a reply with BP_OK and this payload, with the same bytes as encode(). Throws std::bad_alloc and leaves `out`
/// unchanged.
inline void quick_encode_ok(Bytes& out, std::uint64_t id, View payload) {
  constexpr std::size_t most_heads = header_size + 2 + 9 + 1 + 9;
  constexpr std::size_t small = 64;  // payloads up to this are appended together with what is around them
  std::uint8_t frame[most_heads + small + 2];
  std::uint8_t* at = frame + header_size;
  *at++ = quick::array_of_six;
  *at++ = 16;
  at = cbor::write_head(at, cbor::Major::uint, id);
  *at++ = 0;
  at = cbor::write_head(at, cbor::Major::bytes, payload.size());
  const std::size_t length = static_cast<std::size_t>(at - frame) - header_size + payload.size() + 2;
  for (std::size_t i = 0; i < header_size; ++i) {
    frame[i] = static_cast<std::uint8_t>(length >> (8 * (header_size - 1 - i)));
  }
  const std::size_t size = header_size + length;
  if (out.capacity() - out.size() < size) out.reserve(std::max(out.size() + size, out.capacity() * 2));
  if (payload.size() <= small) {
    at = std::copy(payload.begin(), payload.end(), at);
  } else {
    out.insert(out.end(), frame, at);
    out.insert(out.end(), payload.begin(), payload.end());
    at = frame;
  }
  *at++ = quick::empty_text;
  *at++ = quick::empty_bytes;
  out.insert(out.end(), frame, at);
}

}  // namespace backplane::host::wire
