// SPDX-License-Identifier: Apache-2.0
//
// The short way through the codec, held against the long one.
#include <catch2/catch.hpp>
#include <optional>
#include <random>
#include <string>

#include "wire/frame_quick.hpp"

using namespace backplane::host;

namespace {

wire::View body(const wire::Bytes& frame) { return wire::View(frame).subspan(wire::header_size); }

bool same(wire::View a, wire::View b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }
bool same(const wire::Call& a, const wire::Call& b) {
  return a.id == b.id && a.target.method == b.target.method && a.target.name == b.target.name &&
         same(a.payload, b.payload) && a.timeout_ms == b.timeout_ms && a.flags == b.flags;
}
bool same(const wire::Reply& a, const wire::Reply& b) {
  return a.id == b.id && a.status == b.status && same(a.payload, b.payload) && a.message == b.message &&
         same(a.detail, b.detail);
}

template <class T>
std::optional<T> slowly(wire::View from) {
  try {
    const wire::Frame frame = wire::decode(from);
    if (const T* const found = std::get_if<T>(&frame)) return *found;
  } catch (const wire::ProtocolError&) {
  }
  return std::nullopt;
}

/// Whatever the short way takes, the long one takes for the same.
template <class T>
bool agree(wire::View from) {
  T quick;
  if (!wire::quick_decode(from, quick)) return true;
  const std::optional<T> slow = slowly<T>(from);
  return slow.has_value() && same(quick, *slow);
}

const std::uint64_t numbers[] = {0, 1, 23, 24, 255, 256, 65535, 65536, 0xffffffff, 0x100000000u, UINT64_MAX, 1000, 42};
const std::size_t sizes[] = {0, 1, 5, 23, 24, 63, 64, 65, 255, 256, 70'000};

wire::Bytes payload_of(std::size_t size) {
  wire::Bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 7);
  return out;
}

/// Each byte of some frames changed, and each end cut off.
template <class T>
void damage(const T& frame) {
  wire::Bytes whole;
  wire::encode(whole, frame);
  const wire::Bytes good(body(whole).begin(), body(whole).end());
  std::mt19937 random(4711);
  for (std::size_t i = 0; i < good.size(); ++i) {
    REQUIRE(agree<T>(wire::View(good).first(i)));
    for (int n = 0; n < 256; ++n) {
      wire::Bytes bad = good;
      bad[i] = static_cast<std::uint8_t>(n);
      REQUIRE(agree<T>(bad));
      bad[random() % bad.size()] = static_cast<std::uint8_t>(random());
      REQUIRE(agree<T>(bad));
      bad.push_back(static_cast<std::uint8_t>(random()));
      REQUIRE(agree<T>(bad));
    }
  }
}

}  // namespace

TEST_CASE("calls are decoded the short way, and to the same, whatever their numbers and sizes") {
  for (const std::uint64_t id : numbers) {
    for (const std::size_t size : sizes) {
      const wire::Bytes payload = payload_of(size);
      for (const bool by_name : {false, true}) {
        wire::Call call;
        call.id = id;
        if (by_name) {
          call.target.name = "echo.raw";
        } else {
          call.target.method = id / 2 + 1;
        }
        call.payload = payload;
        call.timeout_ms = id;
        call.flags = static_cast<std::uint32_t>(id);
        wire::Bytes whole;
        wire::encode(whole, call);
        wire::Call quick;
        REQUIRE(wire::quick_decode(body(whole), quick));
        REQUIRE(same(quick, call));
      }
    }
  }
}

TEST_CASE("an answer is encoded the short way to the same bytes, and decoded to the same") {
  for (const std::uint64_t id : numbers) {
    for (const std::size_t size : sizes) {
      const wire::Bytes payload = payload_of(size);
      wire::Bytes slow = {1, 2, 3};
      wire::Bytes quick = slow;
      const wire::Reply reply{id, BP_OK, payload, {}, {}};
      wire::encode(slow, reply);
      wire::quick_encode_ok(quick, id, payload);
      REQUIRE(quick == slow);
      wire::Reply back;
      REQUIRE(wire::quick_decode(wire::View(quick).subspan(3 + wire::header_size), back));
      REQUIRE(same(back, reply));
    }
  }
}

TEST_CASE("what is damaged is left to the long way, or means the same to both") {
  const wire::Bytes payload = payload_of(5);
  wire::Call call;
  call.id = 77'777;
  call.target.name = "echo.raw";
  call.payload = payload;
  call.timeout_ms = 300;
  damage(call);
  call.target = {9, {}};
  damage(call);
  damage(wire::Reply{70'000, BP_OK, payload, {}, {}});
  damage(wire::Reply{70'000, BP_ERROR, {}, "why", payload});
}

TEST_CASE("text beyond ASCII and longer frames are left to the long way") {
  wire::Call call;
  call.target.name = "\xc3\xa9.x";
  wire::Bytes whole;
  wire::encode(whole, call);
  wire::Call quick;
  CHECK_FALSE(wire::quick_decode(body(whole), quick));
  CHECK(slowly<wire::Call>(body(whole))->target.name == call.target.name);
  const wire::Bytes longer = {0x89, 2, 1, 3, 0x40, 0, 0, 0, 0, 0xf6};
  CHECK_FALSE(wire::quick_decode(wire::View(longer), quick));
  CHECK(slowly<wire::Call>(longer)->target.method == 3);
}
