// SPDX-License-Identifier: Apache-2.0
//
// The ways into a request thread: the queue, and the waking of a sleeper.
#include <poll.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "ingress/task_queue.hpp"
#include "ingress/waker.hpp"
#include "own_core.hpp"
#include "sync/adaptive_spin.hpp"

using namespace backplane::host;

namespace {

struct Item {
  Item* next = nullptr;
  int producer = 0;
  int number = 0;
};

// Notes whether each producer's items come in its order, and counts them.
struct Order {
  std::vector<int> last = std::vector<int>(16, -1);
  int seen = 0;
  bool kept = true;

  void see(const Item& item) {
    int& before = last[static_cast<std::size_t>(item.producer)];
    kept = kept && item.number == before + 1;
    before = item.number;
    ++seen;
  }
};

std::vector<std::vector<Item>> items_for(int producers, int each) {
  std::vector<std::vector<Item>> all(static_cast<std::size_t>(producers),
                                     std::vector<Item>(static_cast<std::size_t>(each)));
  for (int p = 0; p < producers; ++p) {
    for (int i = 0; i < each; ++i) {
      Item& item = all[static_cast<std::size_t>(p)][static_cast<std::size_t>(i)];
      item.producer = p;
      item.number = i;
    }
  }
  return all;
}

bool readable(int fd) {
  pollfd poll{fd, POLLIN, 0};
  return ::poll(&poll, 1, 0) == 1;
}

}  // namespace

TEST_CASE("a queue gives back everything, oldest first") {
  MpscQueue<Item> queue;
  Item items[3];
  CHECK(queue.empty());
  CHECK(queue.take_all() == nullptr);
  for (Item& item : items) queue.push(&item);
  CHECK_FALSE(queue.empty());
  Item* first = queue.take_all();
  CHECK(first == &items[0]);
  CHECK(first->next == &items[1]);
  CHECK(first->next->next == &items[2]);
  CHECK(first->next->next->next == nullptr);
  CHECK(queue.empty());
}

TEST_CASE("a list for one thread can be emptied and filled again") {
  Fifo<Item> list;
  Item items[3];
  for (int round = 0; round < 3; ++round) {
    CHECK(list.pop() == nullptr);
    for (Item& item : items) list.push(&item);
    for (Item& item : items) CHECK(list.pop() == &item);
    CHECK(list.empty());
  }
}

TEST_CASE("each producer's items leave the queue in its order while others push") {
  MpscQueue<Item> queue;
  auto items = items_for(4, 20'000);
  std::vector<std::thread> producers;
  for (auto& own : items) {
    producers.emplace_back([&] {
      for (Item& item : own) queue.push(&item);
    });
  }
  Order order;
  while (order.seen < 80'000) {
    for (Item* item = queue.take_all(); item != nullptr;) {
      Item* const next = item->next;
      order.see(*item);
      item = next;
    }
  }
  for (auto& producer : producers) producer.join();
  CHECK(order.kept);
  CHECK(queue.empty());
}

TEST_CASE("a waker rings for a poll only, and once") {
  Waker waker;
  waker.wake();
  CHECK_FALSE(readable(waker.fd()));
  waker.about_to_sleep();
  waker.wake();
  CHECK_FALSE(readable(waker.fd()));
  waker.about_to_poll();
  waker.wake();
  CHECK(readable(waker.fd()));
  waker.drain();
  CHECK_FALSE(readable(waker.fd()));
  waker.wake();  // the first ring has taken the announcement away
  CHECK_FALSE(readable(waker.fd()));
  waker.about_to_poll();
  waker.awake();
  waker.wake();
  CHECK_FALSE(readable(waker.fd()));
}

TEST_CASE("a sleep ends at once if the ring came before it, and else at its time") {
  Waker waker;
  waker.about_to_sleep();
  waker.wake();
  waker.sleep(0);  // would never end
  const Nanos begin = now();
  waker.about_to_sleep();
  while (now() < begin + 2 * nanos_per_ms) waker.sleep(begin + 2 * nanos_per_ms);  // it may end for no reason
  waker.awake();
  CHECK(now() >= begin + 2 * nanos_per_ms);
}

TEST_CASE("a consumer never sleeps on while an item waits") {
  const bool polls = GENERATE(false, true);
  MpscQueue<Item> queue;
  Waker waker;
  constexpr int producers = 3;
  constexpr int each = 15'000;
  auto items = items_for(producers, each);
  std::vector<std::thread> threads;
  for (auto& own : items) {
    threads.emplace_back([&] {
      int pause = 0;
      for (Item& item : own) {
        queue.push(&item);
        waker.wake();
        if (++pause % 8 == 0) std::this_thread::yield();  // lets the consumer run dry again and again
      }
    });
  }
  int seen = 0;
  int sleeps = 0;
  bool lost = false;
  while (seen < producers * each && !lost) {
    for (Item* item = queue.take_all(); item != nullptr; item = item->next) ++seen;
    if (seen == producers * each) break;
    // A lost wake-up shows as a sleep without end.
    if (polls) {
      pollfd poll{waker.fd(), POLLIN, 0};
      waker.about_to_poll();
      if (queue.empty()) {
        ++sleeps;
        lost = ::poll(&poll, 1, 10'000) == 0;
      }
      waker.drain();
    } else {
      waker.about_to_sleep();
      if (queue.empty()) {
        ++sleeps;
        const Nanos limit = now() + 10'000 * nanos_per_ms;
        waker.sleep(limit);
        lost = now() >= limit;
      }
    }
    waker.awake();
  }
  for (auto& thread : threads) thread.join();
  CHECK_FALSE(lost);
  CHECK(seen == producers * each);
  CHECK(sleeps > 0);
}

// The two sides meet again and again at the very moment at which one falls asleep and the other looks whether it does.
TEST_CASE("an item that comes while its consumer falls asleep wakes it") {
  Waker waker;
  constexpr std::uint32_t rounds = 50'000;
  std::atomic<std::uint32_t> begun{0};
  std::atomic<std::uint32_t> item{0};
  std::atomic<bool> ends{false};
  const auto pause = [](std::uint32_t times) {
    for (; times > 0; --times) std::atomic_signal_fence(std::memory_order_seq_cst);  // a moment
  };
  const auto wait_for = [&](const std::atomic<std::uint32_t>& value, std::uint32_t wanted) {
    for (int i = 0; value.load(std::memory_order_acquire) < wanted && !ends; ++i) {
      if (i % 64 == 63) give_way();
      relax_core();
    }
  };
  std::thread producer([&] {
    const OwnCore core(0);
    for (std::uint32_t round = 1; round <= rounds && !ends; ++round) {
      wait_for(begun, round);
      pause(round % 64);
      item.store(round, std::memory_order_relaxed);
      waker.wake();
    }
  });
  const OwnCore core(1);
  bool lost = false;
  const Nanos end = now() + 2'000 * nanos_per_ms;  // of a test on a busy machine
  for (std::uint32_t round = 1; round <= rounds && !lost && now() < end; ++round) {
    const Nanos limit = now() + 10'000 * nanos_per_ms;
    begun.store(round, std::memory_order_release);
    pause(round / 64 % 64 * 32);
    waker.about_to_sleep();
    while (item.load(std::memory_order_relaxed) < round && !lost) {
      waker.sleep(limit);
      lost = now() >= limit;
    }
    waker.awake();
    wait_for(item, round);
  }
  ends = true;
  producer.join();
  CHECK_FALSE(lost);
}

TEST_CASE("a task in the task_queue runs once and frees what it holds") {
  TaskQueue task_queue;
  auto held = std::make_shared<int>(0);
  auto run = [held] { ++*held; };
  task_queue.push(new CallableTask<decltype(run)>(std::move(run)));
  CHECK(held.use_count() == 2);
  Task* const task = task_queue.take_all();
  REQUIRE(task != nullptr);
  task->apply(*task);
  CHECK(*held == 1);
  CHECK(held.use_count() == 1);
}
