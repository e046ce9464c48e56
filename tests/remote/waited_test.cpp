// SPDX-License-Identifier: Apache-2.0
//
// A host that sends more parts than a waited-for call has room for (wait.h).
#include <thread>

#include "pair.hpp"

using namespace backplane::host;

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
