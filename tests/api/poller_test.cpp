// SPDX-License-Identifier: Apache-2.0
//
// An application's own descriptors on a context's request thread.
#include <sys/eventfd.h>
#include <unistd.h>

#include "fixture.hpp"

using namespace host_test;

namespace {

/// An eventfd that is looked after; each byte of what is written to it is a call.
class Looker {
 public:
  explicit Looker(const Context& context) : context_(context) {}
  Looker(const Looker&) = delete;
  Looker& operator=(const Looker&) = delete;
  ~Looker() { ::close(fd_); }

  bp_poller poller() {
    bp_poller out{};
    out.struct_size = sizeof out;
    out.fd = fd_;
    out.poll = poll;
    out.user = this;
    return out;
  }
  bp_status set() {
    const bp_poller mine = poller();
    return bp_poller_set(context_.native, &mine);
  }
  void ring(std::uint64_t calls = 1) { REQUIRE(::write(fd_, &calls, sizeof calls) == sizeof calls); }

  std::atomic<int> looks{0};
  std::atomic<int> found{0};
  std::atomic<int> answered{0};
  std::atomic<int> unanswered_at_a_look{0};
  std::atomic<bool> asleep{false};
  std::atomic<bool> takes_itself_away{false};
  std::atomic<std::thread::id> thread{};

 private:
  static std::int32_t poll(void* user, std::uint32_t flags) {
    auto& self = *static_cast<Looker*>(user);
    ++self.looks;
    self.thread = std::this_thread::get_id();
    self.asleep = false;
    if (self.submitted_ != self.answered && (flags & BP_POLL_BUSY) == 0) ++self.unanswered_at_a_look;
    std::uint64_t calls = 0;
    if (::read(self.fd_, &calls, sizeof calls) != sizeof calls) {
      self.asleep = (flags & BP_POLL_SLEEPS) != 0;
      return 0;
    }
    for (; calls > 0; --calls) self.submit();
    ++self.found;
    if (self.takes_itself_away) bp_poller_set(self.context_.native, nullptr);
    return 1;
  }
  void submit() {
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.name = str("no.such_name");
    submission.user = this;
    submission.on_reply = [](void* user, const bp_answer*) { ++static_cast<Looker*>(user)->answered; };
    if (bp_submit(context_.native, &submission, nullptr) == BP_OK) ++submitted_;
  }

  const Context& context_;
  const int fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  std::atomic<int> submitted_{0};
};

struct UniqueEvent {
  UniqueEvent() = default;
  UniqueEvent(const UniqueEvent&) = delete;
  UniqueEvent& operator=(const UniqueEvent&) = delete;
  ~UniqueEvent() { ::close(fd); }
  void ring() const {
    const std::uint64_t one = 1;
    REQUIRE(::write(fd, &one, sizeof one) == sizeof one);
  }
  const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
};

}  // namespace

TEST_CASE("a poller is called on the request thread when its descriptor can be read, and what it submits is answered") {
  const Context context;
  Looker looker(context);
  REQUIRE(looker.set() == BP_OK);
  for (int i = 1; i <= 100; ++i) {
    if (i % 2 == 0) REQUIRE(eventually([&] { return looker.asleep.load(); }));  // from sleep, and while it spins
    looker.ring(3);
    REQUIRE(eventually([&] { return looker.answered == 3 * i; }));
  }
  CHECK(looker.unanswered_at_a_look == 0);
  std::thread::id answered_on;
  Replies replies([&](const bp_answer&) { answered_on = std::this_thread::get_id(); });
  REQUIRE(context.submit("no.such_name", replies) == BP_OK);
  CHECK(replies.wait() == Seen{"unknown_name"});
  CHECK(looker.thread == answered_on);
  CHECK(bp_poller_set(context.native, nullptr) == BP_OK);
}

TEST_CASE("calls of other threads are taken while a poller's descriptor is waited for") {
  const Context context;
  Looker looker(context);
  REQUIRE(looker.set() == BP_OK);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(eventually([&] { return looker.asleep.load(); }));
    CHECK(context.call("no.such_name") == "unknown_name");
  }
  CHECK(bp_poller_set(context.native, nullptr) == BP_OK);
}

TEST_CASE("a poller that has been taken away is not called any more, also where a callback keeps the thread") {
  const Context context;
  Looker looker(context);
  REQUIRE(looker.set() == BP_OK);
  std::atomic<bool> kept{false};
  std::atomic<bool> go_on{false};
  Replies replies([&](const bp_answer&) {
    kept = true;
    while (!go_on) std::this_thread::yield();
  });
  REQUIRE(context.submit("no.such_name", replies) == BP_OK);
  REQUIRE(eventually([&] { return kept.load(); }));
  CHECK(bp_poller_set(context.native, nullptr) == BP_OK);
  const int looks = looker.looks;
  looker.ring();
  go_on = true;
  CHECK(replies.wait() == Seen{"unknown_name"});
  CHECK(context.call("no.such_name") == "unknown_name");
  CHECK(looker.looks == looks);
  CHECK(bp_poller_set(context.native, nullptr) == BP_NOT_FOUND);
}

TEST_CASE("a poller can take itself away, and another can take its place") {
  const Context context;
  Looker first(context);
  Looker second(context);
  REQUIRE(first.set() == BP_OK);
  first.takes_itself_away = true;
  first.ring();
  REQUIRE(eventually([&] { return first.answered == 1; }));
  CHECK(bp_poller_set(context.native, nullptr) == BP_NOT_FOUND);
  REQUIRE(first.set() == BP_OK);
  REQUIRE(second.set() == BP_OK);
  const int looks = first.looks;
  second.ring();
  REQUIRE(eventually([&] { return second.answered == 1; }));
  CHECK(first.looks == looks);
  CHECK(bp_poller_set(context.native, nullptr) == BP_OK);
}

TEST_CASE("a poller that takes itself away while another thread does the same waits for nobody") {
  const Context context;
  struct Poller {
    const Context& context;
    int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    std::atomic<bool> inside{false};
    std::atomic<bool> other_begins{false};
    std::atomic<bp_status> seen{-1};
  } mine{context};
  bp_poller poller{};
  poller.struct_size = sizeof poller;
  poller.fd = mine.fd;
  poller.user = &mine;
  poller.poll = [](void* user, std::uint32_t) -> std::int32_t {
    auto& self = *static_cast<Poller*>(user);
    self.inside = true;
    while (!self.other_begins) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    self.seen = bp_poller_set(self.context.native, nullptr);
    return 0;
  };
  REQUIRE(bp_poller_set(context.native, &poller) == BP_OK);
  REQUIRE(eventually([&] { return mine.inside.load(); }));
  mine.other_begins = true;
  const bp_status other = bp_poller_set(context.native, nullptr);
  REQUIRE(eventually([&] { return mine.seen != -1; }));
  const bp_status self = mine.seen;
  CHECK(std::min(self, other) == BP_OK);  // either has found it, the other has not
  CHECK(std::max(self, other) == BP_NOT_FOUND);
  ::close(mine.fd);
}

TEST_CASE("pollers come and go while there is traffic, and none is called when it has gone") {
  const Context context;
  std::atomic<bool> done{false};
  std::thread traffic([&] {
    while (!done) context.call("no.such_name");
  });
  for (int i = 0; i < 300; ++i) {
    auto looker = std::make_unique<Looker>(context);
    REQUIRE(looker->set() == BP_OK);
    looker->ring();
    if (i % 3 != 0) REQUIRE(eventually([&] { return looker->found == 1; }));
    CHECK(bp_poller_set(context.native, nullptr) == BP_OK);
    REQUIRE(eventually([&] { return looker->answered == looker->found; }));
  }
  done = true;
  traffic.join();
}

TEST_CASE("an idle thread with a poller sleeps") {
  const Context context;
  Looker looker(context);
  REQUIRE(looker.set() == BP_OK);
  REQUIRE(eventually([&] { return looker.asleep.load(); }));
  const int looks = looker.looks;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  CHECK(looker.looks - looks < 100);  // it would be many thousands
  CHECK(bp_poller_set(context.native, nullptr) == BP_OK);
}

TEST_CASE("a poller ends with its context, and what is no poller is refused") {
  auto context = std::make_unique<Context>();
  Looker looker(*context);
  bp_poller wrong = looker.poller();
  wrong.poll = nullptr;
  CHECK(bp_poller_set(context->native, &wrong) == BP_INVALID_ARGUMENT);
  wrong = looker.poller();
  wrong.fd = -1;
  CHECK(bp_poller_set(context->native, &wrong) == BP_INVALID_ARGUMENT);
  wrong = looker.poller();
  wrong.struct_size = 4;
  CHECK(bp_poller_set(context->native, &wrong) == BP_INVALID_ARGUMENT);
  CHECK(bp_poller_set({}, nullptr) == BP_INVALID_HANDLE);
  const bp_poller right = looker.poller();
  CHECK(bp_poller_set(bp_host_context(), &right) == BP_NOT_SUPPORTED);
  REQUIRE(looker.set() == BP_OK);
  REQUIRE(context->destroy() == BP_OK);
  const int looks = looker.looks;
  const Context next;  // made of what the first has left
  CHECK(next.call("no.such_name") == "unknown_name");
  CHECK(bp_poller_set(next.native, nullptr) == BP_NOT_FOUND);
  CHECK(looker.looks == looks);
}

TEST_CASE("a poller that is set after a stop ends with its context, and no later context has it") {
  bp_context stopped{};
  REQUIRE(bp_context_create(nullptr, &stopped, nullptr) == BP_OK);
  std::atomic<int> looks{0};
  const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  REQUIRE(fd >= 0);
  bp_poller poller{};
  poller.struct_size = sizeof poller;
  poller.fd = fd;
  poller.user = &looks;
  poller.poll = [](void* user, std::uint32_t) -> std::int32_t { return ++*static_cast<std::atomic<int>*>(user), 0; };
  REQUIRE(bp_context_stop(stopped, 10'000) == BP_OK);
  REQUIRE(bp_poller_set(stopped, &poller) == BP_OK);
  REQUIRE(bp_context_destroy(stopped) == BP_OK);
  const int before = looks;
  // The next context of the same options reuses the threads of the one that rests.
  const Context next;
  const std::uint64_t one = 1;
  REQUIRE(::write(fd, &one, sizeof one) == sizeof one);
  for (int i = 0; i < 10; ++i) bp_call_sync(next.native, BP_STR("no.name"), {nullptr, 0}, 10'000, nullptr);
  CHECK(looks == before);
  CHECK(bp_poller_set(next.native, nullptr) == BP_NOT_FOUND);
  ::close(fd);
}

TEST_CASE("a poller that knows of the thread's sleep is called before the thread does anything else") {
  const Context context;
  Looker looker(context);
  REQUIRE(looker.set() == BP_OK);
  for (int i = 0; i < 20; ++i) {
    REQUIRE(eventually([&] { return looker.asleep.load(); }));
    std::atomic<bool> told{false};
    Replies replies([&](const bp_answer&) { told = !looker.asleep; });
    REQUIRE(context.submit("no.such_name", replies) == BP_OK);
    CHECK(replies.wait() == Seen{"unknown_name"});
    CHECK(told);
  }
  CHECK(bp_poller_set(context.native, nullptr) == BP_OK);
}

TEST_CASE("a poller is taken away only when it has returned") {
  const Context context;
  struct Poller {
    std::atomic<bool> inside{false};
    std::atomic<bool> begins{false};
    std::atomic<bool> taken_away{false};
    std::atomic<bool> too_early{false};
  } mine;
  bp_poller poller{};
  const UniqueEvent event;
  poller.struct_size = sizeof poller;
  poller.fd = event.fd;
  poller.user = &mine;
  poller.poll = [](void* user, std::uint32_t) -> std::int32_t {
    auto& self = *static_cast<Poller*>(user);
    self.inside = true;
    if (!self.begins) return 0;
    // It is given time to return wrongly.
    const auto end = Clock::now() + std::chrono::milliseconds(30);
    while (Clock::now() < end && !self.taken_away) std::this_thread::yield();
    if (self.taken_away) self.too_early = true;
    return 0;
  };
  for (int i = 0; i < 5; ++i) {
    mine.inside = mine.begins = mine.taken_away = false;
    REQUIRE(bp_poller_set(context.native, &poller) == BP_OK);
    mine.begins = true;
    mine.inside = false;
    event.ring();
    REQUIRE(eventually([&] { return mine.inside.load(); }));
    CHECK(bp_poller_set(context.native, nullptr) == BP_OK);
    mine.taken_away = true;
    context.call("no.such_name");  // what ran is over
    CHECK_FALSE(mine.too_early);
  }
}
