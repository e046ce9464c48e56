// SPDX-License-Identifier: Apache-2.0
//
// Bytes that no honest peer sends: each is read as a frame or refused, and neither crashes nor hangs.
#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "wire/frame.hpp"
#include "wire/frame_buffer.hpp"

using namespace backplane::host;

namespace {

std::vector<wire::Bytes> samples() {
  const wire::Bytes blob = {1, 2, 3, 0xff};
  std::vector<wire::Bytes> out(17);
  wire::encode(out[0], wire::Hello{1, "0.1.0", 42, 1000});
  wire::encode(out[1], wire::Call{1, {0, "echo.shout"}, blob, 100, 1});
  wire::encode(out[2], wire::Cancel{300});
  wire::encode(out[3], wire::Resolve{4, "kv.get"});
  wire::encode(out[4], wire::Listen{5, 6, "kv.*"});
  wire::encode(out[5], wire::Unlisten{7, 6});
  wire::encode(out[6], wire::Load{8, blob, blob});
  wire::encode(out[7], wire::Unload{9, "kv", 1});
  wire::encode(out[8], wire::Reload{10, "kv", blob, blob, 1});
  wire::encode(out[9], wire::List{11});
  wire::encode(out[10], wire::Status{12});
  wire::encode(out[11], wire::Stop{13});
  wire::encode(out[12], wire::Reply{14, BP_ERROR, blob, "no", blob});
  wire::encode(out[13], wire::Event{15, 1, "kv.changed", blob});
  wire::encode(out[14], wire::Error{BP_PROTOCOL, "no"});
  wire::encode(out[15], wire::Listen{16, 6, "kv.*", 2});
  wire::encode(out[16], wire::Heard{6, 100'000});
  return out;
}

// True if it was read: then what it was read as can be written again.
bool survives(wire::View body) {
  try {
    const wire::Frame frame = wire::decode(body);
    wire::Bytes again;
    std::visit([&again](const auto& f) { wire::encode(again, f); }, frame);
    return true;
  } catch (const wire::ProtocolError&) {
    return false;
  }
}

}  // namespace

TEST_CASE("no frame that ends early is taken for a whole one") {
  for (const wire::Bytes& frame : samples()) {
    const wire::View body = wire::View(frame).subspan(wire::header_size);
    REQUIRE(survives(body));
    for (std::size_t size = 0; size < body.size(); ++size) {
      // A copy of exactly that size, so that a sanitizer sees each byte read beyond it.
      const wire::Bytes cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(size));
      CHECK_FALSE(survives(cut));
    }
  }
}

TEST_CASE("frames with bytes changed at random are read or refused, and nothing else happens") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto all = samples();
  std::size_t refused = 0;
  constexpr std::size_t rounds = 200'000;
  for (std::size_t round = 0; round < rounds; ++round) {
    const wire::Bytes& from = all[random() % all.size()];
    wire::Bytes body(from.begin() + wire::header_size, from.end());
    for (unsigned changes = 1 + random() % 4; changes != 0; --changes) {
      switch (random() % 4) {
        case 0:
          body[random() % body.size()] = static_cast<std::uint8_t>(random());
          break;
        case 1:
          body.insert(body.begin() + static_cast<std::ptrdiff_t>(random() % body.size()),
                      static_cast<std::uint8_t>(random()));
          break;
        case 2:
          if (body.size() > 1) body.erase(body.begin() + static_cast<std::ptrdiff_t>(random() % body.size()));
          break;
        default:
          body[random() % body.size()] ^= static_cast<std::uint8_t>(1u << random() % 8);
      }
    }
    if (!survives(body)) ++refused;
  }
  CHECK(refused > rounds / 4);
  CHECK(refused < rounds);
}

TEST_CASE("nesting without end in what a newer peer might add is refused") {
  wire::Bytes body = {0x83, 0x03, 0x07};
  body.insert(body.end(), 100'000, 0x81);
  body.push_back(0);
  CHECK_FALSE(survives(body));
}

TEST_CASE("a stream of random bytes ends in a refusal, or waits for more") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    wire::FrameBuffer buffer(4096);
    try {
      for (int reads = 0; reads < 4; ++reads) {
        const auto room = buffer.room();
        const std::size_t size = std::min<std::size_t>(room.size(), 1 + random() % 300);
        for (std::size_t i = 0; i < size; ++i) room[i] = static_cast<std::uint8_t>(random() % 4 == 0 ? random() : 0);
        buffer.filled(size);
        for (wire::View frame; buffer.next(frame);) {
          REQUIRE(frame.size() <= 4096);
          survives(frame);
        }
      }
    } catch (const wire::ProtocolError&) {
    }
  }
}
