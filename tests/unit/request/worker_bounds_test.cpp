// SPDX-License-Identifier: Apache-2.0
//
// What becomes of jobs if the threads that there may be all wait: each line gets on, or what cannot is refused.
#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "fiber/stack_chunk.hpp"
#include "request/workers.hpp"
#include "support/thread_stack.hpp"

namespace backplane::host {
namespace {

constexpr std::chrono::seconds patience{20};

/// Modules whose handlers wait for handlers of others.
class Chains {
 public:
  Chains(std::size_t limit, std::size_t most) : workers_(limit, most) {}

  /// A job of the first of these modules. It waits for one of the second, and so on.
  void begin(const std::vector<int>& modules) {
    {
      const std::lock_guard lock(mutex_);
      ++open_;
    }
    run(modules, 0, [this](bool good) {
      const std::lock_guard lock(mutex_);
      --open_;
      (good ? good_ : bad_)++;
      changed_.notify_all();
    });
  }
  /// Whether all have ended.
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [this] { return open_ == 0; });
  }
  /// Of those that have ended: all jobs were run, or one was refused.
  int good() {
    const std::lock_guard lock(mutex_);
    return good_;
  }
  int bad() {
    const std::lock_guard lock(mutex_);
    return bad_;
  }
  Workers& workers() { return workers_; }

 private:
  using Then = std::function<void(bool good)>;
  struct Line {
    Module module;
    Method method;
  };

  // A job that a handler waits for. Guarded by mutex_.
  struct Next {
    bool begun = false;
    bool done = false;
    bool good = false;
    bool given_up = false;
  };

  void run(const std::vector<int>& modules, std::size_t at, Then then, std::shared_ptr<Next> self = nullptr) {
    Line& line = lines_[static_cast<std::size_t>(modules[at])];
    const auto handler = [this, modules, at, then, self] {
      if (self != nullptr) {
        const std::lock_guard lock(mutex_);
        self->begun = true;
        if (self->given_up) return;
      }
      if (at + 1 == modules.size()) return then(true);
      std::uint64_t seen = 0;
      const bool last = workers_.begin_wait();
      const auto next = std::make_shared<Next>();
      run(
          modules, at + 1,
          [this, next](bool answer) {
            const std::lock_guard lock(mutex_);
            if (next->given_up) return;
            next->good = answer;
            next->done = true;
            workers_.wait_is_over();
            changed_.notify_all();
          },
          next);
      {
        std::unique_lock lock(mutex_);
        const auto until = std::chrono::steady_clock::now() + 2 * patience;
        while (!changed_.wait_for(lock, std::chrono::milliseconds(last ? 2 : 1000), [&] { return next->done; })) {
          if (std::chrono::steady_clock::now() > until) break;
          if (last && !next->begun && workers_.stands_still(seen)) {
            next->given_up = next->done = true;  // and its job does nothing when its turn comes
            workers_.wait_is_over();
            (void)workers_.note_refused();
          }
        }
      }
      workers_.end_wait();
      then(next->good);
    };
    workers_.run({handler, &line.module, &line.method, 1, ticks(), false, self.get()});
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int open_ = 0;
  int good_ = 0;
  int bad_ = 0;
  std::deque<Line> lines_{16};
  Workers workers_;
};

}  // namespace

TEST_CASE("handlers that wait for those of another module leave it a thread") {
  Chains chains(2, 8);
  for (int i = 0; i < 40; ++i) chains.begin({0, 1});
  REQUIRE(chains.wait());
  CHECK(chains.good() == 40);
  CHECK(chains.workers().load().threads <= 8);
}

TEST_CASE("each module of a chain gets on, however many calls begin the chain") {
  Chains chains(2, 24);
  for (int i = 0; i < 60; ++i) chains.begin({0, 1, 2, 3});
  REQUIRE(chains.wait());
  CHECK(chains.good() == 60);
  CHECK(chains.workers().load().threads <= 24);
}

TEST_CASE("a module that calls itself, directly or around others, is refused where it would wait for ever") {
  for (const std::vector<int>& modules : {std::vector<int>{0, 0}, {0, 1, 0}, {0, 1, 0, 1, 0, 1}}) {
    Chains chains(2, 8);
    for (int i = 0; i < 40; ++i) chains.begin(modules);
    REQUIRE(chains.wait());
    CHECK(chains.good() + chains.bad() == 40);
    CHECK(chains.bad() > 0);
    // And then it works as ever.
    const int good = chains.good();
    chains.begin(modules);
    REQUIRE(chains.wait());
    CHECK(chains.good() == good + 1);
  }
}

TEST_CASE("more modules than the reserve has threads are refused, or get on, and none hangs") {
  Chains chains(2, 4);
  for (int i = 0; i < 40; ++i) chains.begin({0, 1, 2, 3, 4, 5, 6, 7});
  REQUIRE(chains.wait());
  CHECK(chains.bad() == 40);  // eight threads are needed
  for (int i = 0; i < 40; ++i) chains.begin({0, 1, 2, 3});
  REQUIRE(chains.wait());
  CHECK(chains.good() > 0);
  chains.begin({0, 1, 2, 3});
  REQUIRE(chains.wait());
}

TEST_CASE("threads that are asked to leave stay as long as jobs find no other") {
  Chains chains(2, 3);
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 8; ++i) chains.begin({0, 1});
    chains.workers().end_idle();
  }
  REQUIRE(chains.wait());
  chains.workers().end_idle();
  chains.begin({0, 1});
  REQUIRE(chains.wait());
}

TEST_CASE("the stack of a worker thread has a guard as large as that of a fiber") {
  std::size_t guard = 0;
  std::size_t size = 0;
  {
    Workers workers(1);
    Module module;
    workers.run({[&] {
                   ThreadStack::look_up();
                   guard = ThreadStack::of_thread.guard;
                   size = static_cast<std::size_t>(ThreadStack::of_thread.high - ThreadStack::of_thread.low);
                 },
                 &module, nullptr, 1, ticks()});
    while (workers.load().running + workers.load().queued != 0) continue;
  }
  CHECK(guard >= StackChunk::guard_of(std::size_t{64} << 10));
  CHECK(guard >= StackChunk::guard_of(size) / 2);
}

}  // namespace backplane::host
