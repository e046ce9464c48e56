// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <random>
#include <string>

#include "sync/fair_queue.hpp"

using namespace backplane::host;

namespace {

struct Item {
  Item* next = nullptr;
  char line = 0;
  std::uint64_t cost = FairQueue<Item>::turn;
  int number = 0;
};

/// A queue, its lines by letter, and the items.
struct Queue {
  FairQueue<Item> queue;
  std::map<char, FairQueue<Item>::Line> lines;
  std::deque<Item> items;

  void push(char line, std::uint64_t turns = 1, bool first = false) {
    items.push_back({nullptr, line, turns * FairQueue<Item>::turn, static_cast<int>(items.size())});
    queue.push(lines[line], items.back(), first);
  }
  Item* pop(bool stay = false) {
    return queue.pop([](const Item& item) { return item.cost; }, stay);
  }
  std::string all() {
    std::string out;
    while (const Item* const item = pop()) out += item->line;
    return out;
  }
};

}  // namespace

TEST_CASE("an empty fair queue gives nothing") {
  Queue queue;
  CHECK(queue.queue.empty());
  CHECK(queue.pop() == nullptr);
}

TEST_CASE("lines take turns, and each keeps its order") {
  Queue queue;
  for (int i = 0; i < 5; ++i) queue.push('a');
  for (int i = 0; i < 2; ++i) queue.push('b');
  queue.push('c');
  CHECK(queue.queue.size() == 8);
  CHECK(queue.all() == "abcabaaa");
}

TEST_CASE("what is pushed first comes before the rest of its line, and not before other lines") {
  Queue queue;
  queue.push('a');
  queue.push('a');
  queue.push('b');
  queue.push('a', 1, true);
  CHECK(queue.pop()->number == 3);
  CHECK(queue.pop()->line == 'b');
  CHECK(queue.pop()->number == 0);
}

TEST_CASE("an item that costs more makes its line wait for as many turns") {
  Queue queue;
  for (int i = 0; i < 3; ++i) queue.push('L', 4);
  for (int i = 0; i < 12; ++i) queue.push('s');
  CHECK(queue.all() == "LssssLssssLssss");
}

TEST_CASE("a consumer may stay with a line, which then waits for as many turns") {
  Queue queue;
  for (int i = 0; i < 6; ++i) queue.push('a');
  for (int i = 0; i < 6; ++i) queue.push('b');
  std::string taken;
  for (int i = 0; i < 3; ++i) taken += queue.pop(i > 0)->line;
  CHECK(taken == "aaa");
  CHECK(queue.queue.changes() == 1);
  CHECK(queue.all() == "bbbababab");
}

TEST_CASE("a line that has no item more is left, and may be destroyed once it is forgotten") {
  Queue queue;
  queue.push('a');
  queue.push('b');
  CHECK(queue.pop()->line == 'a');
  CHECK(queue.pop(true)->line == 'b');
  queue.queue.forget_empty();
  queue.lines.clear();
  queue.push('b');
  CHECK(queue.pop(true)->line == 'b');
  CHECK(queue.pop(true) == nullptr);
}

TEST_CASE("a line that was empty saves up no turns") {
  Queue queue;
  for (int i = 0; i < 100; ++i) queue.push('a');
  for (int i = 0; i < 90; ++i) queue.pop();
  for (int i = 0; i < 10; ++i) queue.push('b');
  CHECK(queue.all() == "babababababababababa");
}

TEST_CASE("a line that went empty cannot come back before its turn") {
  Queue queue;
  queue.push('a');
  queue.push('b');
  queue.push('b');
  CHECK(queue.pop()->line == 'a');
  queue.push('a');
  CHECK(queue.all() == "bab");
}

TEST_CASE("of many lines each has its turn within one of each other line, whatever comes when") {
  std::mt19937 random(7);
  Queue queue;
  std::map<char, std::uint64_t> waiting;
  std::map<char, std::map<char, int>> before;  // for each waiting line: the turns of others since it was at its head
  std::size_t popped = 0;
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 2 == 0) {
      const char line = static_cast<char>('a' + random() % 26);
      if (waiting[line]++ == 0) before[line].clear();
      queue.push(line);
      continue;
    }
    const Item* const item = queue.pop();
    if (item == nullptr) continue;
    ++popped;
    --waiting[item->line];
    before[item->line].clear();
    for (auto& [line, turns] : before) {
      if (line == item->line || waiting[line] == 0) continue;
      REQUIRE(++turns[item->line] <= 2);
    }
  }
  CHECK(popped > 5'000);
  CHECK(queue.all().size() == queue.items.size() - popped);
}
