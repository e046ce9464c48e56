// SPDX-License-Identifier: Apache-2.0
//
// Stacks, and how many there may be.
#include <sys/resource.h>

#include <fstream>
#include <set>

#include "row.hpp"

namespace fiber_rows {
namespace {

constexpr std::size_t frame_size = 4096;

// Touches about `bytes` of the stack; how many frames are as it left them.
[[gnu::noinline]] std::size_t use_stack(Fibers& fibers, std::size_t bytes) {
  volatile unsigned char frame[frame_size];
  const auto mark = static_cast<unsigned char>(bytes / frame_size);
  for (std::size_t i = 0; i < sizeof frame; i += 64) frame[i] = mark;
  const std::size_t below = bytes <= frame_size ? 0 : use_stack(fibers, bytes - frame_size);
  if (bytes <= frame_size) fibers.switch_to_main();  // at the deepest
  std::size_t kept = 0;
  for (std::size_t i = 0; i < sizeof frame; i += 64) kept += frame[i] == mark;
  return below + (kept == sizeof frame / 64 ? 1 : 0);
}

void try_stack(Row& row, Fibers& fibers, std::uint64_t size, std::size_t frames) {
  std::size_t kept = 0;
  Fiber fiber(fibers, backplane::StackSize{size}, [&] {
    kept = use_stack(fibers, frames * frame_size);
    park(fibers);
  });
  fiber.resume();
  fiber.resume();
  EXPECT_EQUAL(row, kept, frames);
}

}  // namespace

void stack_sizes(Row& row) {
  Fibers fibers(row.call);
  try_stack(row, fibers, 16384, 1);
  try_stack(row, fibers, 16385, 1);
  try_stack(row, fibers, 0, 8);  // the default, 64 KiB; half of it, since sanitizers make frames larger
  try_stack(row, fibers, 1024 * 1024, 128);
  try_stack(row, fibers, 32 * 1024 * 1024, 4096);
  try_stack(row, fibers, 1 << 30, 16);
  try_stack(row, fibers, 0, 8);
}

void ten_thousand(Row& row) {
#if defined(__SANITIZE_THREAD__)
  constexpr int many = 1000;  // it ends a process that has more than 8128 threads and fibers
#else
  constexpr int many = 10'000;
#endif
  int turns = 0;
  int unwound = 0;
  int freed = 0;
  {
    Fibers fibers(row.call);
    std::vector<Fiber> all;
    for (int i = 0; i < many; ++i) {
      all.emplace_back(fibers, [&, load = Load(freed)] {
        const Load guard(unwound);
        park(fibers, turns);
      });
      all.back().resume();
    }
    EXPECT_EQUAL(row, turns, many);
    for (Fiber& each : all) each.resume();
    EXPECT_EQUAL(row, turns, 2 * many);
    for (std::size_t i = 0; i < many; i += 2) all[i].destroy();
    EXPECT_EQUAL(row, unwound, many / 2);
    EXPECT_EQUAL(row, freed, many / 2);
    for (Fiber& each : all) each.detach();
  }
  EXPECT_EQUAL(row, unwound, many);
  EXPECT_EQUAL(row, freed, many);
}

void stacks_reused(Row& row) {
  Fibers fibers(row.call);
  std::set<const void*> stacks;
  for (int i = 0; i < 300; ++i) {
    Fiber fiber(fibers, [&] {
      stacks.insert(__builtin_frame_address(0));
      if (i % 3 == 0) throw Error(code_seven, "seven");
      park(fibers);
    });
    EXPECT_STATUS(row, i % 3 == 0 ? code_seven : BP_OK, fiber.resume());
  }
  EXPECT(row, !stacks.empty() && stacks.size() <= 4);
}

namespace {

// Lets the process have 128 MiB more of address space than it has, as long as this lives.
class TightMemory {
 public:
  TightMemory() {
    rlim_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    ::getrlimit(RLIMIT_AS, &before_);
    const rlimit tight{pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + (rlim_t{128} << 20), before_.rlim_max};
    ::setrlimit(RLIMIT_AS, &tight);
  }
  TightMemory(const TightMemory&) = delete;
  TightMemory& operator=(const TightMemory&) = delete;
  ~TightMemory() { ::setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

// The stack has a size that nobody else asks for here: none that was used before is at hand.
void no_stack(Row& row) {
  Fibers fibers(row.call);
  int turns = 0;
  Fiber fiber(fibers, backplane::StackSize{1 << 30}, [&] { park(fibers, turns); });
  {
    const TightMemory tight;
    EXPECT_STATUS(row, BP_OUT_OF_MEMORY, fiber.resume());
    EXPECT_EQUAL(row, fibers.try_switch_to(fiber.id()), BP_OUT_OF_MEMORY);
  }
  EXPECT_EQUAL(row, fibers.active(), main_id);
  EXPECT_EQUAL(row, fibers.ended(), 0);
  EXPECT_EQUAL(row, turns, 0);
  fiber.resume();
  EXPECT_EQUAL(row, turns, 1);
}

// Checked by the test, which looks at the stacks whenever it is asked.
Bytes takes_stacks(Call& call, View) {
  {
    Fibers fibers(call);
    std::vector<Fiber> ten;
    while (ten.size() < 10) ten.emplace_back(fibers, [&] { park(fibers); });
    call.host_call_raw("app.wait", View());
    for (Fiber& each : ten) each.resume();
    call.host_call_raw("app.wait", View());
  }
  call.host_call_raw("app.wait", View());
  return bytes_of("ok");
}

// The payload is how many fibers the context allows a run.
void limit(Row& row) {
  const auto allowed = static_cast<std::size_t>(row.number());
  for (int environment = 0; environment < 2; ++environment) {
    Fibers fibers(row.call);
    int freed = 0;
    const auto refused = [&] {
      freed = 0;
      EXPECT_STATUS(row, BP_OUT_OF_MEMORY, Fiber(fibers, [load = Load(freed)] {}));
      EXPECT_EQUAL(row, freed, 1);
    };
    std::vector<Fiber> all;
    all.emplace_back(fibers, [] { throw Error(code_seven, "seven"); });
    while (all.size() < allowed) all.emplace_back(fibers, [&] { park(fibers); });
    refused();
    refused();
    EXPECT_STATUS(row, code_seven, all[0].resume());  // ends, and makes room
    all.emplace_back(fibers, [&] { park(fibers); });
    refused();
    all[1].resume();
    all[1].destroy();  // so does this
    all.emplace_back(fibers, [&] { park(fibers); });
    refused();
  }
}

// Where the application has switched fibers off.
void switched_off(Row& row) {
  EXPECT_STATUS(row, BP_NOT_SUPPORTED, Fibers fibers(row.call));
  row.call.yield();
}

}  // namespace fiber_rows
