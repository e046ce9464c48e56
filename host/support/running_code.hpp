// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "support/short_text.hpp"

namespace backplane::host {

/// Code of a module or of the application that a thread runs.
struct RunningCode {
  const char* in = "";  ///< "handler", "init", …
  std::string_view module;
  std::uint64_t generation = 0;
  std::string_view name;  ///< the wire name; may be empty
};

/// How the run of a handler stands.
struct RunState {
  std::uint64_t fiber = 0;       ///< the active fiber; 0: the handler itself
  bool fiber_destroyed = false;  ///< that fiber is being destroyed
  const char* unwanted = "";     ///< why the call is not wanted any more, in words; or empty
};

/// What the calling thread runs, for a signal handler: so the TLS model must be one that never allocates.
struct RunningCodeOfThread {
  /// Set for a time by a Note.
  const RunningCode* noted = nullptr;
  /// Set once, by a thread that records what it runs in a place of its own.
  bool (*find)(const void* record, RunningCode& found) noexcept = nullptr;
  const void* record = nullptr;
  /// Set once, by a thread that handles calls: whose call it handles, or an empty text.
  std::string_view (*find_client)(ShortText::Buffer& buffer) noexcept = nullptr;
  /// Set once, by such a thread.
  RunState (*find_state)() noexcept = nullptr;
};
[[gnu::tls_model("initial-exec")]] inline constinit thread_local RunningCodeOfThread running_code_of_thread;

/// Notes that the calling thread runs `code`, while this object exists. `code` must outlive it.
class RunningCodeNote {
 public:
  explicit RunningCodeNote(const RunningCode& code) noexcept : before_(running_code_of_thread.noted) {
    running_code_of_thread.noted = &code;
  }
  RunningCodeNote(const RunningCodeNote&) = delete;
  RunningCodeNote& operator=(const RunningCodeNote&) = delete;
  ~RunningCodeNote() { running_code_of_thread.noted = before_; }

 private:
  const RunningCode* before_;
};

/// What the calling thread runs. False: the host's own code, or a thread that the host does not know.
/// Async-signal-safe.
inline bool find_running_code(RunningCode& found) noexcept {
  const RunningCodeOfThread& mine = running_code_of_thread;
  if (mine.noted != nullptr) {
    found = *mine.noted;
    return true;
  }
  return mine.find != nullptr && mine.find(mine.record, found);
}

/// Whose call the calling thread handles, in words; empty: none's. Async-signal-safe.
inline std::string_view find_client(ShortText::Buffer& buffer) noexcept {
  const RunningCodeOfThread& mine = running_code_of_thread;
  return mine.find_client == nullptr ? std::string_view() : mine.find_client(buffer);
}

/// How the handler stands that the calling thread runs. Async-signal-safe.
inline RunState find_run_state() noexcept {
  const RunningCodeOfThread& mine = running_code_of_thread;
  return mine.find_state == nullptr ? RunState() : mine.find_state();
}

}  // namespace backplane::host
