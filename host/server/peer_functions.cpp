// SPDX-License-Identifier: Apache-2.0
#include "server/peer_functions.hpp"

#include <utility>

#include "support/views.hpp"

namespace backplane::host {

bp_status PeerFunctions::add(bp_context context, const PeerFunction& function, std::uint32_t flags, bp_ask_fn on_ask,
                             bp_unask_fn on_unask) {
  const At at = all_.emplace(function.name, std::make_unique<PeerFunction>(function)).first;
  bp_provided provided{};
  provided.struct_size = sizeof provided;
  provided.flags = flags;
  provided.name = str(at->second->name);
  provided.on_ask = on_ask;
  provided.on_unask = on_unask;
  provided.user = at->second.get();
  const bp_status status = bp_function_provide(context, &provided);
  if (status != BP_OK) all_.erase(at);
  return status;
}

bp_status PeerFunctions::remove(bp_context context, std::string_view name) noexcept {
  const At at = all_.find(name);
  if (at == all_.end()) return BP_NOT_FOUND;
  return remove(context, at);
}

// BP_NOT_FOUND: the application has given the name to a function of its own since.
bp_status PeerFunctions::remove(bp_context context, At at) noexcept {
  const bp_status status = bp_function_withdraw(context, str(at->second->name), at->second.get());
  if (status == BP_OUT_OF_MEMORY) return status;
  all_.erase(at);
  return BP_OK;
}

std::uint64_t OpenAsks::open(bp_token token) {
  const MutexLock lock(mutex_);
  const std::uint64_t id = last_ + 1;
  by_id_.insert(id)->value = token;
  try {
    by_token_.insert(token)->value = id;
  } catch (...) {
    bp_token gone = 0;
    by_id_.take(id, gone);
    throw;
  }
  return last_ = id;
}

bp_token OpenAsks::take(std::uint64_t id) noexcept {
  const MutexLock lock(mutex_);
  bp_token token = 0;
  std::uint64_t same = 0;
  if (by_id_.take(id, token)) by_token_.take(token, same);
  return token;
}

std::uint64_t OpenAsks::take_by_token(bp_token token) noexcept {
  const MutexLock lock(mutex_);
  std::uint64_t id = 0;
  bp_token same = 0;
  if (by_token_.take(token, id)) by_id_.take(id, same);
  return id;
}

bp_token OpenAsks::take_any(std::size_t& bucket) noexcept {
  const MutexLock lock(mutex_);
  bp_token token = 0;
  std::uint64_t id = 0;
  if (by_id_.take_any(bucket, token)) by_token_.take(token, id);
  return token;
}

}  // namespace backplane::host
