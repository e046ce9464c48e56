// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>

#include "endpoint/reply_waiter.hpp"

using namespace backplane::host;

namespace {

struct Reply : bp_result {
  Reply() : bp_result{} { struct_size = sizeof(bp_result); }
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;
  ~Reply() { free_result(this); }
  std::string text() const { return {message.data, message.size}; }
};

void answer(ReplyWaiter& waiter, bp_status status, std::string_view message) {
  bp_answer given{};
  given.struct_size = sizeof given;
  given.status = status;
  given.message = {message.data(), message.size()};
  ReplyWaiter::on_reply(&waiter, &given);
}

constexpr Nanos moment = 2 * nanos_per_ms;

}  // namespace

TEST_CASE("a wait ends with the terminal reply, not with those before it") {
  for (const bool spins : {true, false}) {
    Reply reply;
    ReplyWaiter waiter(&reply);
    std::thread other([&] {
      answer(waiter, BP_STALE, "stale");
      answer(waiter, BP_PARTIAL, "part");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // past the spin
      answer(waiter, BP_ERROR, "the end");
    });
    if (spins) {
      CHECK(waiter.spin_and_sleep() == BP_ERROR);
    } else {
      CHECK(waiter.sleep());
    }
    CHECK(waiter.status() == BP_ERROR);
    CHECK(reply.status == BP_ERROR);
    CHECK(reply.text() == "the end");
    other.join();
  }
}

TEST_CASE("a wait with a bound ends without a reply, and may go on") {
  Reply reply;
  ReplyWaiter waiter(&reply);
  const Nanos begin = now();
  CHECK_FALSE(waiter.sleep(begin + moment));
  CHECK(now() - begin >= moment);
  CHECK_FALSE(waiter.sleep(begin));  // past already
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    answer(waiter, BP_OK, {});
  });
  CHECK(waiter.sleep());
  CHECK(waiter.sleep(begin));  // it is there
  CHECK(waiter.status() == BP_OK);
  other.join();
}
