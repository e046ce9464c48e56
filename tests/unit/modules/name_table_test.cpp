// SPDX-License-Identifier: Apache-2.0
//
// The table of names where it is hard on it: hashes that collide, memory that runs out, readers while it grows.
#include <atomic>
#include <catch2/catch.hpp>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "api/failing.hpp"
#include "modules/name_table.hpp"
#include "modules/registry.hpp"

using namespace backplane::host;
using failing::Which;

namespace {

struct Named {
  std::string name;
};

/// All names collide, and begin at the last place, so that looking on goes round to the first.
struct Worst {
  std::size_t operator()(std::string_view) const noexcept { return ~std::size_t{0}; }
};

/// Names of a length, or nearly, collide.
struct OfLength {
  std::size_t operator()(std::string_view name) const noexcept { return name.size() / 2; }
};

/// Names up to the longest there may be, which differ in their last byte, their length, or one byte on the way.
std::deque<Named> alike() {
  std::deque<Named> all;
  for (const std::size_t size : {1, 2, 7, 8, 9, 43, 44, 45, 46, 63, 64, 65, 127, 128}) {
    std::string name(size, 'n');
    all.push_back({name});
    for (std::size_t at = 0; at < size; at += size < 4 ? 1 : size / 4) {
      std::string other = name;
      other[at] = 'o';
      all.push_back({other});
    }
    name.back() = 'p';
    all.push_back({name});
  }
  return all;
}

template <class Hash>
void tells_apart() {
  NameTable<Named, Hash> table;
  std::deque<Named> all = alike();
  std::uint32_t number = 0;
  for (Named& each : all) {
    REQUIRE(table.find(each.name) == nullptr);
    table.add(&each, ++number);
  }
  number = 0;
  for (Named& each : all) {
    const auto found = table.look_up(each.name);
    CHECK(found.entry == &each);
    CHECK(found.number == ++number);
    CHECK(table.find(each.name + "x") == nullptr);
    std::string absent = each.name;
    absent.back() = 'x';
    CHECK(table.find(absent) == nullptr);
  }
}

/// Readers ask for what is published, and for what never is, while `all` is added.
template <class Hash>
int missed_while_growing(std::deque<Named>& all) {
  NameTable<Named, Hash> table;
  std::atomic<std::size_t> published{0};
  std::atomic<int> missed{0};
  std::vector<std::thread> readers;
  for (unsigned r = 0; r < 2; ++r) {
    readers.emplace_back([&, r] {
      unsigned at = r;
      for (std::size_t seen = 0; seen < all.size();) {
        seen = published.load(std::memory_order_acquire);
        if (seen == 0) continue;
        at = at * 1'664'525u + 1'013'904'223u;
        const std::size_t wanted = at % seen;
        const auto found = table.look_up(all[wanted].name);
        if (found.entry != &all[wanted] || found.number != wanted) ++missed;
        if (table.find("absent.name") != nullptr) ++missed;
      }
    });
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    table.add(&all[i], static_cast<std::uint32_t>(i));
    published.store(i + 1, std::memory_order_release);
  }
  for (auto& reader : readers) reader.join();
  return missed;
}

/// As if it had registered `count` names, and offered as many host functions.
void fill(Generation& generation, Module& module, int count) {
  generation.module = &module;
  for (int i = 0; i < count; ++i) {
    auto handler = std::make_unique<Handler>();
    handler->name = "many.name_that_is_not_within_a_string_" + std::to_string(i);
    auto function = std::make_unique<Function>();
    function->name = handler->name;
    generation.registered.push_back(std::move(handler));
    generation.functions.push_back(std::move(function));
  }
}

}  // namespace

TEST_CASE("names that are alike are told apart, whatever their hashes") {
  tells_apart<std::hash<std::string_view>>();
  tells_apart<Worst>();
  tells_apart<OfLength>();
}

TEST_CASE("readers find every published name among long and colliding ones while the table grows under them") {
  std::deque<Named> all;
  for (int i = 0; i < 600; ++i) {
    all.push_back({std::to_string(i) + '.' + std::string(i % 2 == 0 ? 1 : 120, 'n')});
  }
  CHECK(missed_while_growing<std::hash<std::string_view>>(all) == 0);
  CHECK(missed_while_growing<Worst>(all) == 0);
}

TEST_CASE("a table so large that it asks for huge pages finds all of its names, and gives its memory back") {
  const long before = failing::live_blocks();
  {
    NameTable<Named> table;
    std::deque<Named> all;
    for (std::uint32_t i = 0; i < 60'000; ++i) {
      all.push_back({"huge.n" + std::to_string(i)});
      table.add(&all.back(), i);
    }
    std::uint32_t right = 0;
    for (std::uint32_t i = 0; i < all.size(); ++i) {
      const auto found = table.look_up(all[i].name);
      right += found.entry == &all[i] && found.number == i;
    }
    CHECK(right == all.size());
    CHECK(table.find("huge.n60000") == nullptr);
  }
  CHECK(failing::live_blocks() == before);
}

TEST_CASE("a table that finds no memory to grow is as it was, and takes the name later") {
  const long before = failing::live_blocks();
  {
    NameTable<Named> table;
    std::deque<Named> all;
    int refused = 0;
    for (int i = 0; i < 300; ++i) {
      all.push_back({"name." + std::to_string(i)});
      for (long nth = 1;; ++nth) {
        const long blocks = failing::live_blocks();
        bool out_of_memory = false;
        failing::arm(nth, Which::one);
        try {
          table.add(&all.back());
        } catch (const std::bad_alloc&) {
          out_of_memory = true;
        }
        failing::disarm();
        if (!out_of_memory) break;
        ++refused;
        REQUIRE(failing::live_blocks() == blocks);
        REQUIRE(table.find(all.back().name) == nullptr);
        REQUIRE(table.find(all.front().name) == (all.size() == 1 ? nullptr : &all.front()));
      }
    }
    CHECK(refused >= 3);  // it has grown three times
    for (Named& each : all) CHECK(table.find(each.name) == &each);
  }
  CHECK(failing::live_blocks() == before);
}

TEST_CASE("a registry that runs out of memory at any step knows each name once when it is asked again") {
  constexpr int count = 150;  // more than the tables' first size
  int refused = 0;
  for (long nth = 1;; ++nth) {
    Registry registry;
    Module& module = registry.module("many");
    Generation generation;
    fill(generation, module, count);
    bool out_of_memory = false;
    failing::arm(nth, Which::one);
    try {
      registry.bind(generation);
    } catch (const std::bad_alloc&) {
      out_of_memory = true;
    }
    failing::disarm();
    registry.bind(generation);
    REQUIRE(registry.names().waiting_count() == count);
    REQUIRE(registry.names().method_count() == 0);
    registry.publish(module, &generation);
    for (const auto& handler : generation.registered) {
      bp_method id{};
      REQUIRE(registry.resolve(handler->name, id) == BP_OK);
      const Method* method = nullptr;
      REQUIRE(registry.find_method(handler->name, method) == BP_OK);
      REQUIRE(registry.method_at(id.id) == method);
      REQUIRE(generation.handler(*method) == handler.get());
    }
    REQUIRE(registry.names().waiting_count() == 0);
    REQUIRE(registry.names().method_count() == count);
    for (const auto& function : generation.functions) {
      REQUIRE(registry.find_function(function->name) == function.get());
    }
    if (!out_of_memory) break;
    ++refused;
  }
  CHECK(refused > count);
}
