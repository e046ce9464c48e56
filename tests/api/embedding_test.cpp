// SPDX-License-Identifier: Apache-2.0
//
// The end of a context, and its socket (embedding.h).
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>
#include <vector>

#include "streams_payload.hpp"
#include "waited_fixture.hpp"

using namespace host_test;

namespace {

/// What bp_context_then has told, in order.
class Told {
 public:
  struct Each {
    Told* all;
    std::string word;
    std::function<void()> act;
  };
  bp_status then(bp_context ctx, std::uint32_t state, const std::string& word, std::function<void()> act = {}) {
    each_.push_back(std::make_unique<Each>(Each{this, word, std::move(act)}));
    return bp_context_then(ctx, state, on_reached, each_.back().get());
  }
  Seen seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  static void on_reached(void* user) {
    auto& each = *static_cast<Each*>(user);
    if (each.act) each.act();
    const std::lock_guard lock(each.all->mutex_);
    each.all->seen_.push_back(each.word);
  }
  std::mutex mutex_;
  Seen seen_;
  std::vector<std::unique_ptr<Each>> each_;
};

bp_serve_options serve_options() {
  bp_serve_options options{};
  options.struct_size = sizeof options;
  return options;
}

bool exists(const std::string& path) { return std::filesystem::exists(path); }

}  // namespace

TEST_CASE("who asks is told once that a context stops, and once that it is gone") {
  Told told;
  Context context;
  CHECK(told.then(context.native, BP_CONTEXT_GONE, "gone 1") == BP_OK);
  CHECK(told.then(context.native, BP_CONTEXT_STOPPING, "stopping", [&] {
    CHECK(context.call("no.such") == "unknown_name");  // it works still
    CHECK(bp_context_stop(context.native, 0) == BP_REENTRANT);
    CHECK(bp_context_destroy(context.native) == BP_REENTRANT);
  }) == BP_OK);
  CHECK(told.then(context.native, BP_CONTEXT_GONE, "gone 2") == BP_OK);
  const bp_context handle = context.native;
  CHECK(bp_context_stop(handle, 0) == BP_OK);
  CHECK(told.seen() == Seen{"stopping"});
  CHECK(bp_context_stop(handle, 0) == BP_OK);
  CHECK(told.then(handle, BP_CONTEXT_STOPPING, "missed") == BP_OK);
  CHECK(told.seen() == Seen{"stopping", "missed"});
  CHECK(context.destroy() == BP_OK);
  CHECK(told.seen() == Seen{"stopping", "missed", "gone 1", "gone 2"});
  CHECK(told.then(handle, BP_CONTEXT_GONE, "late") == BP_OK);
  CHECK(told.seen().back() == "late");
  const Context next;  // may have its threads and its slot
  CHECK(told.then(handle, BP_CONTEXT_STOPPING, "later") == BP_OK);
  CHECK(told.seen().size() == 6);
}

TEST_CASE("nobody is told of a context that never was") {
  Told told;
  const Context context;
  CHECK(told.then({0}, BP_CONTEXT_GONE, "?") == BP_INVALID_HANDLE);
  CHECK(told.then({context.native.id + (std::uint64_t{1} << 40)}, BP_CONTEXT_GONE, "?") == BP_INVALID_HANDLE);
  CHECK(told.then({context.native.id ^ 0xff00}, BP_CONTEXT_GONE, "?") == BP_INVALID_HANDLE);
  CHECK(told.then(context.native, 3, "?") == BP_INVALID_ARGUMENT);
  CHECK(bp_context_then(context.native, BP_CONTEXT_GONE, nullptr, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(told.seen().empty());
}

TEST_CASE("a context that timed out in destroy tells when its handler has returned") {
  Told told;
  bp_context_options options = no_options();
  options.stop_timeout_ms = 30;
  Context context(options);
  const Context other;
  const Loaded module(other, "blocking");
  const bp_context handle = context.native;
  CHECK(told.then(handle, BP_CONTEXT_GONE, "gone") == BP_OK);
  Replies replies;
  REQUIRE(context.submit("blocking.one_by_one", replies, "600") == BP_OK);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  CHECK(context.destroy() == BP_TIMEOUT);
  CHECK(told.then(handle, BP_CONTEXT_GONE, "asked late") == BP_OK);
  CHECK(told.then(handle, BP_CONTEXT_STOPPING, "stops") == BP_OK);
  CHECK(told.seen() == Seen{"stops"});
  CHECK(eventually([&] { return told.seen().size() == 3; }));
  CHECK(told.seen() == Seen{"stops", "gone", "asked late"});
  CHECK(replies.terminal() == 1);
}

TEST_CASE("several threads stop a context, and the stop waits for who was told") {
  Told told;
  Context context;
  std::atomic<bool> inside{false};
  std::atomic<bool> returned{false};
  told.then(context.native, BP_CONTEXT_STOPPING, "stopping", [&] {
    inside = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    returned = true;
  });
  bp_status stopped = BP_ERROR;
  std::thread first([&] { stopped = bp_context_stop(context.native, 0); });
  CHECK(eventually([&] { return inside.load(); }));
  CHECK(context.destroy() == BP_OK);
  CHECK(returned);
  first.join();
  CHECK(stopped == BP_OK);
  CHECK(told.seen() == Seen{"stopping"});
}

TEST_CASE("the stop also waits for who is told at once, and cannot be asked for there") {
  Told told, late;
  Context context;
  const bp_context handle = context.native;
  std::atomic<bool> stops{false}, inside{false}, returned{false};
  std::atomic<bp_status> nested{-1};
  told.then(handle, BP_CONTEXT_STOPPING, "stopping", [&] {
    stops = true;
    eventually([&] { return inside.load(); });
  });
  std::thread other([&] {
    eventually([&] { return stops.load(); });
    late.then(handle, BP_CONTEXT_STOPPING, "late", [&] {
      inside = true;
      nested = bp_context_stop(handle, 0);
      std::this_thread::sleep_for(std::chrono::milliseconds(60));
      returned = true;
    });
  });
  CHECK(context.destroy() == BP_OK);
  CHECK(returned);
  other.join();
  CHECK(nested == BP_REENTRANT);
  CHECK(late.seen() == Seen{"late"});
}

TEST_CASE("a served context answers calls, reports and module operations of other programs") {
  Home home;
  const Connected far(home.path());
  REQUIRE(far.native.id != 0);
  const std::string file = module_path("partials");
  const bp_load_options load = load_options(file);
  Result loaded, unloaded, status;
  CHECK(bp_module_load(far.native, &load, &loaded) == BP_OK);
  CHECK(far.call("partials.count", "2") == BP_OK);
  CHECK(home.context.call("partials.count", "2") == "ok:end");
  CHECK(bp_host_status(far.native, &status) == BP_OK);
  CHECK(bp_module_unload(far.native, BP_STR("partials"), 0, &unloaded) == BP_OK);
  CHECK(bp_serving_end(home.serving, 0) == BP_OK);
  CHECK_FALSE(exists(home.path()));
  CHECK(far.call("no.such") == BP_UNREACHABLE);
  CHECK(home.context.call("no.such") == "unknown_name");
  CHECK(bp_serving_end(home.serving, 0) == BP_INVALID_HANDLE);
  REQUIRE(home.serve(home.path(), nullptr) == BP_OK);  // again
  CHECK(Connected(home.path()).call("no.such") == BP_UNKNOWN_NAME);
}

TEST_CASE("many calls of many peers go through the server's own thread, with large and small answers") {
  Home home;
  const Loaded module(home.context, "streams");
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const Connected far(home.path());
      for (int n = 0; n < 60; ++n) {
        const Pending large(far.native, "streams.send", order(20, 20'000));
        const Pending small(far.native, "streams.nap", order(0, 0, 0));
        good += small.wait() == BP_OK;
        good += large.wait() == BP_OK;
      }
    });
  }
  for (std::thread& each : threads) each.join();
  CHECK(good == 4 * 60 * 2);
}

TEST_CASE("a path belongs to one serving, and a context may have several paths") {
  Home home;
  const std::string words_before = home.words;
  Context other;
  bp_serving second{9};
  Result why;
  CHECK(bp_context_serve(other.native, home.path().c_str(), nullptr, &second, &why) == BP_IO);
  CHECK(second.id == 0);
  CHECK(why.says(home.path()));
  const std::string beside = home.dir / "t";
  REQUIRE(bp_context_serve(home.context.native, beside.c_str(), nullptr, &second, nullptr) == BP_OK);
  CHECK(Connected(beside).call("no.such") == BP_UNKNOWN_NAME);
  CHECK(Connected(home.path()).call("no.such") == BP_UNKNOWN_NAME);
  bp_serving third{};
  const std::string of_other = home.dir / "u";
  REQUIRE(bp_context_serve(other.native, of_other.c_str(), nullptr, &third, nullptr) == BP_OK);
  CHECK(home.context.destroy() == BP_OK);  // ends both of its own
  CHECK_FALSE(exists(home.path()));
  CHECK_FALSE(exists(beside));
  CHECK(Connected(of_other).call("no.such") == BP_UNKNOWN_NAME);
  CHECK(bp_serving_end(second, 0) == BP_INVALID_HANDLE);
  CHECK(bp_serving_end(third, 0) == BP_OK);
}

TEST_CASE("a stop of the context does not wait for the drain of its serving") {
  const Context keeps;  // the module
  const Loaded module(keeps, "streams");
  Home home;
  const Connected far(home.path());
  const Pending call(far.native, "streams.nap", order(0, 0, 60'000));
  REQUIRE(call.started == BP_OK);
  CHECK(far.call("no.such") == BP_UNKNOWN_NAME);  // so the other call has arrived
  bp_status drained = BP_ERROR;
  std::thread ends([&] { drained = bp_serving_end(home.serving, 10'000); });
  CHECK(eventually([&] { return far.call("no.such") == BP_CLOSED; }));
  const auto before = std::chrono::steady_clock::now();
  CHECK(home.context.destroy() == BP_OK);
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(5));
  ends.join();
  CHECK(drained == BP_OK);
  const bp_status ended = call.wait();
  CHECK((ended == BP_CANCELED || ended == BP_UNREACHABLE));
  CHECK_FALSE(exists(home.path()));
}

TEST_CASE("an application decides whether others may end it") {
  std::atomic<int> asked{0};
  std::atomic<bp_status> inside{-1}, stopped{-1}, destroyed{-1};
  struct Of {
    std::atomic<int>& asked;
    std::atomic<bp_status>&inside, &stopped, &destroyed;
    bp_context ctx;
  } of{asked, inside, stopped, destroyed, {}};
  bp_serve_options options = serve_options();
  options.user = &of;
  SECTION("it does not") {
    Home home(&options);
    const Connected far(home.path());
    CHECK(bp_host_stop(far.native) == BP_NOT_SUPPORTED);
    CHECK(far.call("no.such") == BP_UNKNOWN_NAME);
  }
  SECTION("it does") {
    options.on_stop = [](void* user) {
      auto& it = *static_cast<Of*>(user);
      it.inside = bp_serving_end({1}, 0);
      it.stopped = bp_context_stop(it.ctx, 0);
      it.destroyed = bp_context_destroy(it.ctx);
      ++it.asked;
    };
    Home home(&options);
    of.ctx = home.context.native;
    const Connected far(home.path());
    CHECK(bp_host_stop(far.native) == BP_OK);
    CHECK(eventually([&] { return asked == 1; }));
    CHECK(inside == BP_REENTRANT);
    CHECK(stopped == BP_REENTRANT);
    CHECK(destroyed == BP_REENTRANT);
    CHECK(far.call("no.such") == BP_UNKNOWN_NAME);
  }
}

TEST_CASE("peers may do what the options say") {
  bp_serve_options options = serve_options();
  options.may = BP_SERVE_CALL;
  Home home(&options);
  const Loaded module(home.context, "partials");
  const Connected far(home.path());
  CHECK(far.call("partials.count", "1") == BP_OK);
  Result refused;
  CHECK(bp_module_unload(far.native, BP_STR("partials"), 0, &refused) == BP_NOT_PERMITTED);
  CHECK(bp_host_stop(far.native) == BP_NOT_PERMITTED);
}

TEST_CASE("the maximum of connections counts") {
  bp_serve_options options = serve_options();
  options.max_peers = 1;
  Home home(&options);
  const Connected first(home.path());
  CHECK(first.call("no.such") == BP_UNKNOWN_NAME);
  const Connected second(home.path());
  CHECK((second.status != BP_OK || second.call("no.such") != BP_UNKNOWN_NAME));
}

TEST_CASE("the context's poller stays the application's") {
  std::array<int, 2> pipe{};
  REQUIRE(::pipe2(pipe.data(), O_NONBLOCK | O_CLOEXEC) == 0);
  struct Of {
    int fd;
    std::atomic<int> bytes{0};
  } of{pipe[0], {}};
  Home home;
  bp_poller poller{};
  poller.struct_size = sizeof poller;
  poller.fd = pipe[0];
  poller.user = &of;
  poller.poll = [](void* user, std::uint32_t) {
    char byte = 0;
    const bool any = ::read(static_cast<Of*>(user)->fd, &byte, 1) == 1;
    static_cast<Of*>(user)->bytes += any;
    return std::int32_t{any};
  };
  REQUIRE(bp_poller_set(home.context.native, &poller) == BP_OK);
  CHECK(Connected(home.path()).call("no.such") == BP_UNKNOWN_NAME);
  REQUIRE(::write(pipe[1], "x", 1) == 1);
  CHECK(eventually([&] { return of.bytes == 1; }));
  CHECK(bp_serving_end(home.serving, 0) == BP_OK);
  REQUIRE(::write(pipe[1], "y", 1) == 1);
  CHECK(eventually([&] { return of.bytes == 2; }));
  CHECK(bp_poller_set(home.context.native, nullptr) == BP_OK);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_CASE("what cannot be served is refused with its reason") {
  Home home;
  const Connected far(home.path());
  const std::string path = home.dir / "x";
  bp_serving out{};
  Result connected, host, closed, bits, small, folder, empty;
  CHECK(bp_context_serve(far.native, path.c_str(), nullptr, &out, &connected) == BP_NOT_SUPPORTED);
  CHECK(connected.says("connected"));
  CHECK(bp_context_serve(bp_host_context(), path.c_str(), nullptr, &out, &host) == BP_NOT_SUPPORTED);
  const Context ending;
  CHECK(bp_context_close(ending.native) == BP_OK);
  CHECK(bp_context_serve(ending.native, path.c_str(), nullptr, &out, &closed) == BP_CLOSED);
  bp_serve_options options = serve_options();
  options.may = 8;
  CHECK(bp_context_serve(home.context.native, path.c_str(), &options, &out, &bits) == BP_INVALID_ARGUMENT);
  CHECK(bits.says("may"));
  options = serve_options();
  options.struct_size = 8;
  CHECK(bp_context_serve(home.context.native, path.c_str(), &options, &out, &small) == BP_INVALID_ARGUMENT);
  CHECK(bp_context_serve(home.context.native, "/proc/nowhere/s", nullptr, &out, &folder) == BP_IO);
  CHECK(folder.says("/proc/nowhere"));
  CHECK(bp_context_serve(home.context.native, "", nullptr, &out, &empty) == BP_INVALID_ARGUMENT);
  CHECK(bp_context_serve(home.context.native, path.c_str(), nullptr, nullptr, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_context_serve({77}, path.c_str(), nullptr, &out, nullptr) == BP_INVALID_HANDLE);
  CHECK(out.id == 0);
  CHECK_FALSE(exists(path));
}

TEST_CASE("a context is destroyed while it is served, and peers call") {
  for (int round = 0; round < 5; ++round) {
    auto home = std::make_unique<Home>();
    const Context keeps;  // the module, when the other is gone
    const Loaded module(keeps, "streams");
    const std::string path = home->path();
    std::atomic<bool> ends{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&, i] {
        const Connected far(path);
        while (!ends && far.native.id != 0) {
          const Pending call(far.native, "streams.nap", order(0, 0, i == 0 ? 60'000 : 0));
          if (call.started != BP_OK || call.wait() == BP_UNREACHABLE) return;
        }
      });
    }
    threads.emplace_back([&] {  // serves it on further paths
      for (int n = 0; n < 10 && !ends; ++n) {
        bp_serving serving{};
        const std::string beside = path + std::to_string(n);
        if (bp_context_serve(home->context.native, beside.c_str(), nullptr, &serving, nullptr) != BP_OK) return;
        if (n % 2 == 0) bp_serving_end(serving, 0);
      }
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(4 + 4 * round));
    const bp_context handle = home->context.native;
    CHECK(bp_context_destroy(handle) == BP_OK);
    home->context.native.id = 0;
    ends = true;
    for (std::thread& each : threads) each.join();
    for (const auto& left : std::filesystem::directory_iterator(home->dir.path())) {
      CHECK_FALSE(left.is_socket());
    }
  }
}
