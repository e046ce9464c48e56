// SPDX-License-Identifier: Apache-2.0
//
// Waited-for calls (wait.h) of a host that sends more parts than there is room for, or does not read.
#include <thread>

#include "pair.hpp"

using namespace backplane::host;

namespace {

/// Calls until the context refuses, because its host does not read what waits to be sent.
void fill_output(bp_context ctx) {
  const std::string payload(std::size_t{16} << 20, 'x');
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("far.fill");
  submission.payload = bytes(wire::as_bytes(payload));
  submission.on_reply = [](void*, const bp_answer*) {};
  bool refused = false;
  for (int i = 0; i < 40 && !refused; ++i) {
    int taken = 0;
    while (taken < 40 && bp_submit(ctx, &submission, nullptr) == BP_OK) ++taken;
    refused = taken == 0;
    // The thread that sends may only now have taken what waits; then there is room again.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  REQUIRE(refused);
}

}  // namespace

TEST_CASE("room that could not be given to a handler is given while its call is waited for") {
  TempDir dir;
  RawListener listener(dir / "s");
  std::unique_ptr<RawPeer> host;
  std::thread serve([&] {
    host = std::make_unique<RawPeer>(listener.accept());
    host->receive();
    wire::Hello hello{1, "0.1.0", 1};
    hello.features.credit = true;
    host->send_frame(hello);
  });
  const std::string path = dir / "s";
  const bp_connect_options options = options_for(path, 5000);
  bp_context ctx{};
  REQUIRE(bp_context_connect(&options, &ctx, nullptr) == BP_OK);
  serve.join();

  const bool drops = GENERATE(false, true);
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("far.talk");
  submission.window_bytes = 4'096;
  bp_pending call{};
  REQUIRE(bp_call_start(ctx, &submission, &call) == BP_OK);
  const auto asked = host->receive_as<wire::Call>();
  REQUIRE(asked);
  const std::uint64_t id = asked->id;
  fill_output(ctx);
  const std::string part(4'000, 'x');
  host->send_frame(wire::Reply{id, BP_PARTIAL, wire::as_bytes(part), {}, {}});

  bp_result result{};
  result.struct_size = sizeof result;
  if (!drops) {
    CHECK(bp_call_next(call, 10'000, &result) == BP_PARTIAL);
    bp_result_free(&result);
  }
  std::uint64_t room = 0;
  std::thread reads([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the wait has begun
    while (const auto frame = host->receive(std::chrono::seconds(5))) {
      const auto* const credit = std::get_if<wire::Credit>(&*frame);
      if (credit == nullptr) continue;
      room = credit->id == id ? credit->bytes : 0;
      host->send_frame(wire::Reply{id, BP_OK, wire::as_bytes("end"), {}, {}});
      return;
    }
  });
  const auto wait = drops ? bp_call_wait : bp_call_next;
  CHECK(wait(call, 10'000, &result) == BP_OK);
  reads.join();
  CHECK(room == 4'000);
  bp_result_free(&result);
  bp_call_free(call);
  host->close();  // the calls that fill the output have no other end
  bp_context_destroy(ctx);
}

TEST_CASE("parts beyond the window of a call end it, instead of filling the memory of the application") {
  TempDir dir;
  RawListener listener(dir / "s");
  std::unique_ptr<RawPeer> host;
  std::thread serve([&] {
    host = std::make_unique<RawPeer>(listener.accept());
    host->receive();
    wire::Hello hello{1, "0.1.0", 1};
    hello.features.credit = true;
    host->send_frame(hello);
  });
  const std::string path = dir / "s";
  const bp_connect_options options = options_for(path, 5000);
  bp_context ctx{};
  REQUIRE(bp_context_connect(&options, &ctx, nullptr) == BP_OK);
  serve.join();

  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("far.talk");
  submission.window_bytes = 4'096;
  bp_pending call{};
  REQUIRE(bp_call_start(ctx, &submission, &call) == BP_OK);
  const auto asked = host->receive_as<wire::Call>();
  REQUIRE(asked);
  const std::string part(4'000, 'x');
  for (int i = 0; i < 5; ++i) {
    host->send_frame(wire::Reply{asked->id, BP_PARTIAL, wire::as_bytes(part), {}, {}});
  }
  REQUIRE(host->receive_as<wire::Cancel>());
  for (int i = 0; i < 5; ++i) {  // it sends on and on
    host->send_frame(wire::Reply{asked->id, BP_PARTIAL, wire::as_bytes(part), {}, {}});
  }
  host->send_frame(wire::Reply{asked->id, BP_OK, wire::as_bytes("end"), {}, {}});

  bp_result result{};
  result.struct_size = sizeof result;
  int parts = 0;
  while (bp_call_next(call, 10'000, &result) == BP_PARTIAL) {
    ++parts;
    bp_result_free(&result);
  }
  CHECK(parts == 2);
  CHECK(result.status == BP_PROTOCOL);
  CHECK(std::string(result.message.data, result.message.size).find("window") != std::string::npos);
  bp_result_free(&result);
  bp_call_free(call);
  bp_context_destroy(ctx);
}
