// SPDX-License-Identifier: Apache-2.0
//
// The one timer of a request: for its deadline, and for the stale warnings of a call that takes long.
#include <algorithm>
#include <string>
#include <utility>

#include "request/replies.hpp"

namespace backplane::host {

void Replies::watch_time(Request& request) {
  if (!std::exchange(request.wants_stale, false)) return;
  request.began = now();
  // Without memory for it there are no warnings; the deadline's is set already.
  set_timer(request, request.began + stale_interval_);
}

// For the deadline or the next stale warning, whichever is earlier; 0 stands for none. When the timer fires and the
// deadline has not passed, it is for the warning.
bool Replies::set_timer(Request& request, Nanos stale) noexcept {
  const Nanos deadline = request.deadline;
  request.fire = [](Timer& timer) {
    on_request_thread.assume();
    auto& due = static_cast<Request&>(timer);
    due.thread.load(std::memory_order_relaxed)->replies.on_timer(due);
  };
  return timers_.set(request, deadline == 0 || stale == 0 ? deadline + stale : std::min(deadline, stale));
}

void Replies::on_timer(Request& request) {
  const Nanos time = now();
  if (request.deadline != 0 && request.deadline <= time) return end_unwanted(request, request.token(), BP_DEADLINE);
  if (!request.open() && !request.held) return;
  const std::string elapsed = std::to_string((time - request.began) / nanos_per_ms);
  const bp_answer answer{
      sizeof(bp_answer), BP_STALE,     {reinterpret_cast<const std::uint8_t*>(elapsed.data()), elapsed.size()},
      {"", 0},           {nullptr, 0}, nullptr};
  heartbeat_.beat();
  heartbeat_.replying(request.method);
  request.on_reply(request.user, &answer);
  heartbeat_.running_nothing();
  set_timer(request, time + stale_interval_);
}

}  // namespace backplane::host
