// SPDX-License-Identifier: Apache-2.0
//
// The SDK's codec, as typed handlers use it, against the same work written by hand.
#include <memory>
#include <stdexcept>

#include "../rounds.hpp"
#include "codec_floor.hpp"
#include "in_flight.hpp"

namespace bench {
namespace {

using backplane::View;

void need(bool right, const char* what) {
  if (!right) throw std::runtime_error(what);
}

/// Keeps the compiler from leaving out what made `value`, and from knowing what it is.
template <class T>
void use(T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

template <class T>
double write_ours(const T& value, View expected, std::uint64_t count) {
  const double each = timed(count, [&] {
    for (std::uint64_t i = 0; i < count; ++i) {
      backplane::detail::Output out;
      backplane::detail::Encoder encoder(out);
      backplane::Codec<T>::encode(encoder, value);
      View written = out.view();
      use(written);
    }
  });
  const backplane::Bytes bytes = backplane::encode(value);
  need(std::equal(bytes.begin(), bytes.end(), expected.begin(), expected.end()), "the SDK wrote other bytes");
  return each;
}

/// A message of more than a few bytes is handed over, so that each has memory of its own, by hand too; how much is
/// known beforehand.
template <class T>
double write_floor(const T& value, View expected, std::uint64_t count) {
  constexpr std::size_t few = 512;
  const std::size_t size = expected.size();
  std::size_t written = 0;
  const double each = timed(count, [&] {
    for (std::uint64_t i = 0; i < count; ++i) {
      std::uint8_t on_stack[few];
      const std::unique_ptr<std::uint8_t[]> large(size > few ? new std::uint8_t[size] : nullptr);
      std::uint8_t* out = large ? large.get() : on_stack;
      written = write_by_hand(value, out, large ? size : few);
      use(*out);
    }
  });
  backplane::Bytes bytes(size);
  need(written == size && write_by_hand(value, bytes.data(), size) == size &&
           std::equal(bytes.begin(), bytes.end(), expected.begin()),
       "the floor wrote other bytes");
  return each;
}

template <class T>
double read_ours(View bytes, const T& expected, std::uint64_t count) {
  const double each = timed(count, [&] {
    for (std::uint64_t i = 0; i < count; ++i) {
      use(bytes);
      T value = backplane::decode<T>(bytes);
      use(value);
    }
  });
  need(backplane::decode<T>(bytes) == expected, "the SDK read another value");
  return each;
}

template <class T>
double read_floor(View bytes, const T& expected, std::uint64_t count) {
  bool right = true;
  const double each = timed(count, [&] {
    for (std::uint64_t i = 0; i < count; ++i) {
      use(bytes);
      T value;
      right &= read_by_hand(bytes, value);
      use(value);
    }
  });
  T value;
  need(right && read_by_hand(bytes, value) && value == expected, "the floor read another value");
  return each;
}

template <class T>
Figure writing(Effort effort, std::uint64_t operations, const T& value) {
  const backplane::Bytes bytes = backplane::encode(value);
  return interleaved(
      Rounds::of(effort, operations), [&](std::uint64_t n) { return write_ours(value, bytes, n); },
      [&](std::uint64_t n) { return write_floor(value, bytes, n); });
}

template <class T>
Figure reading(Effort effort, std::uint64_t operations, const T& value) {
  const backplane::Bytes bytes = backplane::encode(value);
  return interleaved(
      Rounds::of(effort, operations), [&](std::uint64_t n) { return read_ours(bytes, value, n); },
      [&](std::uint64_t n) { return read_floor(bytes, value, n); });
}

constexpr const char* against = "the same by hand on libcbor's streaming functions";
constexpr Reach reach{Reach::Of::ratio, Reach::Side::at_most, 1.2};
constexpr const char* small = "{a, b: int64, x: float64, ok: bool, name: text}";
constexpr const char* nested = "text, an enum, a struct, an optional and four structs in a vector";

constexpr Row rows[] = {
    {"codec.encode.small", "ns", small, against, reach, [](Effort e) { return writing(e, 50'000, small_sample()); }},
    {"codec.decode.small", "ns", small, against, reach, [](Effort e) { return reading(e, 50'000, small_sample()); }},
    {"codec.encode.nested", "ns", nested, against, reach, [](Effort e) { return writing(e, 10'000, nested_sample()); }},
    {"codec.decode.nested", "ns", nested, against, reach, [](Effort e) { return reading(e, 10'000, nested_sample()); }},
    {"codec.encode.bytes100", "ns", "{data: 100 bytes}", against, reach,
     [](Effort e) { return writing(e, 50'000, blob_sample(100)); }},
    {"codec.decode.bytes100", "ns", "{data: 100 bytes}", against, reach,
     [](Effort e) { return reading(e, 50'000, blob_sample(100)); }},
    {"codec.encode.bytes10k", "ns", "{data: 10,000 bytes}", against, reach,
     [](Effort e) { return writing(e, 10'000, blob_sample(10'000)); }},
    {"codec.decode.bytes10k", "ns", "{data: 10,000 bytes}", against, reach,
     [](Effort e) { return reading(e, 10'000, blob_sample(10'000)); }},
    {"codec.encode.bytes1m", "ns", "{data: 1 MiB}", against, reach,
     [](Effort e) { return writing(e, 50, blob_sample(1 << 20)); }},
    {"codec.decode.bytes1m", "ns", "{data: 1 MiB}", against, reach,
     [](Effort e) { return reading(e, 50, blob_sample(1 << 20)); }},
};

}  // namespace

std::span<const Row> codec_rows() { return rows; }

}  // namespace bench
