// SPDX-License-Identifier: Apache-2.0
#include "support/gone_code.hpp"

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <iterator>

namespace backplane::host {
namespace {

constexpr std::size_t most_bytes = std::size_t{256} << 20;

// A signal handler reads an entry while its version is even.
struct Entry {
  std::atomic<unsigned> version{0};
  GoneCode code;
};
Entry entries[64];
std::size_t newest = 0;
std::size_t total = 0;  // bytes

void release(Entry& entry) noexcept {
  if (entry.code.end == 0) return;
  const std::size_t size = entry.code.end - entry.code.begin;
  ++entry.version;
  entry.code = {};
  ++entry.version;
  total -= size;
}

void unmap(Entry& entry) noexcept {
  const GoneCode gone = entry.code;
  release(entry);
  if (gone.end != 0) ::munmap(reinterpret_cast<void*>(gone.begin), gone.end - gone.begin);
}

bool is_space_limited() noexcept {
  rlimit limit{};
  return ::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY;
}

}  // namespace

void reserve_gone_code(std::uintptr_t begin, std::uintptr_t end, std::string_view module,
                       std::uint64_t generation) noexcept {
  const std::size_t size = end - begin;
  if (end <= begin || size > most_bytes || is_space_limited()) return;
  newest = (newest + 1) % std::size(entries);
  unmap(entries[newest]);
  for (std::size_t i = 1; i < std::size(entries) && total + size > most_bytes; ++i) {
    unmap(entries[(newest + i) % std::size(entries)]);
  }
  void* const wanted = reinterpret_cast<void*>(begin);
  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  void* const got = ::mmap(wanted, size, PROT_NONE, flags, -1, 0);
  if (got == MAP_FAILED) return;
  if (got != wanted) {  // a kernel before 4.17 takes the address for a hint
    ::munmap(got, size);
    return;
  }
  Entry& entry = entries[newest];
  ++entry.version;
  entry.code.begin = begin;
  entry.code.end = end;
  std::memcpy(entry.code.module, module.data(), std::min(module.size(), sizeof entry.code.module - 1));
  entry.code.generation = generation;
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  entry.code.since = now.tv_sec;
  ++entry.version;
  total += size;
}

const GoneCode* gone_code_at(std::uintptr_t address) noexcept {
  for (const Entry& entry : entries) {
    if (entry.version % 2 == 0 && address >= entry.code.begin && address < entry.code.end) return &entry.code;
  }
  return nullptr;
}

}  // namespace backplane::host
