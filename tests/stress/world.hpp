// SPDX-License-Identifier: Apache-2.0
//
// What all parts of the stress program share: the counts, the problems found, the contexts under fire.
#pragma once

#include <backplane/backplane.h>

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <semaphore>
#include <string>
#include <string_view>
#include <vector>

#include "operation.hpp"
#include "shared_counts.hpp"

namespace stress {

class Life;
class CompletionThread;

inline bp_str str(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view view(bp_str text) { return {text.data, text.size}; }

/// A result that frees itself.
struct Result : bp_result {
  Result() : bp_result{} { struct_size = sizeof(bp_result); }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  ~Result() { bp_result_free(this); }
};

/// What did not come out. Any thread.
class Problems {
 public:
  /// Keeps the first ones in full, and counts the rest by their text.
  void add(const std::string& text);
  std::uint64_t count() const noexcept { return count_; }
  std::map<std::string, std::uint64_t> all() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> texts_;  // guarded by mutex_
  std::atomic<std::uint64_t> count_{0};
};

/// Sums over all contexts that have been settled, and a few counts beside.
struct Totals {
  Count accepted{0};
  Count terminal{0};
  Count lost{0};
  Count twice{0};
  Count refused{0};
  std::array<Count, 64> refused_with{};  ///< by status
  Count stale_replies{0};
  Count partial_replies{0};
  Count parts_received{0};  ///< of requests, by handlers
  Count cancels{0};
  std::array<Count, 64> ended_with{};  ///< terminal replies by status; the last for those of modules

  // As the host's status report had them; from contexts that were looked into before their end.
  Count audited{0};
  Count host_accepted{0};
  Count host_replied{0};
  Count host_refused{0};
  Count emitted{0};
  Count delivered{0};
  Count events_refused{0};
  Count tokens_handed{0};
  Count tokens_answered{0};
  Count tokens_failed{0};
  Count completions_refused{0};

  Count events_seen{0};
  Count events_lost{0};  ///< as gaps have told
  Count events_taken{0};
  Count events_waited{0};  ///< of these: their emitters have waited for the listener that hears all
  Count liveness_events{0};
  Count forged{0};  ///< completions with stale, foreign and made-up tokens
  Count lives{0};
  Count quarantined{0};
  Count loads{0};
  Count unloads{0};
  Count pinned{0};
  Count reloads{0};
  Count status_reports{0};
  Count listeners{0};
  Count functions{0};
  Count skipped{0};  ///< operations that found nothing to be done to
  std::array<Count, static_cast<std::size_t>(Kind::count)> operations{};
};

/// A place where one context after another lives.
struct Slot {
  std::mutex changing;  ///< held by who ends the context and makes the next
  std::mutex mutex;
  std::shared_ptr<Life> life;  ///< guarded by mutex; null while it changes
};

struct World {
  static constexpr std::size_t slot_count = 4;

  Problems problems;
  Totals totals;
  Board board;
  CompletionThread* completion_thread = nullptr;
  bp_context keeper{};  ///< lives as long as the run; for modules and the status
  std::array<Slot, slot_count> slots;
  std::counting_semaphore<> ends{2};  ///< contexts that may end at once: the others are to be hammered meanwhile
  std::mutex creating;                ///< so that the newest id in a status report is that of who has just created
  std::uint64_t newest_report = 0;    ///< guarded by creating

  /// How long to wait for what must come to hold. Far beyond what anything here takes: the longest is a call's
  /// limit of 1.5 s, many times over where a sanitizer slows it down. Shorter once it has been in vain: the run
  /// has failed, and only has to come to its end.
  std::chrono::milliseconds patience() const { return std::chrono::milliseconds(in_vain ? 300 : 60'000); }
  std::atomic<bool> in_vain{false};

  std::mutex graves_mutex;
  std::vector<std::shared_ptr<Life>> graves;       ///< guarded: ended, to be settled once nobody uses them
  std::vector<std::shared_ptr<Life>> quarantined;  ///< guarded: destroy said BP_TIMEOUT, so callbacks may come
  std::vector<std::shared_ptr<Life>> settled;      ///< guarded: kept a while, to see a callback that comes too late
};

/// Bytes that payloads are slices of, so that an echo is checked by one comparison.
inline constexpr std::size_t noise_size = 512 * 1024;
const std::uint8_t* noise();

}  // namespace stress
