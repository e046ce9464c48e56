// SPDX-License-Identifier: Apache-2.0
//
// Sources: whose call is next, and who is held.
#include <algorithm>
#include <deque>

#include "fixture.hpp"
#include "streams_payload.hpp"

using namespace host_test;

namespace {

/// Notes in which order the calls of several sources were answered, each with a letter.
class Order {
 public:
  struct Call {
    Order* order;
    char letter;
  };

  void submit(const Context& context, bp_source source, char letter, std::string_view name, std::string_view payload) {
    Call* call = nullptr;
    {
      const std::lock_guard lock(mutex_);
      call = &calls_.emplace_back(Call{this, letter});
    }
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.flags = BP_SUBMIT_NO_STALE;
    submission.name = str(name);
    submission.payload = bytes_of(payload);
    submission.on_reply = on_reply;
    submission.user = call;
    submission.source = source;
    REQUIRE(bp_submit(context.native, &submission, nullptr) == BP_OK);
  }
  /// The letters, when so many have come.
  std::string wait(std::size_t count) {
    CHECK(eventually([&] { return letters().size() >= count; }));
    return letters();
  }
  std::string letters() {
    const std::lock_guard lock(mutex_);
    return letters_;
  }
  bp_status worst() {
    const std::lock_guard lock(mutex_);
    return worst_;
  }

 private:
  static void on_reply(void* user, const bp_answer* answer) {
    const Call& call = *static_cast<const Call*>(user);
    const std::lock_guard lock(call.order->mutex_);
    call.order->letters_ += call.letter;
    call.order->worst_ = std::max(call.order->worst_, answer->status);
  }

  std::mutex mutex_;
  std::deque<Call> calls_;
  std::string letters_;
  bp_status worst_ = BP_OK;
};

struct Source {
  explicit Source(const Context& of) : context(of.native) { REQUIRE(bp_source_open(context, &native) == BP_OK); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source() { CHECK(bp_source_close(context, native) == BP_OK); }

  bp_context context;
  bp_source native{};
};

/// Keeps the request thread busy while the test submits.
class Busy {
 public:
  explicit Busy(const Context& context) { context.submit("streams.spin", replies_, numbers({{"us", 100'000}})); }
  ~Busy() { CHECK(replies_.wait().size() == 1); }

 private:
  Replies replies_;
};

}  // namespace

TEST_CASE("sources take turns, whoever has sent more") {
  const Context context;
  const Loaded module(context, "streams");
  const Source greedy(context);
  const Source modest(context);
  const Source shy(context);
  Order order;
  const std::string spin = numbers({{"us", 30}});  // more than the calls that are taken together
  {
    const Busy busy(context);
    for (int i = 0; i < 100; ++i) order.submit(context, greedy.native, 'g', "streams.spin", spin);
    for (int i = 0; i < 3; ++i) order.submit(context, modest.native, 'm', "streams.spin", spin);
    order.submit(context, shy.native, 's', "streams.spin", spin);
  }
  const std::string seen = order.wait(104);
  CHECK(seen.substr(0, 8) == "gmsgmgmg");
  CHECK(order.worst() == BP_OK);
}

TEST_CASE("a large payload costs its source turns") {
  const Context context;
  const Loaded module(context, "streams");
  const Source large(context);
  const Source small(context);
  Order order;
  {
    const Busy busy(context);
    const std::string payload = piece(0, 64 << 10);  // four turns more
    for (int i = 0; i < 3; ++i) order.submit(context, large.native, 'L', "streams.weigh", payload);
    for (int i = 0; i < 12; ++i) order.submit(context, small.native, 's', "streams.weigh", piece(0, 1));
  }
  CHECK(order.wait(15).substr(0, 12) == "LsssssLsssss");
  CHECK(order.worst() == BP_OK);
}

TEST_CASE("quick calls of a source are taken together, and the others wait for some microseconds only") {
  const Context context;
  const Loaded module(context, "streams");
  const Source greedy(context);
  const Source modest(context);
  Order order;
  {
    const Busy busy(context);
    for (int i = 0; i < 2'000; ++i) order.submit(context, greedy.native, 'g', "streams.spin", numbers({{"us", 0}}));
    for (int i = 0; i < 10; ++i) order.submit(context, modest.native, 'm', "streams.spin", numbers({{"us", 0}}));
  }
  CHECK(order.wait(2'010).rfind('m') < 1'500);
}

TEST_CASE("what comes late is served within a turn of each other source, also behind slow handlers") {
  const Context context;
  const Loaded module(context, "streams");
  const Source greedy(context);
  const Source greedier(context);
  const Source innocent(context);
  Order order;
  for (int i = 0; i < 300; ++i) {
    order.submit(context, greedy.native, 'g', "streams.spin", numbers({{"us", 300}}));
    order.submit(context, greedier.native, 'G', "streams.spin", numbers({{"us", 300}}));
  }
  for (int i = 0; i < 20; ++i) {
    const std::size_t before = order.letters().size();
    order.submit(context, innocent.native, 'i', "streams.spin", numbers({{"us", 0}}));
    const std::string seen = order.wait(before + 1);
    CHECK(eventually([&] { return order.letters().find('i', before) != std::string::npos; }));
    const std::string since = order.letters().substr(before);
    // One of them ran when it was submitted, and each may have one turn. The test's own thread takes its time too.
    CHECK(since.find('i') <= 30);
  }
  order.wait(620);
  CHECK(order.worst() == BP_OK);
}

TEST_CASE("blocking handlers take turns as well") {
  const Context context;
  const Loaded module(context, "streams");
  const Source greedy(context);
  const Source innocent(context);
  Order order;
  for (int i = 0; i < 200; ++i) order.submit(context, greedy.native, 'g', "streams.block", numbers({{"us", 1'000}}));
  for (int i = 0; i < 5; ++i) {
    const std::size_t before = order.letters().size();
    order.submit(context, innocent.native, 'i', "streams.block", numbers({{"us", 0}}));
    CHECK(eventually([&] { return order.letters().find('i', before) != std::string::npos; }));
    CHECK(order.letters().substr(before).find('i') <= 20);
  }
  order.wait(205);
  CHECK(order.worst() == BP_OK);
}

TEST_CASE("a held source gets no parts until it is released, and others do") {
  const Context context;
  const Loaded module(context, "streams");
  const Source held(context);
  const Source free(context);
  const std::string ten = order(10, 10, 10);
  const auto submit = [&](Replies& replies, bp_source source, const char* name) {
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.name = str(name);
    submission.payload = bytes_of(ten);
    submission.on_reply = Replies::on_reply;
    submission.user = &replies;
    submission.source = source;
    REQUIRE(bp_submit(context.native, &submission, nullptr) == BP_OK);
  };
  REQUIRE(bp_source_hold(context.native, held.native, 1) == BP_OK);
  Replies waits, tries, goes;
  submit(waits, held.native, "streams.send");
  submit(tries, held.native, "streams.try_send");
  submit(goes, free.native, "streams.send");
  CHECK(goes.wait().size() == 11);
  CHECK(tries.wait().size() == 1);
  CHECK(waits.terminal() == 0);
  REQUIRE(bp_source_hold(context.native, held.native, 0) == BP_OK);
  CHECK(waits.wait().size() == 11);
}

TEST_CASE("a source that is closed lets its calls go on") {
  const Context context;
  const Loaded module(context, "streams");
  Order order;
  bp_source source{};
  REQUIRE(bp_source_open(context.native, &source) == BP_OK);
  {
    const Busy busy(context);
    for (int i = 0; i < 10; ++i) order.submit(context, source, 'c', "streams.spin", numbers({{"us", 0}}));
    CHECK(bp_source_close(context.native, source) == BP_OK);
    CHECK(bp_source_close(context.native, source) == BP_INVALID_HANDLE);
    CHECK(bp_source_hold(context.native, source, 1) == BP_INVALID_HANDLE);
  }
  CHECK(order.wait(10) == "cccccccccc");
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("streams.spin");
  submission.on_reply = [](void*, const bp_answer*) {};
  submission.source = source;
  CHECK(bp_submit(context.native, &submission, nullptr) == BP_INVALID_HANDLE);
}

TEST_CASE("a source owes nothing for one that had its place before") {
  const Context context;
  const Loaded module(context, "streams");
  const std::string large = piece(0, 4 << 20);
  // Enough of them that records come back.
  for (int i = 0; i < 700; ++i) {
    Order order;
    const Source used(context);
    if (i % 50 == 0) order.submit(context, used.native, 'x', "streams.weigh", large);
    if (i % 50 == 0) order.wait(1);
  }
  const Source greedy(context);
  const Source fresh(context);
  Order order;
  {
    const Busy busy(context);
    for (int i = 0; i < 100; ++i) order.submit(context, greedy.native, 'g', "streams.weigh", piece(0, 1));
    order.submit(context, fresh.native, 'f', "streams.weigh", piece(0, 1));
  }
  CHECK(order.wait(101).find('f') <= 2);
}

TEST_CASE("calls of a source that wait are bounded by queue_depth, from any thread") {
  bp_context_options options = no_options();
  options.queue_depth = 50;
  const Context context(options);
  const Loaded module(context, "streams");
  const Source source(context);
  const Busy busy(context);
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("streams.spin");
  submission.on_reply = [](void*, const bp_answer*) {};
  submission.source = source.native;
  int accepted = 0;
  for (int i = 0; i < 500; ++i) accepted += bp_submit(context.native, &submission, nullptr) == BP_OK;
  CHECK(accepted >= 49);  // the busy one may still count
  CHECK(accepted <= 110);
}

TEST_CASE("a source belongs to one context") {
  const Context context;
  const Context other;
  const Source source(context);
  CHECK(bp_source_hold(other.native, source.native, 1) == BP_INVALID_HANDLE);
  CHECK(bp_source_close(other.native, source.native) == BP_INVALID_HANDLE);
  CHECK(bp_source_open(context.native, nullptr) == BP_INVALID_ARGUMENT);
}
