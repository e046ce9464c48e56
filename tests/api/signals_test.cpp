// SPDX-License-Identifier: Apache-2.0
//
// The application's signal handlers may run on the host's threads, and without SA_RESTART every wait in the kernel
// that one interrupts gives EINTR.
#include <csignal>
#include <filesystem>

#include <unistd.h>

#include "matrix_fixture.hpp"

using namespace host_test;

namespace {

std::atomic<long> handled{0};
static_assert(std::atomic<long>::is_always_lock_free);

/// Sends SIGUSR1 to every thread of the process, the host's too, over and over.
class Bombardment {
 public:
  Bombardment() {
    struct sigaction action {};
    action.sa_handler = [](int) { handled.fetch_add(1, std::memory_order_relaxed); };  // no SA_RESTART
    REQUIRE(::sigaction(SIGUSR1, &action, nullptr) == 0);
    thread_ = std::thread([this] {
      while (!stop_) {
        for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
          ::tgkill(::getpid(), std::stoi(task.path().filename()), SIGUSR1);
        }
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      }
    });
  }
  Bombardment(const Bombardment&) = delete;
  Bombardment& operator=(const Bombardment&) = delete;
  ~Bombardment() {
    stop_ = true;
    thread_.join();
    // The handler stays: a signal may still be on its way.
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

bp_handled await_descriptor(MatrixFixture& fixture, const Here& here) {
  fixture.arrive();
  return fixture.reply(here, here.await.fd(here.call.token, fixture.descriptor(), BP_FD_READABLE, 0));
}

bool slept(const Context& context, int ms) {
  const auto begin = Clock::now();
  const std::string number = std::to_string(ms);
  return context.call("sleeper.sleep", number) == "ok:" + number &&
         Clock::now() - begin >= std::chrono::milliseconds(ms);
}

void load_matrix(const Context& context, const MatrixFixture& fixture) {
  const std::string path = module_path("matrix");
  const std::string config = fixture.config();
  bp_load_options options = load_options(path);
  options.config = bytes_of(config);
  Result result;
  REQUIRE(bp_module_load(context.native, &options, &result) == BP_OK);
}

void unload_matrix(const Context& context) {
  Result result;
  const bp_status status = bp_module_unload(context.native, BP_STR("matrix"), 0, &result);
  CHECK((status == BP_OK || status == BP_PINNED));
}

}  // namespace

TEST_CASE("signals that interrupt the host's threads disturb no wait") {
  MatrixFixture fixture;
  const Context context;
  const Loaded sleeper(context, "sleeper");
  const Loaded blocking(context, "blocking");
  const Loaded emitter(context, "emitter");
  load_matrix(context, fixture);
  std::atomic<int> heard{0};
  bp_listener listener{};
  const bp_event_fn count = [](void* user, const bp_event*) { ++*static_cast<std::atomic<int>*>(user); };
  REQUIRE(bp_listen(context.native, BP_STR("emitter.*"), count, &heard, &listener) == BP_OK);
  int emitted = 0;
  {
    const Bombardment bombardment;
    const long first = handled;
    while (handled < first + 2'000 || emitted < 60) {
      fixture.begin(await_descriptor);
      Round waiting;
      REQUIRE(waiting.submit(context.native, "matrix.run") == BP_OK);
      REQUIRE(fixture.wait_arrived(1));
      CHECK(slept(context, 3));  // in epoll, while the other waits for its descriptor
      CHECK(waiting.ended() == 0);
      fixture.open();
      REQUIRE(waiting.wait());
      CHECK(waiting.wrong("ok") == Seen{});
      CHECK(slept(context, 3));  // on a futex
      CHECK(context.call("blocking.await", "2") == "ok:2");
      CHECK(context.call("emitter.raw", "3 1") == "ok:3 0");
      emitted += 3;
      { const Loaded other(context, "partials"); }
      const Context another;
      CHECK(another.call("sleeper.remaining") == "ok:none");
    }
  }
  unload_matrix(context);
  CHECK(eventually([&] { return heard == emitted; }));
  CHECK(bp_unlisten(context.native, listener) == BP_OK);
}
