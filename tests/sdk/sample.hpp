// SPDX-License-Identifier: Apache-2.0
//
// Types of every wire form, and bytes written down by hand.
#pragma once

#include <backplane/sdk/cbor.hpp>
#include <catch2/catch.hpp>
#include <string>

namespace sample {

using backplane::Bytes;
using backplane::Cbor;

enum class Colour { red, green, delete_ };
BOOST_DESCRIBE_ENUM(Colour, red, green, delete_)

struct Base {
  bool flag = false;
};
BOOST_DESCRIBE_STRUCT(Base, (), (flag))

struct Message {
  std::string message;
  std::int64_t delay_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Message, (), (message, delay_ms))
inline bool operator==(const Message& a, const Message& b) {
  return a.message == b.message && a.delay_ms == b.delay_ms;
}

struct Point {
  double x = 0, y = 0;
};
BOOST_DESCRIBE_STRUCT(Point, (), (x, y))

struct Empty {};
BOOST_DESCRIBE_STRUCT(Empty, (), ())

struct Everything : Base {
  std::int8_t i8 = 0;
  std::uint8_t u8 = 0;
  std::int16_t i16 = 0;
  std::uint16_t u16 = 0;
  std::int32_t i32 = 0;
  std::uint32_t u32 = 0;
  std::int64_t i64 = 0;
  std::uint64_t u64 = 0;
  float f32 = 0;
  double f64 = 0;
  std::string text;
  Bytes bytes;
  std::vector<Message> messages;
  std::vector<bool> flags;
  std::map<std::string, std::uint8_t> map;
  std::unordered_map<std::string, std::string> hash;
  std::optional<std::string> note;
  std::vector<std::optional<int>> holes;
  Colour colour = Colour::red;
  std::variant<std::monostate, std::int64_t, std::string, Message, Point, std::vector<int>> choice;
  Cbor any;
  int class_ = 0;
};
BOOST_DESCRIBE_STRUCT(Everything, (Base),
                      (i8, u8, i16, u16, i32, u32, i64, u64, f32, f64, text, bytes, messages, flags, map, hash, note,
                       holes, colour, choice, any, class_))

/// Bytes from hexadecimal digits; spaces are for the eye.
inline Bytes hex(std::string_view digits) {
  Bytes out;
  std::string pair;
  for (const char c : digits) {
    if (c == ' ') continue;
    pair += c;
    if (pair.size() == 2) {
      out.push_back(static_cast<std::uint8_t>(std::stoi(pair, nullptr, 16)));
      pair.clear();
    }
  }
  return out;
}

inline std::string to_hex(backplane::View bytes) {
  std::string out;
  for (const std::uint8_t b : bytes) {
    constexpr char digits[] = "0123456789abcdef";
    out += digits[b >> 4];
    out += digits[b & 15];
  }
  return out;
}

template <class T>
Bytes cbor(const T& value) {
  return backplane::encode(value);
}

/// What decode<T> says of bytes that it refuses; "" if it takes them.
template <class T>
std::string refusal(const Bytes& bytes) {
  try {
    backplane::decode<T>(bytes);
    return "";
  } catch (const backplane::DecodeError& e) {
    return e.message();
  }
}

inline Everything full() {
  Everything e;
  e.flag = true;
  e.i8 = -128;
  e.u8 = 255;
  e.i16 = -32768;
  e.u16 = 65535;
  e.i32 = INT32_MIN;
  e.u32 = UINT32_MAX;
  e.i64 = INT64_MIN;
  e.u64 = UINT64_MAX;
  e.f32 = 1.5F;
  e.f64 = -0.1;
  e.text = "grüße, 世界 \U0001F600";
  e.bytes = {0, 1, 254, 255};
  e.messages = {{"a", 1}, {"", -70000}};
  e.flags = {true, false, true};
  e.map = {{"", 0}, {"k", 200}};
  e.hash = {{"one", "1"}};
  e.note = "n";
  e.holes = {1, std::nullopt, 3};
  e.colour = Colour::delete_;
  e.choice = Message{"m", 9};
  e.any = Cbor::of(std::vector<std::string>{"x", "y"});
  e.class_ = 7;
  return e;
}

}  // namespace sample
