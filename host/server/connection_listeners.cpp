// SPDX-License-Identifier: Apache-2.0
#include "server/connection_listeners.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "support/views.hpp"
#include "sync/clock.hpp"
#include "wire/frame.hpp"

namespace backplane::host {

bp_status PeerListeners::add(bp_context context, const PeerListener& listener, std::string_view pattern,
                             std::string_view label, bp_event_fn on_event) {
  const auto [at, is_new] = all_.try_emplace(listener.id, std::make_unique<PeerListener>(listener));
  if (!is_new) {
    throw wire::ProtocolError("a listener whose id " + std::to_string(listener.id) + " is in use; expected a new id");
  }
  bp_subscription subscription{};
  subscription.struct_size = sizeof subscription;
  subscription.pattern = str(pattern);
  subscription.on_event = on_event;
  subscription.user = at->second.get();
  subscription.label = str(label);
  if (listener.window != 0) subscription.flags = BP_LISTEN_LOSSLESS | BP_LISTEN_CREDIT;
  subscription.window_bytes = listener.window;
  const bp_status status = bp_subscribe(context, &subscription, &at->second->host);
  if (status != BP_OK) {
    all_.erase(at);
  } else if (listener.window != 0) {
    ++lossless_;
  }
  return status;
}

void PeerListeners::erase(std::uint64_t id) noexcept {
  const auto at = all_.find(id);
  if (at == all_.end()) return;
  if (at->second->window != 0) --lossless_;
  all_.erase(at);
}

// What comes while some is early counts with it: a peer gains at most a window by that.
void PeerListeners::hear_later(PeerListener& listener, std::uint64_t bytes, std::uint64_t until) noexcept {
  listener.early += std::min(bytes, UINT64_MAX - listener.early);
  if (!early_until_) early_until_ = until;
}

void PeerListeners::hear_now(bp_context context, std::uint64_t taken) noexcept {
  if (!early_until_ || taken < *early_until_) return;
  early_until_.reset();
  for (const auto& [id, listener] : all_) {
    if (listener->early != 0) bp_listener_credit(context, listener->host, std::exchange(listener->early, 0));
  }
}

PeerListener* PeerListeners::find(std::uint64_t id) noexcept {
  const auto at = all_.find(id);
  return at == all_.end() ? nullptr : at->second.get();
}

void UntoldGaps::add(PeerListener& listener, const bp_event& event) {
  const bool is_gap = (event.flags & BP_EVENT_GAP) != 0;
  listener.lost.add(is_gap ? event.lost : 1, event.emitted_ms != 0 ? event.emitted_ms : unix_ms());
  behind_.insert(&listener);
}

void UntoldGaps::tell(PeerListener& listener, OutputBuffer& output) {
  if (listener.lost.events == 0) return;
  const GapEvent gap(listener.lost);
  const bp_event event = gap.native();
  output.add(wire::Event{listener.id, event.flags, view(event.name), view(event.payload)});
  listener.lost = {};
  behind_.erase(&listener);
}

void UntoldGaps::tell_all(OutputBuffer& output) {
  while (!behind_.empty()) tell(**behind_.begin(), output);
}

}  // namespace backplane::host
