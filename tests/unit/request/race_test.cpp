// SPDX-License-Identifier: Apache-2.0
//
// Races that comments argue about, outside the request loop: host functions, the registry, the end of a
// generation, the control thread, the watchdog's sleep, the age of records.
#include <atomic>
#include <catch2/catch.hpp>
#include <deque>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "context/control.hpp"
#include "modules/copy_store.hpp"
#include "modules/registry.hpp"
#include "request/functions.hpp"
#include "slab/slab.hpp"
#include "support/result.hpp"
#include "temp_dir.hpp"
#include "watchdog/watchdog.hpp"

using namespace backplane::host;

namespace {

struct Aged : Record {
  Aged* next = nullptr;
};
constexpr unsigned aged_kind = 3;

}  // namespace

namespace backplane::host {

// A record lets slabs in, and so this one, which makes it old.
template <>
class Slab<std::string, 0> {
 public:
  static void set_generation(Record& record, std::uint64_t generation) {
    record.token_.store(token::make(generation, token::index(record.token()), token::kind(record.token())));
  }
};

}  // namespace backplane::host

TEST_CASE("a record whose generations have run out is not used again, and the others are") {
  static auto& slab = *new Slab<Aged, aged_kind>;
  Aged* const worn = slab.allocate();
  REQUIRE(worn != nullptr);
  Slab<std::string, 0>::set_generation(*worn, token::max_generation);
  const std::uint64_t last = worn->token();
  CHECK((last & token::locked) == 0);
  worn->arm();
  CHECK(slab.find(last) == worn);
  CHECK(worn->claim(last));
  slab.free(worn);
  bool fresh = false;
  for (int i = 0; i < 1'000; ++i) {  // more than a chunk of records
    Aged* const item = slab.allocate();
    REQUIRE(item != worn);
    fresh = fresh || item->token() >> (token::index_bits + token::kind_bits) > 1;
    slab.free(item);
  }
  CHECK(fresh);  // records do come round
}

TEST_CASE("a host function's data may be freed as soon as it has been replaced, under a stream of calls") {
  Functions functions;
  std::atomic<bool> stop{false};
  std::atomic<int> called{0};
  std::atomic<int> wrong{0};
  struct Data {
    std::atomic<bool> alive{true};
    std::atomic<int>& called;
    std::atomic<int>& wrong;
    static void call(void* user, bp_context, bp_token, bp_str, bp_bytes) {
      auto& self = *static_cast<Data*>(user);
      if (!self.alive) ++self.wrong;
      ++self.called;
      if (!self.alive) ++self.wrong;
    }
  };
  std::thread request_thread([&] {
    while (!stop) {
      const Functions::Function function = functions.begin("app.f");
      if (function.call == nullptr) continue;
      function.call(function.user, {0}, 1, BP_STR("app.f"), {nullptr, 0});
      functions.end();
    }
  });
  auto old = std::make_unique<Data>(true, called, wrong);
  functions.set("app.f", Data::call, old.get(), false);
  for (int i = 0; i < 20'000 || called < 1'000; ++i) {
    auto next = std::make_unique<Data>(true, called, wrong);
    functions.set("app.f", Data::call, next.get(), false);
    old->alive = false;
    old = std::move(next);
  }
  functions.set("app.f", nullptr, nullptr, false);
  old->alive = false;
  old.reset();
  stop = true;
  request_thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("whoever finds a published name, by its text or by its handle, finds it whole") {
  Registry registry;
  constexpr int total = 2'500;  // more than a chunk of methods
  std::atomic<int> published{0};
  std::atomic<std::uint64_t> newest{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      while (published < total) {
        const int seen = published;
        if (seen == 0) continue;
        const std::string name = "m.name" + std::to_string(seen - 1);
        const Method* method = nullptr;
        if (registry.find_method(name, method) != BP_OK) ++wrong;
        const std::uint64_t id = newest;
        if (id == 0) continue;
        const Method* const by_id = registry.method_at(id);
        if (method == nullptr || method->name != name || !method->answered) ++wrong;
        if (by_id == nullptr || by_id->module->name != "m" || Registry::id_of(*by_id) != id) ++wrong;
        const Handler* const handler = method == nullptr ? nullptr : Registry::running(*method)->handler(*method);
        if (handler == nullptr || handler->name != name) ++wrong;
        const Function* const function = registry.find_function("f.always");
        if (function == nullptr || function->name != "f.always") ++wrong;
        registry.method_at(id + 1);  // maybe there by now, maybe not
      }
    });
  }
  // Each generation has all names of the one before, and one more.
  Module& module = registry.module("m");
  std::deque<Generation> generations;
  for (int i = 0; i < total; ++i) {
    Generation& next = generations.emplace_back();
    next.module = &module;
    auto handler = std::make_unique<Handler>();
    handler->name = "m.name" + std::to_string(i);
    handler->generation = &next;
    next.registered.push_back(std::move(handler));
    auto function = std::make_unique<Function>();
    function->name = "f.always";
    function->generation = &next;
    next.functions.push_back(std::move(function));
    if (i > 0) next.handlers = generations[static_cast<std::size_t>(i) - 1].handlers;
    registry.bind(next);
    registry.publish(module, &next);
    bp_method id{};
    if (i % 2 == 0 && registry.resolve(next.registered.front()->name, id) == BP_OK) newest = id.id;
    published = i + 1;
  }
  for (auto& reader : readers) reader.join();
  CHECK(wrong == 0);
}

TEST_CASE("of contexts that are done with a generation at once the last one, and it alone, says so") {
  constexpr int rounds = 4'000;
  constexpr unsigned contexts = 2;  // and the teller
  std::atomic<int> said{0};
  std::deque<Retirement> all;
  for (int round = 0; round < rounds; ++round) {
    all.emplace_back([&] { ++said; });
    for (unsigned i = 0; i < contexts + 1; ++i) all.back().add_context();
  }
  // Each waits until the others have come to the same round, so that all three go at once.
  std::atomic<unsigned> arrived{0};
  std::atomic<int> wrong{0};
  const auto be_done = [&] {
    for (int round = 0; round < rounds; ++round) {
      const unsigned all_here = static_cast<unsigned>(round + 1) * (contexts + 1);
      ++arrived;
      while (arrived < all_here) std::this_thread::yield();
      if (said > round + 1) ++wrong;
      all[static_cast<std::size_t>(round)].context_done();
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < contexts; ++i) threads.emplace_back(be_done);
  be_done();
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(said == rounds);
}

TEST_CASE("what a job of the control thread gives or throws is its caller's alone, as soon as it has it") {
  Control control;
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 3; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        const std::string text = "a text too long to be held in place, of caller " + std::to_string(t);
        try {
          std::string got = control.run_now([&]() -> std::string {
            if (i % 2 != 0) throw std::runtime_error(text);
            return text;
          });
          if (i % 2 != 0 || got != text) ++wrong;
          got.assign(got.size(), '-');
        } catch (const std::runtime_error& error) {
          if (i % 2 == 0 || error.what() != text) ++wrong;
        }
      }
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST_CASE("jobs of the control thread run one at a time in the order in which they were posted") {
  std::vector<int> ran;
  std::atomic<int> inside{0};
  std::atomic<int> crowded{0};
  {
    Control control;
    for (int i = 0; i < 300; ++i) {
      const auto post = control.prepare([&, i] {
        if (++inside != 1) ++crowded;
        ran.push_back(i);
        --inside;
      });
      post();
    }
  }  // what has been posted still runs
  REQUIRE(ran.size() == 300);
  CHECK(std::is_sorted(ran.begin(), ran.end()));
  CHECK(crowded == 0);
}

TEST_CASE("however a thread becomes busy while the watchdog falls asleep, its stall is found") {
  constexpr Nanos us = nanos_per_ms / 1'000;
  Watchdog watchdog({200 * us, 300 * us, 0});
  Heartbeat heartbeat;
  std::atomic<int> told{0};
  const auto id = watchdog.watch(heartbeat, "request", [&told](const Liveness&) { ++told; });
  bool found = true;
  for (int episode = 1; episode <= 200 && found; ++episode) {
    // Idle for a time that is different each time, so that the end of it meets each step of the way to sleep.
    const Nanos until = now() + static_cast<Nanos>(episode % 100) * 2 * us;
    while (now() < until) std::this_thread::yield();
    const int before = told;
    heartbeat.beat();
    heartbeat.busy();
    watchdog.active();
    const Nanos limit = after_ms(10'000);
    while (told == before && now() < limit) std::this_thread::yield();
    found = told == before + 1;
    heartbeat.idle();
    while (told == before + 1 && now() < limit) std::this_thread::yield();
    found = found && told == before + 2;
  }
  CHECK(found);
  watchdog.unwatch(id);
}

TEST_CASE("a thread that is unwatched while another's stall is told is not told of any more") {
  Watchdog watchdog({nanos_per_ms, nanos_per_ms, 0});
  Heartbeat first;
  Heartbeat second;
  std::promise<void> telling;
  std::promise<void> go_on;
  std::atomic<int> told_of_second{0};
  std::atomic<bool> told_of_first{false};
  const auto first_id = watchdog.watch(first, "request", [&](const Liveness&) {
    if (told_of_first.exchange(true)) return;  // it is back
    telling.set_value();
    go_on.get_future().wait();
  });
  const auto second_id = watchdog.watch(second, "event", [&](const Liveness&) { ++told_of_second; });
  first.busy();
  second.busy();
  watchdog.active();
  telling.get_future().wait();
  CHECK(watchdog.unwatch(second_id, std::chrono::seconds(20)));  // found by the same look, and to be told next
  go_on.set_value();
  CHECK(watchdog.unwatch(first_id));
  CHECK(told_of_second == 0);
}

TEST_CASE("hosts that start at once and sweep up after dead ones leave each other's copies alone") {
  const TempDir temporary;
  ::setenv("TMPDIR", temporary.path().c_str(), 1);
  const std::vector<std::uint8_t> bytes(100, 7);
  std::atomic<int> lost{0};
  std::vector<std::thread> hosts;
  for (int t = 0; t < 8; ++t) {
    hosts.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        CopyStore store([](const std::filesystem::path&) {});
        try {
          for (std::uint64_t number = 1; number <= 2; ++number) {
            if (!std::filesystem::exists(store.add("m", number, bytes))) ++lost;
          }
        } catch (const Failure&) {
          ++lost;
        }
      }
    });
  }
  for (auto& host : hosts) host.join();
  ::unsetenv("TMPDIR");
  CHECK(lost == 0);
}
