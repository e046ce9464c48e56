// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/ext/event.h>
#include <backplane/plugin.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <queue>
#include <thread>
#include <vector>

#include "../shared_counts.hpp"

namespace stress {

using Clock = std::chrono::steady_clock;

/// One instance. The mutex orders the courier's work for it before its end: whoever holds it and sees
/// `alive` may use the instance, the CallStats and the Marks.
struct State {
  std::mutex mutex;
  bool alive = true;  // guarded by mutex
  bp_instance* instance = nullptr;
  std::uint64_t source = 0;  // of its events
  std::atomic<std::uint64_t> emitted{0};
  std::atomic<CallStats*> stats{nullptr};  // known from the first call on
};

/// What handlers and courier share of the module; set by init.
struct Shared {
  const bp_host_api* host = nullptr;
  const bp_event_api* events = nullptr;
  Board* board = nullptr;
};

/// Gives an answer, and writes down whether it was taken. `mark` may be null. `as_buffer`: hands the payload
/// over in a buffer of the host's.
bp_status say(const Shared& shared, bp_token token, Mark* mark, bp_status status, bp_bytes payload, bool as_buffer);

/// Another answer to what has its terminal one; it must be refused.
void say_again(const Shared& shared, bp_token token, bp_status status);

/// Emits one event with `size` bytes behind its head and counts what became of it.
/// With the token of a call, waits for lossless listeners.
void emit(const Shared& shared, State& state, bool typed, bool ordered, std::uint32_t size, bp_token waits = 0);

/// The module's foreign thread: does things after a while. One a generation.
class Courier {
 public:
  struct Job {
    enum class Kind { reply, reply_twice, parts, signal_fd, emit, answer_function };
    Clock::time_point due;
    Kind kind;
    std::shared_ptr<State> state;
    bp_token token = 0;
    Mark* mark = nullptr;
    CallStats* stats = nullptr;
    std::vector<std::uint8_t> payload;
    std::uint32_t count = 0;
    int fd = -1;  ///< owned: an eventfd to write to
    bool operator<(const Job& other) const { return due > other.due; }
  };

  explicit Courier(const Shared& shared);
  ~Courier();
  void add(Job job);

 private:
  void run();
  void work(Job& job);
  void work_alive(Job& job);

  const Shared& shared_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::priority_queue<Job> jobs_;  // guarded by mutex_
  bool stop_ = false;              // guarded by mutex_
  std::thread thread_;
};

}  // namespace stress
