// SPDX-License-Identifier: Apache-2.0
//
// What is looked up: wire names, host functions, handles.
#include <atomic>
#include <catch2/catch.hpp>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "modules/handles.hpp"
#include "modules/name_table.hpp"
#include "request/functions.hpp"

using namespace backplane::host;

namespace {

struct Named {
  std::string name;
};

void first(void*, bp_context, bp_token, bp_str, bp_bytes) {}
void second(void*, bp_context, bp_token, bp_str, bp_bytes) {}

int freed = 0;
void count_free(void*) { ++freed; }

}  // namespace

TEST_CASE("a table of names finds what is in it and nothing else, before and after it has grown") {
  NameTable<Named> table;
  std::deque<Named> all;
  for (int i = 0; i < 1'000; ++i) {
    all.push_back({"name." + std::to_string(i)});
    table.add(&all.back());
    REQUIRE(table.find("name." + std::to_string(i / 2)) == &all[static_cast<std::size_t>(i / 2)]);
  }
  CHECK(table.find("name.1000") == nullptr);
  CHECK(table.find("") == nullptr);
}

TEST_CASE("a table of names tells names apart that differ only in their length, or far behind their beginning") {
  NameTable<Named> table;
  std::deque<Named> all;
  for (const std::size_t size : {1, 47, 48, 49, 100, 128}) {
    for (const char last : {'a', 'b'}) {
      all.push_back({std::string(size - 1, 'n') + last});
      table.add(&all.back());
    }
  }
  for (Named& each : all) CHECK(table.find(each.name) == &each);
  for (const std::size_t size : {2, 46, 50, 127}) CHECK(table.find(std::string(size - 1, 'n') + 'a') == nullptr);
  for (const std::size_t size : {1, 48, 49, 128}) CHECK(table.find(std::string(size - 1, 'n') + 'c') == nullptr);
}

TEST_CASE("readers find every published name while the table grows under them") {
  NameTable<Named> table;
  constexpr int total = 4'000;
  std::deque<Named> all;
  for (int i = 0; i < total; ++i) all.push_back({"name." + std::to_string(i)});
  std::atomic<int> published{0};
  std::atomic<int> missed{0};
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&, r] {
      unsigned at = static_cast<unsigned>(r);
      for (int seen = 0; seen < total;) {
        seen = published.load(std::memory_order_acquire);
        if (seen == 0) continue;
        at = at * 1'664'525u + 1'013'904'223u;
        const auto wanted = static_cast<std::size_t>(at % static_cast<unsigned>(seen));
        if (table.find(all[wanted].name) != &all[wanted]) ++missed;
        if (table.find("absent.name") != nullptr) ++missed;
      }
    });
  }
  for (int i = 0; i < total; ++i) {
    table.add(&all[static_cast<std::size_t>(i)]);
    published.store(i + 1, std::memory_order_release);
  }
  for (auto& reader : readers) reader.join();
  CHECK(missed == 0);
}

TEST_CASE("host functions are added, replaced and taken away") {
  Functions functions;
  int a = 0;
  int b = 0;
  CHECK(functions.set("app.one", nullptr, nullptr, false) == BP_NOT_FOUND);
  CHECK(functions.begin("app.one").call == nullptr);
  CHECK(functions.set("app.one", first, &a, false) == BP_OK);
  CHECK(functions.begin("app.one").user == &a);
  functions.end();
  CHECK(functions.set("app.one", second, &b, false) == BP_OK);
  const auto found = functions.begin("app.one");
  functions.end();
  CHECK(found.call == second);
  CHECK(found.user == &b);
  CHECK(functions.set("app.one", nullptr, nullptr, false) == BP_OK);
  CHECK(functions.begin("app.one").call == nullptr);
}

TEST_CASE("taking a host function away waits until the call of it has returned") {
  for (const bool replace : {false, true}) {
    CAPTURE(replace);
    Functions functions;
    functions.set("app.one", first, nullptr, false);
    functions.begin("app.one");
    std::atomic<bool> gone{false};
    std::thread remover([&] {
      functions.set("app.one", replace ? second : nullptr, nullptr, false);
      gone = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK_FALSE(gone);
    functions.end();
    remover.join();
    CHECK(gone);
  }
}

TEST_CASE("taking one host function away does not wait for another, nor for oneself on the calling thread") {
  Functions functions;
  functions.set("app.one", first, nullptr, false);
  functions.set("app.two", first, nullptr, false);
  functions.begin("app.one");
  CHECK(functions.set("app.two", nullptr, nullptr, false) == BP_OK);
  CHECK(functions.set("app.one", nullptr, nullptr, true) == BP_OK);
  functions.end();
}

TEST_CASE("a handle leads to its object only with its own type, until it is released once") {
  Handles handles;
  int object = 0;
  const char type = 0;
  const char other = 0;
  freed = 0;
  const std::uint64_t id = handles.put(&type, &object, count_free);
  CHECK(id != 0);
  CHECK(handles.get(&type, id) == &object);
  CHECK(handles.get(&other, id) == nullptr);
  CHECK(handles.get(&type, id + 1) == nullptr);
  CHECK(handles.get(&type, 0) == nullptr);
  CHECK_FALSE(handles.release(&other, id));
  CHECK(freed == 0);
  CHECK(handles.release(&type, id));
  CHECK(freed == 1);
  CHECK(handles.get(&type, id) == nullptr);
  CHECK_FALSE(handles.release(&type, id));
  CHECK(freed == 1);
}

TEST_CASE("ids of handles are not used again, also not by another instance") {
  Handles one;
  Handles two;
  int object = 0;
  const char type = 0;
  const std::uint64_t id = one.put(&type, &object, nullptr);
  CHECK(two.get(&type, id) == nullptr);
  one.release(&type, id);
  CHECK(one.put(&type, &object, nullptr) > id);
  CHECK(two.put(&type, &object, nullptr) > id + 1);
  one.release_all();
}

TEST_CASE("releasing all handles frees each once, those too that a release function adds") {
  Handles handles;
  struct Nest {
    Handles& handles;
    const char type = 0;
    int left = 5;
    static void again(void* object) {
      auto& self = *static_cast<Nest*>(object);
      if (--self.left > 0) self.handles.put(&self.type, object, again);
    }
  } nest{handles};
  const char plain = 0;
  freed = 0;
  for (int i = 0; i < 100; ++i) handles.put(&plain, &nest, count_free);
  handles.put(&nest.type, &nest, Nest::again);
  handles.release_all();
  CHECK(freed == 100);
  CHECK(nest.left == 0);
  CHECK(handles.size() == 0);
}
