// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <backplane/cbor/head.hpp>
#include <backplane/cbor/writer.hpp>
#include <catch2/catch.hpp>

namespace cbor = backplane::cbor;

TEST_CASE("heads are those of the writer, in their shortest form") {
  for (const std::uint64_t edge : {0ull, 24ull, 0x100ull, 0x10000ull, 0x100000000ull, 0xffffffffffffffffull}) {
    for (const std::uint64_t value : {edge - 1, edge, edge + 1}) {
      std::array<std::uint8_t, cbor::head_max> head{};
      const std::uint8_t* const end = cbor::write_head(head.data(), cbor::Major::uint, value);
      cbor::Bytes written;
      cbor::Writer(written).uint(value);
      CHECK(cbor::Bytes(static_cast<const std::uint8_t*>(head.data()), end) == written);
      CHECK(cbor::head_size(value) == written.size());
    }
  }
}

TEST_CASE("each kind of item has its own head") {
  constexpr auto head = [](cbor::Major major) {
    std::array<std::uint8_t, 2> out{};
    cbor::write_head(out.data(), major, 24);
    return out;
  };
  static_assert(head(cbor::Major::text) == std::array<std::uint8_t, 2>{0x78, 24});
  CHECK(head(cbor::Major::bytes) == std::array<std::uint8_t, 2>{0x58, 24});
  CHECK(head(cbor::Major::array) == std::array<std::uint8_t, 2>{0x98, 24});
  CHECK(head(cbor::Major::map) == std::array<std::uint8_t, 2>{0xb8, 24});
  CHECK(cbor::short_head(cbor::Major::tag, 1) == 0xc1);
  CHECK(cbor::empty_map == 0xa0);
}
