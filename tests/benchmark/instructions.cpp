// SPDX-License-Identifier: Apache-2.0
//
// backplane-instructions WHAT COUNT: does one thing so often, for instructions_test.py to count what it takes. One
// thread works at a time, and none spins, so that each run takes the same instructions.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <semaphore>
#include <string>

#include "embedded.hpp"
#include "host.hpp"
#include "sdk_paths.hpp"

namespace {

/// Calls echo.raw again when the last of so many at once is answered. `as_server`: as the server does, with a source
/// and a handle of each call.
class Chain {
 public:
  Chain(std::uint64_t count, std::uint64_t at_once, bool as_server = false)
      : left_(count), at_once_(at_once), handle_(as_server ? &last_ : nullptr) {
    submission_.struct_size = sizeof submission_;
    submission_.flags = BP_SUBMIT_NO_STALE;
    submission_.method = host_.method("echo.raw");
    submission_.payload = {payload_, sizeof payload_};
    submission_.on_reply = on_reply;
    submission_.user = this;
    if (as_server) bench::expect_ok(bp_source_open(host_.context(), &submission_.source), "bp_source_open", {});
  }
  bool run() {
    submit();
    over_.acquire();
    return !wrong_;
  }

 private:
  void submit() {
    open_ = at_once_;
    for (std::uint64_t i = 0; i < at_once_; ++i) {
      if (bp_submit(host_.context(), &submission_, handle_) != BP_OK) wrong_ = true, over_.release();
    }
  }
  static void on_reply(void* user, const bp_answer* answer) {
    auto& self = *static_cast<Chain*>(user);
    self.wrong_ |= answer->status != BP_OK || answer->payload.size != sizeof self.payload_;
    if (--self.open_ != 0) return;
    self.left_ -= std::min(self.left_, self.at_once_);
    self.left_ > 0 ? self.submit() : self.over_.release();
  }

  const bench::Embedded host_{BENCH_PLUGIN_DIR "/echo.so", -1};
  std::uint8_t payload_[64] = {};
  bp_submission submission_{};
  std::uint64_t left_;
  const std::uint64_t at_once_;
  bp_request last_{};
  bp_request* const handle_;
  std::uint64_t open_ = 0;
  bool wrong_ = false;
  std::binary_semaphore over_{0};
};

bool fibers(const char* verb, std::uint64_t count) {
  bench::Host host("bench_c");
  host.order(verb, {count, 0, 0});  // throws if it was not done
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && bench::is_sdk_path(argv[1])) {  // these need no host
    return bench::sdk_path(argv[1], std::strtoull(argv[2], nullptr, 10)) ? 0 : 1;
  }
  const std::string what = argc == 3 ? argv[1] : "";
  const std::uint64_t count = argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 0;
  if (count == 0 ||
      (what != "request" && what != "requests" && what != "sourced" && what != "switch" && what != "create")) {
    std::cerr << "usage: backplane-instructions request|requests|sourced|switch|create COUNT\n";
    return 2;
  }
  try {
    if (what == "request") return Chain(count, 1).run() ? 0 : 1;
    if (what == "requests") return Chain(count, 64).run() ? 0 : 1;
    if (what == "sourced") return Chain(count, 64, true).run() ? 0 : 1;
    return fibers(what.c_str(), count) ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
