// SPDX-License-Identifier: Apache-2.0
//
// Handlers that wait for a file descriptor, on fibers and on workers.
#include <backplane/ext/await.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "loop_fixture.hpp"
#include "support/unique_fd.hpp"

using namespace backplane::host;

namespace {

/// Until what was submitted before has begun: a turn takes tasks first, and then calls.
void let_begin(LoopFixture& rig) {
  for (int i = 0; i < 2; ++i) rig.on_thread([] {});
}

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
    reply(call.token, BP_OK, name_of(status));
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

std::vector<std::string> ended_with(bp_status status) { return {"ok:" + name_of(status)}; }

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
  CHECK(written.wait() == std::vector<std::string>{"ok:written"});
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
  CHECK(canceled.wait() == std::vector<std::string>{"canceled:"});
  begun = 0;
  for (std::uint64_t timeout_ms = 5; begun == 0; timeout_ms *= 2) {  // a busy machine may not begin it in time
    SeenReplies late;
    rig.call("t.wait", late, {}, timeout_ms);
    CHECK(late.wait() == std::vector<std::string>{"deadline:"});
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

TEST_CASE("a handler's wait may get the number of a poller's descriptor that was taken away and closed") {
  const Pipe first;
  const Pipe second;
  LoopFixture rig;
  std::atomic<bool> kept{false};
  std::atomic<bool> go_on{false};
  rig.handler("t.first", awaiting(first.out.get(), BP_FD_READABLE, 0));
  rig.handler("t.second", [&](const bp_call& call) -> bp_handled {
    kept = true;
    while (!go_on) std::this_thread::yield();
    const bp_status status = await_api::fd(call.token, second.out.get(), BP_FD_READABLE, 0);
    reply(call.token, BP_OK, name_of(status));
    return BP_DONE;
  });
  rig.start();
  SeenReplies waiting;
  rig.call("t.first", waiting);
  let_begin(rig);  // from now on the thread sleeps in the reactor
  auto looker = std::make_unique<Looker>();
  const bp_poller poller = looker->poller();
  REQUIRE_FALSE(rig.loop.set_poller(&poller));
  while (!looker->asleep) std::this_thread::yield();
  SeenReplies replies;
  rig.call("t.second", replies);
  while (!kept) std::this_thread::yield();
  REQUIRE(rig.loop.set_poller(nullptr));  // while the thread comes round to nothing
  looker.reset();                         // the lowest number that is free: the reactor's next duplicate gets it
  go_on = true;
  let_begin(rig);  // and what set_poller() has posted is done
  CHECK(replies.terminal() == 0);
  REQUIRE(second.write());
  CHECK(replies.wait() == ended_with(BP_OK));
  REQUIRE(first.write());
  CHECK(waiting.wait() == ended_with(BP_OK));
}

namespace {

/// A poller whose descriptor is the read end of a pipe. Once nobody has that end, writing to the pipe fails with EPIPE.
struct PipePoller {
  Pipe pipe;
  std::atomic<bool> asleep{false};

  bp_poller poller() {
    bp_poller out{};
    out.struct_size = sizeof out;
    out.fd = pipe.out.get();
    out.user = this;
    out.poll = [](void* user, std::uint32_t flags) -> std::int32_t {
      if ((flags & BP_POLL_SLEEPS) != 0) static_cast<PipePoller*>(user)->asleep = true;
      return 0;
    };
    return out;
  }
  bool nobody_reads() const { return !pipe.write() && errno == EPIPE; }
};

/// A thread that sleeps in the reactor and watches the poller.
void start_watching(LoopFixture& rig, const Pipe& pipe, SeenReplies& waiting, PipePoller& watched) {
  ::signal(SIGPIPE, SIG_IGN);
  rig.handler("t.fiber", awaiting(pipe.out.get(), BP_FD_READABLE, 0));
  rig.start();
  rig.call("t.fiber", waiting);
  let_begin(rig);
  const bp_poller poller = watched.poller();
  REQUIRE_FALSE(rig.loop.set_poller(&poller));
  while (!watched.asleep) std::this_thread::yield();
  rig.on_thread([] {});  // it was asleep, or is about to be told that it has work
}

}  // namespace

TEST_CASE("a poller's descriptor is closed for good once it is taken away and the thread has run") {
  const Pipe pipe;
  SeenReplies waiting;
  PipePoller watched;
  LoopFixture rig;
  start_watching(rig, pipe, waiting, watched);
  REQUIRE(rig.loop.set_poller(nullptr));
  watched.pipe.out.reset();
  rig.on_thread([] {});
  CHECK(watched.nobody_reads());
  REQUIRE(pipe.write());
  CHECK(waiting.wait() == ended_with(BP_OK));
}

TEST_CASE("a poller's descriptor is closed for good once its context has ended") {
  const Pipe pipe;
  SeenReplies waiting;
  PipePoller watched;
  LoopFixture rig;
  start_watching(rig, pipe, waiting, watched);
  REQUIRE(pipe.write());
  CHECK(waiting.wait() == ended_with(BP_OK));
  rig.loop.close();
  REQUIRE(rig.loop.wait_until_idle(std::chrono::seconds(20)));
  REQUIRE(rig.loop.end_instances(std::chrono::seconds(20)));
  watched.pipe.out.reset();
  CHECK(watched.nobody_reads());
}

TEST_CASE("a poller whose descriptor cannot be watched is called all the same") {
  const Pipe pipe;
  SeenReplies waiting;
  Looker looker;
  LoopFixture rig;
  rig.handler("t.fiber", awaiting(pipe.out.get(), BP_FD_READABLE, 0));
  rig.start();
  rig.call("t.fiber", waiting);
  let_begin(rig);
  const UniqueFd lowest_free(::dup(0));
  ::rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const ::rlimit none_free{static_cast<::rlim_t>(lowest_free.get()), before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none_free) == 0);
  const bp_poller poller = looker.poller();
  const bool was = rig.loop.set_poller(&poller);
  bool rang = true;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (int i = 1; i <= 3; ++i) {
    while (!looker.asleep && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    looker.asleep = false;
    rang = rang && looker.ring();
    while (looker.found != i && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  }
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK_FALSE(was);
  CHECK(rang);
  CHECK(looker.found == 3);
  CHECK(rig.loop.set_poller(nullptr));
  REQUIRE(pipe.write());
  CHECK(waiting.wait() == ended_with(BP_OK));
}
