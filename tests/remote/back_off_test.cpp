// SPDX-License-Identifier: Apache-2.0
//
// The waits between attempts to connect again, and the options that bound them.
#include "remote/back_off.hpp"

#include <set>

#include "reconnecting.hpp"

using backplane::host::BackOff;

TEST_CASE("The waits grow to their bound, and are shorter by a random part of up to a half") {
  const BackOff back_off{100ms, 1'000ms};
  CHECK(back_off.longest(1) == 100ms);
  CHECK(back_off.longest(2) == 200ms);
  CHECK(back_off.longest(4) == 800ms);
  CHECK(back_off.longest(5) == 1'000ms);
  CHECK(back_off.longest(4'000'000'000) == 1'000ms);
  std::set<std::int64_t> waits;
  for (std::uint64_t random = 0; random < 1'000; ++random) {
    const auto wait = back_off.wait(5, random * 7919);
    CHECK((wait >= 500ms && wait <= 1'000ms));
    waits.insert(wait.count());
  }
  CHECK(waits.size() > 400);
  CHECK(BackOff{1ms, 1ms}.wait(1, 12345) == 1ms);
}

TEST_CASE("Options of a reconnect that are out of bounds are refused with the bounds") {
  const auto refused = [](auto change) {
    bp_connect_options options{};
    options.struct_size = sizeof options;
    change(options);
    bp_result why{};
    why.struct_size = sizeof why;
    bp_context context{};
    CHECK(bp_context_connect(&options, &context, &why) == BP_INVALID_ARGUMENT);
    std::string message(why.message.data, why.message.size);
    bp_result_free(&why);
    return message;
  };
  CHECK(refused([](auto& options) { options.reconnect = 2; }) == "reconnect is 2, expected 0 to 1");
  CHECK(refused([](auto& options) { options.reconnect_max_ms = 3'600'001; }) ==
        "reconnect_max_ms is 3600001, expected 1 to 3600000");
  CHECK(refused([](auto& options) { options.reconnect_min_ms = 3'600'001; }) ==
        "reconnect_min_ms is 3600001, expected 1 to 3600000");
  CHECK(refused([](auto& options) {
          options.reconnect_min_ms = 20;
          options.reconnect_max_ms = 10;
        }) == "reconnect_min_ms is 20, expected 1 to 10");
}
