// SPDX-License-Identifier: Apache-2.0
//
// Handlers that wait for a file descriptor, on fibers and on workers.
#include <backplane/ext/await.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop_fixture.hpp"
#include "support/unique_fd.hpp"

using namespace backplane::host;

namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    out = UniqueFd(ends[0]);
    in = UniqueFd(ends[1]);
  }
  bool write() const { return ::write(in.get(), "x", 1) == 1; }
  UniqueFd out;
  UniqueFd in;
};

LoopFixture::Run awaiting(int fd, std::uint32_t events, std::uint64_t timeout_ms) {
  return [=](const bp_call& call) -> bp_handled {
    const bp_status status = await_api::fd(call.token, fd, events, timeout_ms);
    reply(call.token, BP_OK, std::to_string(status));
    return BP_DONE;
  };
}

/// An eventfd that is looked after.
struct Looker {
  UniqueFd fd{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  std::atomic<bool> asleep{false};
  std::atomic<int> found{0};

  bp_poller poller() {
    bp_poller out{};
    out.struct_size = sizeof out;
    out.fd = fd.get();
    out.user = this;
    out.poll = [](void* user, std::uint32_t flags) -> std::int32_t {
      auto& self = *static_cast<Looker*>(user);
      std::uint64_t count = 0;
      const bool rung = ::read(self.fd.get(), &count, sizeof count) == sizeof count;
      self.found += rung;
      self.asleep = !rung && (flags & BP_POLL_SLEEPS) != 0;
      return rung;
    };
    return out;
  }
  bool ring() const {
    const std::uint64_t one = 1;
    return ::write(fd.get(), &one, sizeof one) == sizeof one;
  }
};

std::vector<std::string> ended_with(bp_status status) { return {"0:" + std::to_string(status)}; }

}  // namespace

TEST_CASE("handlers wait for one descriptor together, while other requests run, until it is readable") {
  const Pipe pipe;
  LoopFixture rig;
  rig.handler("t.fiber", awaiting(pipe.out.get(), BP_FD_READABLE, 0));
  rig.handler("t.worker", awaiting(pipe.out.get(), BP_FD_READABLE, 0), BP_HANDLER_BLOCKING);
  rig.handler("t.write", [&pipe](const bp_call& call) -> bp_handled {
    reply(call.token, BP_OK, pipe.write() ? "written" : "failed");
    return BP_DONE;
  });
  rig.start();
  SeenReplies waiting[3];
  rig.call("t.fiber", waiting[0]);
  rig.call("t.fiber", waiting[1]);
  rig.call("t.worker", waiting[2]);
  rig.on_thread([] {});
  for (SeenReplies& each : waiting) CHECK(each.terminal() == 0);
  SeenReplies written;
  rig.call("t.write", written);
  CHECK(written.wait() == std::vector<std::string>{"0:written"});
  for (SeenReplies& each : waiting) CHECK(each.wait() == ended_with(BP_OK));
}

TEST_CASE("a wait for a descriptor ends at its timeout, and at once if it is ready or cannot be waited for") {
  const Pipe pipe;
  LoopFixture rig;
  rig.handler("t.quiet", awaiting(pipe.out.get(), BP_FD_READABLE, 5));
  rig.handler("t.writable", awaiting(pipe.in.get(), BP_FD_WRITABLE, 0));
  rig.handler("t.either", awaiting(pipe.in.get(), BP_FD_READABLE | BP_FD_WRITABLE, 0));
  rig.handler("t.nothing", awaiting(pipe.out.get(), 0, 0));
  rig.handler("t.unknown", awaiting(pipe.out.get(), 64, 0));
  rig.handler("t.none", awaiting(-1, BP_FD_READABLE, 0));
  rig.handler("t.closed", awaiting(1'000'000, BP_FD_READABLE, 0));
  rig.start();
  const std::pair<const char*, bp_status> cases[] = {{"t.quiet", BP_TIMEOUT},
                                                     {"t.writable", BP_OK},
                                                     {"t.either", BP_OK},
                                                     {"t.nothing", BP_INVALID_ARGUMENT},
                                                     {"t.unknown", BP_INVALID_ARGUMENT},
                                                     {"t.none", BP_INVALID_ARGUMENT},
                                                     {"t.closed", BP_IO}};
  for (const auto& [name, status] : cases) {
    INFO(name);
    SeenReplies replies;
    rig.call(name, replies);
    CHECK(replies.wait() == ended_with(status));
  }
}

TEST_CASE("a request that is canceled or past its deadline waits for its descriptor no longer") {
  const Pipe pipe;
  LoopFixture rig;
  std::atomic<int> begun{0};
  std::atomic<bp_status> seen{BP_OK};
  rig.handler("t.wait", [&](const bp_call& call) -> bp_handled {
    ++begun;
    seen = await_api::fd(call.token, pipe.out.get(), BP_FD_READABLE, 0);
    return BP_DONE;
  });
  rig.start();
  SeenReplies canceled;
  const bp_request request = rig.call("t.wait", canceled);
  while (begun == 0) std::this_thread::yield();
  CHECK(rig.loop.cancel(request) == BP_OK);
  CHECK(canceled.wait() == std::vector<std::string>{std::to_string(BP_CANCELED) + ":"});
  begun = 0;
  for (std::uint64_t timeout_ms = 5; begun == 0; timeout_ms *= 2) {  // a busy machine may not begin it in time
    SeenReplies late;
    rig.call("t.wait", late, {}, timeout_ms);
    CHECK(late.wait() == std::vector<std::string>{std::to_string(BP_DEADLINE) + ":"});
  }
  while (seen != BP_DEADLINE) std::this_thread::yield();
}

TEST_CASE("a poller's descriptor is waited for beside those of handlers") {
  const Pipe pipe;
  LoopFixture rig;
  rig.handler("t.fiber", awaiting(pipe.out.get(), BP_FD_READABLE, 0));
  rig.start();
  Looker looker;
  const bp_poller poller = looker.poller();
  SeenReplies waiting;
  rig.call("t.fiber", waiting);
  rig.on_thread([] {});
  REQUIRE_FALSE(rig.loop.set_poller(&poller));
  for (int i = 1; i <= 20; ++i) {
    while (!looker.asleep) std::this_thread::yield();
    looker.asleep = false;
    REQUIRE(looker.ring());
    while (looker.found != i) std::this_thread::yield();
    if (i == 10) REQUIRE(pipe.write());
  }
  CHECK(waiting.wait() == ended_with(BP_OK));
  CHECK(rig.loop.set_poller(nullptr));
}

TEST_CASE("a poller's descriptor is waited for also if it has the number of the one before") {
  const Pipe pipe;
  LoopFixture rig;
  rig.handler("t.fiber", awaiting(pipe.out.get(), BP_FD_READABLE, 0));
  rig.start();
  Looker looker;
  const bp_poller poller = looker.poller();
  SeenReplies waiting;
  rig.call("t.fiber", waiting);
  rig.on_thread([] {});
  REQUIRE_FALSE(rig.loop.set_poller(&poller));
  while (!looker.asleep) std::this_thread::yield();
  // While the thread comes round to nothing.
  std::atomic<bool> kept{false};
  std::atomic<bool> go_on{false};
  REQUIRE(rig.loop.post([&] {
    kept = true;
    while (!go_on) std::this_thread::yield();
  }));
  while (!kept) std::this_thread::yield();
  REQUIRE(rig.loop.set_poller(nullptr));
  const UniqueFd next(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  REQUIRE(::dup3(next.get(), looker.fd.get(), O_CLOEXEC) == looker.fd.get());
  REQUIRE_FALSE(rig.loop.set_poller(&poller));
  looker.asleep = false;
  go_on = true;
  while (!looker.asleep) std::this_thread::yield();
  REQUIRE(looker.ring());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (looker.found != 1 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  CHECK(looker.found == 1);
  REQUIRE(pipe.write());
  CHECK(waiting.wait() == ended_with(BP_OK));
  CHECK(rig.loop.set_poller(nullptr));
}
