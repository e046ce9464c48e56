// SPDX-License-Identifier: Apache-2.0
//
// What a request costs in allocations and an idle context in wake-ups: nothing, once warm. A process of its own,
// because it counts every call of the allocator.
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>

#include "loop_fixture.hpp"

using namespace backplane::host;

namespace {

std::atomic<std::uint64_t> allocations{0};

void* counted_or_null(std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size);
}

void* counted(std::size_t size) {
  void* const memory = counted_or_null(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted_or_null(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted_or_null(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace {

// Counts replies without memory of its own.
struct Count {
  std::atomic<int> terminal{0};
  static void on_reply(void* user, const bp_answer* answer) {
    if (answer->status != BP_OK) std::abort();
    static_cast<Count*>(user)->terminal.fetch_add(1);
  }
};

void calls(LoopFixture& rig, std::string_view name, int count, std::string_view payload) {
  Count replies;
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = str(name);
  submission.payload = bytes_of(payload);
  submission.timeout_ms = 60'000;
  submission.on_reply = Count::on_reply;
  submission.user = &replies;
  for (int i = 0; i < count; ++i) {
    while (rig.loop.submit(submission, nullptr) != BP_OK) std::this_thread::yield();
    while (i - replies.terminal.load() > 200) std::this_thread::yield();  // so that the records do not grow in number
  }
  while (replies.terminal.load() < count) std::this_thread::yield();
}

/// How often the threads of this process have gone to sleep by themselves, all but the calling one.
[[maybe_unused]] std::uint64_t sleeps_of_others() {
  std::uint64_t sum = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(::gettid())) continue;
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.rfind("voluntary_ctxt_switches:", 0) == 0) sum += std::stoull(line.substr(24));
    }
  }
  return sum;
}

}  // namespace

TEST_CASE(
    "requests with small payloads allocate nothing once warm, whether they reply inline, later, or after a wait") {
  LoopFixture rig;
  rig.handler("t.inline", [](const bp_call& call) -> bp_handled {
    reply_api::answer(call.token, {sizeof(bp_answer), BP_OK, call.payload, {"", 0}, {nullptr, 0}, nullptr});
    return BP_DONE;
  });
  rig.handler("t.yields", [](const bp_call& call) -> bp_handled {
    await_api::sleep(call.token, 0);
    reply(call.token, BP_OK, "slept");
    return BP_DONE;
  });
  rig.handler(
      "t.sized",
      [](const bp_call& call) -> bp_handled {
        reply_api::answer(call.token, {sizeof(bp_answer), BP_OK, call.payload, {"", 0}, {nullptr, 0}, nullptr});
        return BP_DONE;
      },
      0, 1 << 20);
  // Another thread answers what waits in a ring, which has room for all that calls() leaves open.
  std::array<bp_token, 256> ring{};
  std::atomic<std::uint32_t> begun{0};
  std::atomic<bool> stop{false};
  std::thread answers([&] {
    for (std::uint32_t answered = 0;;) {
      begun.wait(answered);
      if (stop) return;
      while (answered != begun.load()) reply(ring[answered++ % ring.size()], BP_OK, "later");
    }
  });
  rig.handler("t.later", [&](const bp_call& call) -> bp_handled {
    ring[begun.load() % ring.size()] = call.token;
    begun.fetch_add(1);
    begun.notify_one();
    return BP_LATER;
  });
  rig.start();
  const std::string payload(90, 'x');
  for (const char* name : {"t.inline", "t.yields", "t.later", "t.sized"}) {
    INFO(name);
    // What is kept may yet grow, the buckets of how long things took for one; then the next round does without.
    std::uint64_t during = 1;
    for (int round = 0; round < 20 && during != 0; ++round) {
      const std::uint64_t before = allocations;
      calls(rig, name, 2'000, payload);
      during = allocations - before;
    }
    CHECK(during == 0);
  }
  const std::uint64_t before = allocations;
  { const auto one = std::make_unique<int>(1); }
  CHECK(allocations == before + 1);  // the count counts
  stop = true;
  begun.fetch_add(1);
  begun.notify_one();
  answers.join();
}

#ifndef __SANITIZE_THREAD__  // whose own thread wakes all the time
TEST_CASE("an idle context wakes no thread") {
  LoopFixture rig;
  rig.handler("t.inline", [](const bp_call& call) -> bp_handled {
    reply(call.token, BP_OK, "");
    return BP_DONE;
  });
  rig.start();
  calls(rig, "t.inline", 100, "x");
  // The watchdog looks once more after what it has seen move, and the spin comes to its end.
  std::uint64_t before = sleeps_of_others();
  bool quiet = false;
  for (int i = 0; i < 100 && !quiet; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const std::uint64_t after = sleeps_of_others();
    quiet = after == before;
    before = after;
  }
  CHECK(quiet);
}
#endif
