// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "remote/link.hpp"
#include "remote/questions.hpp"

namespace backplane::host {

/// Whether the host has not answered: the connection is broken or ends, or the host does not react.
inline bool is_no_answer(bp_status status) noexcept {
  return status == BP_UNREACHABLE || status == BP_CANCELED || status == BP_CLOSED || status == BP_TIMEOUT;
}

/// Adds a line about something that the host refuses.
void add_refusal(std::string& text, std::string_view name, std::string_view why);

/// Tells a new connection what is kept of the ones before. The keeper's thread.
class Restorer {
 public:
  /// `sleep` waits, and returns false if nobody needs the connection any more.
  using Sleep = std::function<bool(std::chrono::milliseconds)>;
  Restorer(Channel& channel, const Kept& kept, Sleep sleep);

  /// Returns false if the connection broke. Throws std::bad_alloc.
  bool tell_all() { return listeners() && functions() && methods(); }
  /// What the host refuses, with its reasons. For people.
  std::string& refused() noexcept { return refused_; }

 private:
  bool listeners();
  bool functions();
  bool methods();
  bp_status listen(const EventThread::Wanted& wanted, bp_result& result);
  bp_status provide(const std::string& name, bp_result& result);

  Channel& channel_;
  const Kept& kept_;
  const Sleep sleep_;
  std::chrono::milliseconds wait_;  ///< before the next attempt to provide a name that is taken
  std::string refused_;
};

}  // namespace backplane::host
