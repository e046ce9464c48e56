// SPDX-License-Identifier: Apache-2.0
//
// The memory of FrameBuffer, and its holder.
#include "wire/frame_buffer.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace backplane::host;

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

struct Holder final : wire::MemoryHolder {
  bool hold(std::size_t bytes) noexcept override {
    if (bytes > most) return false;
    held = bytes;
    peak = std::max(peak, bytes);
    return true;
  }
  std::size_t most = SIZE_MAX;
  std::size_t held = 0;
  std::size_t peak = 0;
};

void announce(wire::FrameBuffer& buffer, std::size_t length) {
  const auto room = buffer.room();
  for (std::size_t i = 0; i < 4; ++i) room[i] = static_cast<std::uint8_t>(length >> (8 * (3 - i)));
  buffer.filled(4);
}

}  // namespace

TEST_CASE("a buffer grows with what has come, and never much beyond its frame") {
  Holder holder;
  {
    wire::FrameBuffer buffer(64 * mib, &holder);
    constexpr std::size_t length = 40 * mib;
    announce(buffer, length);
    wire::View frame;
    std::size_t received = 4;
    while (!buffer.next(frame)) {
      REQUIRE(holder.held <= std::max<std::size_t>(2 * received + 8192, 16384));
      const std::size_t size = std::min({buffer.room().size(), std::size_t{60'000}, length + 4 - received});
      received += size;
      buffer.filled(size);
    }
    CHECK(frame.size() == length);
    CHECK(holder.peak <= length + 8192);
    CHECK(buffer.room().size() < mib);
    CHECK(holder.held < mib);
  }
  CHECK(holder.held == 0);
}

TEST_CASE("a holder that refuses leaves the buffer as it was") {
  Holder holder;
  holder.most = 100'000;
  wire::FrameBuffer buffer(64 * mib, &holder);
  announce(buffer, 30 * mib);
  std::size_t received = 4;
  const auto fill = [&] {
    for (;;) {
      const auto room = buffer.room();
      std::fill(room.begin(), room.end(), std::uint8_t{0x5a});
      received += room.size();
      buffer.filled(room.size());
    }
  };
  CHECK_THROWS_AS(fill(), std::bad_alloc);
  CHECK(received > 30'000);
  CHECK(holder.held <= 100'000);
  holder.most = SIZE_MAX;
  wire::View frame;
  while (!buffer.next(frame)) {
    const auto room = buffer.room();
    std::fill(room.begin(), room.end(), std::uint8_t{0x5a});
    buffer.filled(std::min(room.size(), 30 * mib + 4 - received));
    received += std::min(room.size(), 30 * mib + 4 - received);
  }
  CHECK(std::all_of(frame.begin(), frame.end(), [](std::uint8_t byte) { return byte == 0x5a; }));
}
