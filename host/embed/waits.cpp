// SPDX-License-Identifier: Apache-2.0
//
// The C functions of wait.h.
#include <backplane/backplane.h>
#include <unistd.h>

#include <exception>
#include <memory>
#include <new>

#include "embed/guard.hpp"
#include "embed/pending_call.hpp"
#include "support/forked_child.hpp"
#include "support/sized.hpp"
#include "support/views.hpp"
#include "sync/host_thread.hpp"

using namespace backplane::host;

namespace {

// Never destroyed, because threads may use their calls while the process exits.
PendingCalls& calls() noexcept {
  alignas(PendingCalls) static char place[sizeof(PendingCalls)];
  static auto* const all = new (place) PendingCalls;
  return *all;
}

/// The call, or null: no such handle. In a forked child every handle is stale, and the table may be locked for ever.
std::shared_ptr<PendingCall> find(bp_pending call) noexcept {
  return is_forked_child.load(std::memory_order_relaxed) ? nullptr : calls().find(call);
}

/// Whether this thread must not wait, because the answer may need it.
bool must_not_wait(bp_context ctx) noexcept {
  const ContextTable::Pin pin(context_table(), ctx);
  return pin ? pin->on_own_thread() : HostThread::is_one(::gettid());
}

using Wait = bp_status (PendingCall::*)(const WaitBound&, bp_result&);

bp_status wait_for(bp_pending handle, std::uint64_t timeout_ms, bp_result* out, Wait wait) noexcept {
  if (out == nullptr) return BP_INVALID_ARGUMENT;
  const std::shared_ptr<PendingCall> call = find(handle);
  if (call == nullptr)
    return set_result(out, BP_INVALID_HANDLE, "there is no such call; it was freed, or never started");
  if (timeout_ms != 0 && must_not_wait(call->context())) {
    return set_result(
        out, BP_REENTRANT,
        "this call blocks, so it is refused on a thread of the host; use another thread, or timeout_ms 0");
  }
  try {
    return ((*call).*wait)(WaitBound(timeout_ms), *out);
  } catch (const std::exception& error) {
    return set_result(out, BP_ERROR, error.what());
  }
}

}  // namespace

extern "C" {

bp_status bp_call_start(bp_context ctx, const bp_submission* submission, bp_pending* out) {
  if (out == nullptr) return BP_INVALID_ARGUMENT;
  out->id = 0;
  if (!covers_core(submission)) return BP_INVALID_ARGUMENT;
  const bp_submission chosen = widened(*submission);
  if (chosen.on_reply != nullptr || chosen.on_credit != nullptr) return BP_INVALID_ARGUMENT;
  return with_endpoint(ctx, [&](Endpoint& endpoint) -> bp_status {
    const auto call = std::make_shared<PendingCall>(ctx);
    const bp_pending handle = calls().add(call);
    const bp_status status = PendingCall::start(call, chosen, endpoint.logs_elsewhere());
    if (status == BP_OK) {
      *out = handle;
    } else {
      calls().remove(handle);
    }
    return status;
  });
}

bp_status bp_call_next(bp_pending call, uint64_t timeout_ms, bp_result* out) {
  return wait_for(call, timeout_ms, out, &PendingCall::next);
}

bp_status bp_call_wait(bp_pending call, uint64_t timeout_ms, bp_result* out) {
  return wait_for(call, timeout_ms, out, &PendingCall::wait);
}

bp_status bp_call_part(bp_pending handle, bp_bytes payload, uint32_t flags, uint64_t timeout_ms) {
  const std::shared_ptr<PendingCall> call = find(handle);
  if (call == nullptr) return BP_INVALID_HANDLE;
  if (timeout_ms != 0 && must_not_wait(call->context())) return BP_REENTRANT;
  try {
    return call->send(payload, flags, WaitBound(timeout_ms));
  } catch (const std::exception&) {
    return BP_ERROR;
  }
}

bp_status bp_call_cancel(bp_pending handle) {
  const std::shared_ptr<PendingCall> call = find(handle);
  return call == nullptr ? bp_status{BP_INVALID_HANDLE} : call->cancel();
}

void bp_call_free(bp_pending handle) {
  if (is_forked_child.load(std::memory_order_relaxed)) return;
  const std::shared_ptr<PendingCall> call = calls().remove(handle);
  if (call != nullptr) call->drop();
}

}  // extern "C"
