// SPDX-License-Identifier: Apache-2.0
//
// The C functions for calls, events, host functions and pollers.
#include <backplane/backplane.h>
#include <backplane/providing.h>

#include <atomic>
#include <backplane/cbor/utf8.hpp>

#include "context/context.hpp"
#include "embed/guard.hpp"
#include "endpoint/reply_waiter.hpp"
#include "support/names.hpp"
#include "support/short_text.hpp"
#include "support/sized.hpp"
#include "support/views.hpp"

using namespace backplane::host;

namespace {

constexpr std::size_t most_label = 256;

// Text that can neither end a line nor control a terminal.
bool is_one_line(std::string_view text) noexcept {
  if (!backplane::cbor::valid_utf8(text)) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool second_set = c == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0;  // U+0080 to U+009F
    if (c < 0x20 || c == 0x7f || second_set) return false;
  }
  return true;
}

}  // namespace

extern "C" {

bp_status bp_submit(bp_context ctx, const bp_submission* submission, bp_request* request) {
  if (request != nullptr) std::atomic_ref(request->id).store(0, std::memory_order_relaxed);
  if (!covers_core(submission)) return BP_INVALID_ARGUMENT;
  bp_submission room;
  const bp_submission& chosen = widened(*submission, room);
  if (is_null(chosen.name) || is_null(chosen.payload)) return BP_INVALID_ARGUMENT;
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.submit(chosen, request); });
}

bp_status bp_call_sync(bp_context ctx, bp_str name, bp_bytes payload, uint64_t timeout_ms, bp_result* out) {
  ReplyWaiter waiter(out);
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.flags = BP_SUBMIT_NO_STALE;
  submission.name = name;
  submission.payload = payload;
  submission.timeout_ms = timeout_ms;
  submission.on_reply = ReplyWaiter::on_reply;
  submission.user = &waiter;
  const bp_status submitted = with_endpoint(ctx, out, [&](Endpoint& endpoint) {
    if (is_null(name) || is_null(payload)) return set_result(out, BP_INVALID_ARGUMENT, null_view);
    const bp_status status = endpoint.submit(submission, nullptr);
    return status == BP_OK ? BP_OK : set_result(out, status, bp_status_text(status));
  });
  if (submitted != BP_OK) return submitted;
  // Outside the border: a destroy of the context must not wait for this call, but the other way round.
  return waiter.spin_and_sleep();
}

bp_status bp_cancel(bp_context ctx, bp_request request) {
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.cancel(request); });
}

bp_status bp_request_credit(bp_context ctx, bp_request request, uint64_t bytes) {
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.credit(request, bytes); });
}

bp_status bp_request_part(bp_context ctx, bp_request request, bp_bytes payload, uint32_t flags) {
  constexpr std::uint32_t known_flags = BP_PART_LAST | BP_PART_END;
  if (is_null(payload) || (flags & ~known_flags) != 0) return BP_INVALID_ARGUMENT;
  if ((flags & BP_PART_END) != 0 && payload.size != 0) return BP_INVALID_ARGUMENT;
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.send_part(request, payload, flags); });
}

bp_status bp_source_open(bp_context ctx, bp_source* out) {
  if (out == nullptr) return BP_INVALID_ARGUMENT;
  *out = {0};
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.open_source(*out); });
}

bp_status bp_source_name(bp_context ctx, bp_source source, bp_str name) {
  if (is_null(name) || name.size == 0 || name.size > ShortText::capacity || !is_one_line(view(name))) {
    return BP_INVALID_ARGUMENT;
  }
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.name_source(source, view(name)); });
}

bp_status bp_source_hold(bp_context ctx, bp_source source, int32_t hold) {
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.hold_source(source, hold != 0); });
}

bp_status bp_source_close(bp_context ctx, bp_source source) {
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.close_source(source); });
}

bp_status bp_method_find(bp_context ctx, bp_str name, bp_method* out) {
  if (out == nullptr || is_null(name)) return BP_INVALID_ARGUMENT;
  *out = {0};
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.find_method(name, *out); });
}

bp_status bp_listen(bp_context ctx, bp_str pattern, bp_event_fn on_event, void* user, bp_listener* out) {
  bp_subscription subscription{};
  subscription.struct_size = sizeof subscription;
  subscription.pattern = pattern;
  subscription.on_event = on_event;
  subscription.user = user;
  return bp_subscribe(ctx, &subscription, out);
}

bp_status bp_subscribe(bp_context ctx, const bp_subscription* subscription, bp_listener* out) {
  if (out == nullptr) return BP_INVALID_ARGUMENT;
  *out = {0};
  if (!covers_core(subscription)) return BP_INVALID_ARGUMENT;
  const bp_subscription chosen = widened(*subscription);
  constexpr std::uint32_t known_flags = BP_LISTEN_OWN_THREAD | BP_LISTEN_LOSSLESS | BP_LISTEN_CREDIT;
  if (chosen.on_event == nullptr || is_null(chosen.pattern) || is_null(chosen.label)) return BP_INVALID_ARGUMENT;
  const std::string_view label = view(chosen.label);
  if (label.size() > most_label || !backplane::cbor::valid_utf8(label)) return BP_INVALID_ARGUMENT;
  if ((chosen.flags & BP_LISTEN_LOSSLESS) == 0 &&
      ((chosen.flags & BP_LISTEN_CREDIT) != 0 || chosen.window_bytes != 0)) {
    return BP_INVALID_ARGUMENT;
  }
  if ((chosen.flags & ~known_flags) != 0 || !is_event_pattern(view(chosen.pattern))) return BP_INVALID_ARGUMENT;
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.listen(chosen, *out); });
}

bp_status bp_event_drop(const bp_event* event) { return event != nullptr && drop_event() ? BP_OK : BP_INVALID_HANDLE; }

bp_status bp_listener_credit(bp_context ctx, bp_listener listener, uint64_t bytes) {
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.credit_listener(listener, bytes); });
}

bp_status bp_unlisten(bp_context ctx, bp_listener listener) {
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.unlisten(listener); });
}

bp_status bp_function_set(bp_context ctx, bp_str name, bp_host_function_fn function, void* user) {
  if (is_null(name)) return BP_INVALID_ARGUMENT;
  const FunctionChange change{view(name), user, function};
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.change_function(change); });
}

bp_status bp_function_provide(bp_context ctx, const bp_provided* provided) {
  if (!covers_core(provided)) return BP_INVALID_ARGUMENT;
  const bp_provided chosen = widened(*provided);
  constexpr std::uint32_t known_flags = BP_PROVIDE_NEW;
  if (chosen.on_ask == nullptr || is_null(chosen.name) || (chosen.flags & ~known_flags) != 0) {
    return BP_INVALID_ARGUMENT;
  }
  FunctionChange change{view(chosen.name), chosen.user, nullptr, chosen.on_ask, chosen.on_unask};
  if ((chosen.flags & BP_PROVIDE_NEW) != 0) change.only = FunctionChange::Only::absent;
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.change_function(change); });
}

bp_status bp_function_withdraw(bp_context ctx, bp_str name, const void* user) {
  if (is_null(name)) return BP_INVALID_ARGUMENT;
  FunctionChange change{view(name), const_cast<void*>(user)};
  change.only = FunctionChange::Only::of_user;
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.change_function(change); });
}

bp_status bp_poller_set(bp_context ctx, const bp_poller* poller) {
  if (poller == nullptr) return with_endpoint(ctx, [](Endpoint& endpoint) { return endpoint.set_poller(nullptr); });
  if (!covers_core(poller) || poller->poll == nullptr || poller->fd < 0) return BP_INVALID_ARGUMENT;
  const bp_poller chosen = widened(*poller);
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.set_poller(&chosen); });
}

bp_status bp_complete(bp_context ctx, bp_token token, const bp_answer* answer) {
  if (!covers_core(answer)) return BP_INVALID_ARGUMENT;
  const bp_answer given = widened(*answer);
  if (is_null(given.payload) || is_null(given.message) || is_null(given.detail)) return BP_INVALID_ARGUMENT;
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.complete(token, given); });
}

}  // extern "C"
