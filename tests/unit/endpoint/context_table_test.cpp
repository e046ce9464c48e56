// SPDX-License-Identifier: Apache-2.0
//
// ContextTable: handles, pins, and reuse of slots, also with several threads.
#include <atomic>
#include <catch2/catch.hpp>
#include <exception>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "endpoint/context_table.hpp"

using namespace backplane::host;

namespace {

/// Counts how many there are; all else is refused.
struct Dummy final : Endpoint {
  static std::atomic<int> alive;
  std::atomic<bool> freed{false};
  Dummy() { ++alive; }
  ~Dummy() override {
    freed = true;
    --alive;
  }
  void set_handle(bp_context) override {}
  bool on_own_thread() const noexcept override { return false; }
  bp_status close() override { return BP_OK; }
  bp_status stop(std::uint32_t) override { return BP_OK; }
  bp_status submit(const bp_submission&, bp_request*) override { return BP_NOT_SUPPORTED; }
  bp_status cancel(bp_request) override { return BP_NOT_SUPPORTED; }
  bp_status find_method(bp_str, bp_method&) override { return BP_NOT_SUPPORTED; }
  bp_status listen(const bp_subscription&, bp_listener&) override { return BP_NOT_SUPPORTED; }
  bp_status unlisten(bp_listener) override { return BP_NOT_SUPPORTED; }
  bp_status change_function(const FunctionChange&) override { return BP_NOT_SUPPORTED; }
  bp_status complete(bp_token, const bp_answer&) override { return BP_NOT_SUPPORTED; }
  ModuleEndpoint& modules() noexcept override { std::terminate(); }
  bp_status stop_host() override { return BP_NOT_SUPPORTED; }
};
std::atomic<int> Dummy::alive{0};

// ContextTable are there for as long as the process lives, so each set stays reachable here.
ContextTable* make_slots() {
  static auto& all = *new std::vector<std::unique_ptr<ContextTable>>;
  return all.emplace_back(std::make_unique<ContextTable>()).get();
}

bp_context add(ContextTable& context_table) {
  const bp_context handle = context_table.reserve();
  REQUIRE(handle.id != 0);
  context_table.publish(handle, std::make_unique<Dummy>());
  return handle;
}

void destroy(ContextTable& context_table, bp_context handle) {
  REQUIRE(context_table.retire(handle) != nullptr);
  context_table.reap(handle);
}

}  // namespace

TEST_CASE("a handle leads to its endpoint from publish until retire") {
  ContextTable* const context_table = make_slots();
  const bp_context handle = context_table->reserve();
  CHECK_FALSE(ContextTable::Pin(*context_table, handle));
  auto endpoint = std::make_unique<Dummy>();
  Endpoint* const raw = endpoint.get();
  context_table->publish(handle, std::move(endpoint));
  CHECK(&*ContextTable::Pin(*context_table, handle) == raw);
  CHECK(context_table->retire(handle) == raw);
  CHECK_FALSE(ContextTable::Pin(*context_table, handle));
  CHECK(context_table->retire(handle) == nullptr);
  context_table->reap(handle);
  CHECK(Dummy::alive == 0);
}

TEST_CASE("handles that were never given lead nowhere") {
  ContextTable* const context_table = make_slots();
  const bp_context handle = add(*context_table);
  for (const std::uint64_t id : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}, handle.id + 1, handle.id - 1,
                                 handle.id + (1u << 16), handle.id ^ (std::uint64_t{1} << 63)}) {
    CAPTURE(id);
    CHECK_FALSE(ContextTable::Pin(*context_table, bp_context{id}));
    CHECK(context_table->retire({id}) == nullptr);
  }
  destroy(*context_table, handle);
}

TEST_CASE("context_table are used again, handles are not") {
  ContextTable* const context_table = make_slots();
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1'000; ++i) {
    const bp_context handle = add(*context_table);
    REQUIRE(seen.insert(handle.id).second);
    destroy(*context_table, handle);
    REQUIRE_FALSE(ContextTable::Pin(*context_table, handle));
  }
  std::set<std::uint64_t> places;
  for (const std::uint64_t id : seen) places.insert(id & 0xffff);
  CHECK(places.size() == 1);
}

TEST_CASE("a handle that was only reserved can be given back") {
  ContextTable* const context_table = make_slots();
  const bp_context handle = context_table->reserve();
  context_table->release(handle);
  const bp_context next = add(*context_table);
  CHECK(next.id != handle.id);
  CHECK_FALSE(ContextTable::Pin(*context_table, handle));
  destroy(*context_table, next);
}

TEST_CASE("an endpoint is freed only when the last pin has gone") {
  ContextTable* const context_table = make_slots();
  const bp_context handle = add(*context_table);
  auto pin = std::make_unique<ContextTable::Pin>(*context_table, handle);
  REQUIRE(*pin);
  REQUIRE(context_table->retire(handle) != nullptr);
  std::atomic<bool> reaped{false};
  std::thread reaper([&] {
    context_table->reap(handle);
    reaped = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK_FALSE(reaped);
  CHECK(Dummy::alive == 1);
  pin.reset();
  reaper.join();
  CHECK(Dummy::alive == 0);
}

TEST_CASE("pins and destroys race for the same handles, and no pinned endpoint is freed") {
  ContextTable* const context_table = make_slots();
  std::atomic<std::uint64_t> current{add(*context_table).id};
  std::atomic<bool> stop{false};
  std::atomic<int> bad{0};
  std::atomic<int> pinned{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 3; ++t) {
    callers.emplace_back([&] {
      while (!stop) {
        const ContextTable::Pin pin(*context_table, bp_context{current.load()});
        if (!pin) continue;
        ++pinned;
        if (static_cast<Dummy&>(*pin).freed) ++bad;
      }
    });
  }
  while (pinned == 0) std::this_thread::yield();
  for (int i = 0; i < 500; ++i) {
    const bp_context old{current.load()};
    current = add(*context_table).id;
    destroy(*context_table, old);
  }
  stop = true;
  for (auto& caller : callers) caller.join();
  destroy(*context_table, {current.load()});
  CHECK(bad == 0);
  CHECK(pinned > 0);
  CHECK(Dummy::alive == 0);
}
