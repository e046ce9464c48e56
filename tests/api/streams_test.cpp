// SPDX-License-Identifier: Apache-2.0
//
// Parts of replies and of requests: windows, credit, waits for room.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

#include "cbor_value.hpp"
#include "fixture.hpp"
#include "streamed.hpp"
#include "streams_payload.hpp"

using namespace host_test;

namespace {

std::uint64_t blocked(const Context& context) {
  Result report;
  REQUIRE(bp_host_status(context.native, &report) == BP_OK);
  const Value read = Value::of(report.text());
  std::uint64_t all = 0;
  for (const Value& each : read["contexts"].items) all += each["parts"]["would_block"].number;
  return all;
}

void settle() { std::this_thread::sleep_for(std::chrono::milliseconds(30)); }

}  // namespace

TEST_CASE("a receiver that simply takes parts notices nothing of the window") {
  const Context context;
  const Loaded module(context, "streams");
  const char* const name = GENERATE("streams.send", "streams.blocking_send");
  Streamed call(context, name, order(1'000, 65'536));
  CHECK(call.answer()["parts"].number == 1'000);
  CHECK(call.parts == 1'000);
  CHECK(call.bytes > 1'000u * 65'536u);
  CHECK(call.terminals == 1);
}

TEST_CASE("a handler waits for credit, and only its own call does") {
  const Context context;
  const Loaded module(context, "streams");
  const char* const name = GENERATE("streams.send", "streams.blocking_send");
  Streamed call(context, name, order(200, 10'000), BP_SUBMIT_CREDIT, 100'000);
  CHECK(call.got(9));
  settle();
  CHECK(call.parts == 9);  // a tenth would be more than the window
  CHECK(context.call("streams.nap", order(0, 0, 0)).starts_with("ok"));
  CHECK(call.credit(call.largest) == BP_OK);
  CHECK(call.got(10));
  settle();
  CHECK(call.parts == 10);
  // In pieces, and in the end more than all that is on its way.
  for (std::uint64_t seen = 10; call.terminals == 0; ++seen) {
    call.credit(call.largest - 1);
    call.credit(1);
    if (!call.got(std::min<std::uint64_t>(seen + 1, 200))) break;
  }
  CHECK(call.ended());
  CHECK(call.parts == 200);
  CHECK(call.status == BP_OK);
  CHECK(call.credit(1) == BP_INVALID_HANDLE);
}

TEST_CASE("more credit than is on its way counts as all of it") {
  const Context context;
  const Loaded module(context, "streams");
  Streamed call(context, "streams.send", order(100, 10'000), BP_SUBMIT_CREDIT, 20'000);
  while (call.terminals == 0) {
    const std::uint64_t seen = call.parts;
    CHECK(call.got(1));
    call.credit(UINT64_MAX);
    settle();
    if (call.terminals == 0) CHECK(call.parts <= seen + 3);
  }
  CHECK(call.parts == 100);
}

TEST_CASE("credit may be given while the part is read") {
  const Context context;
  const Loaded module(context, "streams");
  struct Now {
    bp_context context;
    bp_request request{};
    std::atomic<int> parts{0};
    std::atomic<int> terminals{0};
  } now{context.native};
  const std::string payload = order(20, 10'000);
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.flags = BP_SUBMIT_CREDIT;
  submission.name = BP_STR("streams.send");
  submission.payload = bytes_of(payload);
  submission.window_parts = 1;
  submission.user = &now;
  submission.on_reply = [](void* user, const bp_answer* answer) {
    auto& self = *static_cast<Now*>(user);
    if (answer->status == BP_OK) ++self.terminals;
    if (answer->status != BP_PARTIAL) return;
    bp_request_credit(self.context, self.request, answer->payload.size);
    self.parts += answer->payload.data[answer->payload.size - 1] == 'x';
  };
  REQUIRE(bp_submit(context.native, &submission, &now.request) == BP_OK);
  CHECK(eventually([&] { return now.terminals == 1; }));
  CHECK(now.parts == 20);
}

TEST_CASE("the window counts parts as well") {
  const Context context;
  const Loaded module(context, "streams");
  Streamed call(context, "streams.send", order(50, 0), BP_SUBMIT_CREDIT, 0, 7);
  CHECK(call.got(7));
  settle();
  CHECK(call.parts == 7);
  CHECK(call.credit(call.bytes) == BP_OK);
  CHECK(call.got(14));
  settle();
  CHECK(call.parts == 14);
  CHECK(bp_cancel(context.native, call.request) == BP_OK);
  CHECK(call.ended());
  CHECK(call.status == BP_CANCELED);
}

TEST_CASE("a part that is larger than the window goes when no other is on its way") {
  const Context context;
  const Loaded module(context, "streams");
  Streamed call(context, "streams.send", order(3, 50'000), BP_SUBMIT_CREDIT, 4'096);
  for (std::uint64_t n = 1; n <= 3; ++n) {
    CHECK(call.got(n));
    settle();
    CHECK(call.parts == n);
    call.credit(call.largest);
  }
  CHECK(call.answer()["bytes"].number == 150'000);
}

TEST_CASE("who does not wait is told, and the status counts it") {
  const Context context;
  const Loaded module(context, "streams");
  const std::uint64_t before = blocked(context);
  Streamed call(context, "streams.try_send", order(1'000, 10'000), BP_SUBMIT_CREDIT, 50'000);
  CHECK(call.answer()["parts"].number == 4);
  CHECK(call.parts == 4);
  CHECK(blocked(context) == before + 1);
}

TEST_CASE("a wait for room ends with its bound, with the call's deadline, and with a cancel") {
  const Context context;
  const Loaded module(context, "streams");
  {
    Streamed call(context, "streams.patient", order(1'000, 10'000, 20), BP_SUBMIT_CREDIT, 50'000);
    CHECK(call.answer()["parts"].number == 4);
  }
  {
    Streamed call(context, "streams.send", order(1'000, 10'000), BP_SUBMIT_CREDIT, 50'000, 0, 30);
    CHECK(call.ended());
    CHECK(call.status == BP_DEADLINE);
  }
  const char* const name = GENERATE("streams.send", "streams.blocking_send");
  Streamed call(context, name, order(1'000, 10'000), BP_SUBMIT_CREDIT, 50'000);
  CHECK(call.got(4));
  CHECK(bp_cancel(context.native, call.request) == BP_OK);
  CHECK(call.ended());
  CHECK(call.status == BP_CANCELED);
  CHECK(call.terminals == 1);
}

TEST_CASE("a context that stops ends a handler that waits for room") {
  auto context = std::make_unique<Context>();
  const Context keeper;
  const Loaded module(keeper, "streams");
  Streamed call(*context, "streams.send", order(1'000, 10'000), BP_SUBMIT_CREDIT, 50'000);
  CHECK(call.got(4));
  CHECK(context->destroy() == BP_OK);
  CHECK(call.status == BP_CANCELED);
}

TEST_CASE("credit is refused to a call that does not ask for it") {
  const Context context;
  const Loaded module(context, "streams");
  Streamed call(context, "streams.nap", order(0, 0, 50));
  CHECK(call.credit(1) == BP_INVALID_ARGUMENT);
  CHECK(bp_request_credit(context.native, {0}, 1) == BP_INVALID_HANDLE);
  CHECK(bp_request_credit(context.native, {12345}, 1) == BP_INVALID_HANDLE);
}

TEST_CASE("a request comes in parts, and its sender is told of room") {
  const Context context;
  const Loaded module(context, "streams");
  Streamed call(context, "streams.sum", order(0, 5), BP_SUBMIT_PARTS);
  std::uint64_t bytes = 5;
  for (std::uint64_t n = 1; n < 500; ++n) {
    REQUIRE(call.send_all(piece(n, 40'000), n == 499 ? BP_PART_LAST : 0) == BP_OK);
    bytes += 40'000;
  }
  const Value sum = call.answer();
  CHECK(sum["parts"].number == 500);
  CHECK(sum["bytes"].number == bytes);
  CHECK(call.send(piece(0, 0)) == BP_INVALID_HANDLE);
}

TEST_CASE("what waits for a handler is bounded") {
  const Context context;
  const Loaded module(context, "streams");
  SECTION("in bytes") {
    Streamed call(context, "streams.slow_sum", order(0, 0, 300), BP_SUBMIT_PARTS);
    const std::string part = piece(1, 300'000);
    int sent = 0;
    while (call.send(part) == BP_OK) ++sent;
    CHECK(sent >= 3);
    CHECK(sent <= 4);  // one may be taken already
    CHECK(call.send_all(part) == BP_OK);
    CHECK(call.send_all(piece(2, 0), BP_PART_LAST) == BP_OK);
    CHECK(call.send(part) == BP_INVALID_ARGUMENT);
    CHECK(call.answer()["parts"].number == static_cast<std::uint64_t>(sent) + 3);
  }
  SECTION("in parts") {
    Streamed call(context, "streams.slow_sum", order(0, 0, 1'000'000), BP_SUBMIT_PARTS);
    int sent = 0;
    while (call.send(piece(1, 0)) == BP_OK) ++sent;
    CHECK(sent >= 1'024);
    CHECK(sent <= 1'026);
    CHECK(bp_cancel(context.native, call.request) == BP_OK);
    CHECK(call.ended());
    CHECK(call.status == BP_CANCELED);
  }
}

TEST_CASE("options of the context bound what waits for a handler") {
  bp_context_options options = no_options();
  SECTION("in bytes") {
    options.request_window_bytes = 100'000;
    const Context context(options);
    const Loaded module(context, "streams");
    Streamed call(context, "streams.slow_sum", order(0, 0, 300), BP_SUBMIT_PARTS);
    int sent = 0;
    while (call.send(piece(1, 40'000)) == BP_OK) ++sent;
    CHECK(sent >= 2);
    CHECK(sent <= 3);  // one may be taken already
    CHECK(call.send_all(piece(2, 0), BP_PART_LAST) == BP_OK);
    CHECK(call.answer()["parts"].number == static_cast<std::uint64_t>(sent) + 2);
  }
  SECTION("in parts") {
    options.request_window_parts = 5;
    const Context context(options);
    const Loaded module(context, "streams");
    Streamed call(context, "streams.slow_sum", order(0, 0, 1'000'000), BP_SUBMIT_PARTS);
    int sent = 0;
    while (call.send(piece(1, 0)) == BP_OK) ++sent;
    CHECK(sent >= 5);
    CHECK(sent <= 7);
    CHECK(bp_cancel(context.native, call.request) == BP_OK);
    CHECK(call.ended());
  }
}

TEST_CASE("empty parts count, in both directions") {
  const Context context;
  const Loaded module(context, "streams");
  Streamed call(context, "streams.echo", order(0, 0), BP_SUBMIT_PARTS | BP_SUBMIT_CREDIT, 0, 8);
  std::thread reader([&] {
    while (call.terminals == 0) {
      call.credit(UINT64_MAX);
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  for (std::uint64_t n = 0; n < 3'000; ++n) CHECK(call.send_all(piece(n, n % 7 == 0 ? 10 : 0)) == BP_OK);
  CHECK(call.send("", BP_PART_END) == BP_OK);
  CHECK(call.answer()["parts"].number == 3'000);
  CHECK(call.parts == 3'000);
  reader.join();
}

TEST_CASE("a handler that ends early, or is canceled, leaves the parts that came") {
  const Context context;
  const Loaded module(context, "streams");
  {
    Streamed call(context, "streams.sum", order(0, 0), BP_SUBMIT_PARTS);
    CHECK(call.send(piece(7, 10)) == BP_OK);
    call.send(piece(8, 10));
    CHECK(call.ended());
    CHECK(call.status == 1000);
  }
  Streamed call(context, "streams.sum", order(0, 0), BP_SUBMIT_PARTS);
  CHECK(call.send(piece(1, 10)) == BP_OK);
  CHECK(bp_cancel(context.native, call.request) == BP_OK);
  CHECK(call.ended());
  CHECK(call.status == BP_CANCELED);
}

TEST_CASE("a part that does not fit the interface is the caller's fault") {
  const Context context;
  const Loaded module(context, "streams");
  Streamed call(context, "streams.sum", order(0, 0), BP_SUBMIT_PARTS);
  CHECK(call.send("\xF6") == BP_OK);
  CHECK(call.ended());
  CHECK(call.status == BP_BAD_PAYLOAD);
}

TEST_CASE("parts in both directions, each with its window") {
  const Context context;
  const Loaded module(context, "streams");
  Streamed call(context, "streams.echo", order(0, 0), BP_SUBMIT_PARTS);
  for (std::uint64_t n = 0; n < 300; ++n) {
    REQUIRE(call.send_all(piece(n, 20'000), n == 299 ? BP_PART_LAST : 0) == BP_OK);
  }
  CHECK(call.answer()["parts"].number == 300);
  CHECK(call.parts == 300);
}

TEST_CASE("a request that comes whole has no further part") {
  const Context context;
  const Loaded module(context, "streams");
  Streamed call(context, "streams.sum", order(0, 3));
  CHECK(call.answer()["parts"].number == 1);
}

TEST_CASE("a handler that takes no parts refuses a request in parts") {
  const Context context;
  const Loaded module(context, "streams");
  Streamed call(context, "streams.nap", order(0, 0, 0), BP_SUBMIT_PARTS);
  CHECK(call.ended());
  CHECK(call.status == BP_NOT_SUPPORTED);
  CHECK(call.words.find("streams.nap") != std::string::npos);
  Streamed whole(context, "streams.nap", order(0, 0, 20));
  CHECK(whole.send(piece(1, 1)) == BP_INVALID_ARGUMENT);
  CHECK(bp_request_part(context.native, {0}, {}, 0) == BP_INVALID_HANDLE);
  CHECK(bp_request_part(context.native, whole.request, {}, 4) == BP_INVALID_ARGUMENT);
}

TEST_CASE("an end is no part, and needs no room") {
  const Context context;
  const Loaded module(context, "streams");
  Streamed empty(context, "streams.sum", order(0, 1), BP_SUBMIT_PARTS);
  CHECK(empty.send("x", BP_PART_END) == BP_INVALID_ARGUMENT);
  CHECK(empty.send("", BP_PART_END) == BP_OK);
  CHECK(empty.answer()["parts"].number == 1);
  Streamed full(context, "streams.slow_sum", order(0, 0, 20), BP_SUBMIT_PARTS);
  std::uint64_t sent = 1;
  for (const std::string part = piece(1, 300'000); full.send(part) == BP_OK;) ++sent;
  CHECK(full.send("", BP_PART_END) == BP_OK);
  CHECK(full.send("", BP_PART_END) == BP_INVALID_ARGUMENT);
  CHECK(full.answer()["parts"].number == sent);
}

TEST_CASE("a submission of the first version of the ABI works") {
  const Context context;
  const Loaded module(context, "streams");
  const std::string payload = order(0, 0, 0);
  Replies replies;
  bp_submission submission{};
  std::memset(static_cast<void*>(&submission), 0xff, sizeof submission);
  submission.struct_size = offsetof(bp_submission, source);
  submission.flags = 0;
  submission.method = {0};
  submission.name = BP_STR("streams.nap");
  submission.payload = bytes_of(payload);
  submission.buffer = nullptr;
  submission.timeout_ms = 0;
  submission.on_reply = Replies::on_reply;
  submission.user = &replies;
  REQUIRE(bp_submit(context.native, &submission, nullptr) == BP_OK);
  CHECK(replies.wait().size() == 1);
}
