// SPDX-License-Identifier: Apache-2.0
//
// How events lie in an EventLog. Only its two files include this.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "event/event_log.hpp"
#include "memory/budget.hpp"

namespace backplane::host {

/// Before each event; behind it the ids of the patterns, the name and the payload.
struct EventLog::Head {
  std::uint64_t emitted_ms;
  std::uint32_t flags;
  std::uint32_t name_size;
  std::uint32_t pattern_count;
  std::uint64_t payload_size;
};

struct EventLog::Segment {
  explicit Segment(std::size_t size) : capacity(size) {}
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment() {
    if (bytes != nullptr) release_memory(capacity);
  }

  const std::size_t capacity;
  std::atomic<std::size_t> filled{0};     // emitters write it, readers read it
  std::unique_ptr<std::uint8_t[]> bytes;  // an event lies there from before `filled` counts it

  std::uint64_t first = 0;  // position of its first event; constant while any reader can see it

  // Guarded by the log's mutex.
  Segment* next = nullptr;
  std::uint64_t next_began_ms = 0;                   // when the first event of the next one was emitted, Unix time
  PatternCounts matched;                             // by its events
  std::vector<PatternCounts::Count> matched_in_gap;  // by events that left the log from between the last one and this
  std::uint64_t events = 0;                          // in it; set when it stops growing
  std::uint64_t lossless_end = 0;                    // behind its last event that must not be lost
  std::uint32_t readers = 0;
  bool dropped = false;  // it has left the log
};

/// Heads lie at multiples of this.
constexpr std::size_t aligned(std::size_t size) noexcept { return (size + 7) & ~std::size_t{7}; }

}  // namespace backplane::host
