// SPDX-License-Identifier: Apache-2.0
//
// Calls: what is sent, and what comes back.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "verb.hpp"

namespace stress {

using Draws = std::array<std::uint64_t, 6>;

namespace {

void write_payload(const Call& call, std::uint8_t* at) {
  if (call.has_order) {
    std::memcpy(at, &call.order, sizeof call.order);
    at += sizeof call.order;
  }
  if (call.tail_size != 0) std::memcpy(at, call.tail, call.tail_size);
}
std::size_t payload_size(const Call& call) { return (call.has_order ? sizeof call.order : 0) + call.tail_size; }

bool is_payload(const Call& call, bp_bytes bytes) {
  if (bytes.size != payload_size(call)) return false;
  if (call.has_order) {
    if (std::memcmp(bytes.data, &call.order, sizeof call.order) != 0) return false;
    bytes.data += sizeof call.order;
  }
  return call.tail_size == 0 || std::memcmp(bytes.data, call.tail, call.tail_size) == 0;
}

struct Prepared {
  Call& call;
  std::string name;
  std::uint64_t timeout_ms;
};

Prepared prepare(Life& life, const Draws& draws) {
  Call& call = life.new_call();
  const Verb& verb = verb_at(draws[0]);
  call.verb = &verb;
  call.steady = draws[1] % 3 != 0;
  call.has_order = verb.order || draws[1] >> 8 & 1;
  call.tail = noise() + (draws[2] >> 32) % (noise_size / 2);
  call.tail_size = size_at(draws[2]);
  if (verb.order) call.tail_size %= 4'096;  // those are copied about
  if (call.has_order) call.order = order_for(call, verb, draws[3]);
  const std::uint64_t timeout = timeout_at(draws[4], verb.must_time);
  call.timed = timeout != 0;
  return {call, std::string(call.steady ? "stress_steady." : "stress_coming.") + verb.name, timeout};
}

// ---- What comes back ----

void check_stale(const Call& call, const bp_answer& answer) {
  if (call.no_stale) call.life->problem("a stale reply to a call that wants none");
  const auto* const text = reinterpret_cast<const char*>(answer.payload.data);
  if (answer.payload.size == 0 ||
      !std::all_of(text, text + answer.payload.size, [](char c) { return c >= '0' && c <= '9'; }))
    call.life->problem("a stale reply whose payload is not decimal");
}

// What only other threads may do, tried on the request thread. A context that was set aside has a stale handle.
void try_what_is_refused(Life& life) {
  const auto check = [&life](const char* what, bp_status status) {
    if (status != BP_REENTRANT && (status != BP_INVALID_HANDLE || !life.forced))
      life.problem(std::string(what) + " in a reply callback returned " + bp_status_name(status));
  };
  Result result;
  check("bp_call_sync", bp_call_sync(life.native, BP_STR("stress_steady.echo"), {nullptr, 0}, 0, &result));
  check("bp_context_stop", bp_context_stop(life.native, 1));
  check("bp_context_destroy", bp_context_destroy(life.native));
}

void end_call(Call& call, const bp_answer& answer) {
  Life& life = *call.life;
  if (answer.status == BP_OK && !is_payload(call, answer.payload))
    life.problem(std::string("an answer of ") + call.verb->name + " that is not the payload that was sent");
  if (answer.status != BP_OK && answer.payload.size != 0) life.problem("an error with a payload");
  call.status = answer.status;
  const bool first = call.terminal.fetch_add(1) == 0;
  ++life.own.terminal;
  if (answer.status != BP_OK) ++life.own.errors;
  if (!first) return;
  if (call.again) submit(life, {1, call.tail_size, call.tail_size, 0, 2, 0}, true);
  if (call.reenter) try_what_is_refused(life);
}

// Its handle is there before the first reply.
void give_credit(const Call& call, std::size_t size) {
  const bp_status status = bp_request_credit(call.life->native, {call.request}, size);
  if (status != BP_OK && status != BP_INVALID_HANDLE)  // its answer may be on its way already
    call.life->problem(std::string("credit for a part was answered ") + bp_status_name(status));
}

void on_reply(void* user, const bp_answer* answer) {
  Call& call = *static_cast<Call*>(user);
  if (call.terminal != 0) ++call.after;
  switch (answer->status) {
    case BP_STALE:
      ++call.life->world.totals.stale_replies;
      return check_stale(call, *answer);
    case BP_PARTIAL:
      ++call.partial;
      if (call.by_hand) give_credit(call, answer->payload.size);
      if (!is_payload(call, answer->payload)) call.life->problem("a part that is not the payload that was sent");
      return;
    default:
      end_call(call, *answer);
  }
}

// Calls in the air above which actors hold back for a while, so that the end does not take longer than the
// rest; each that suspends has a stack.
constexpr std::uint64_t crowd = 400;

void hold_back(const Life& life) {
  for (int i = 0; i < 10 && life.own.accepted - life.own.terminal > crowd; ++i)
    std::this_thread::sleep_for(std::chrono::microseconds(100));
}

// The payload in a buffer of the host's, which is taken over if the call is accepted.
bp_buffer* buffer_of(const Call& call) {
  bp_buffer* const buffer = bp_buffer_new(payload_size(call));
  if (buffer == nullptr) return nullptr;
  write_payload(call, buffer->data);
  buffer->size = payload_size(call);
  return buffer;
}

bool is_refusal(bp_status status) {
  switch (status) {
    case BP_CLOSED:
    case BP_OVERLOADED:
    case BP_EVENT_QUEUE_STUCK:
      return true;
    default:
      return false;
  }
}

// BP_INVALID_HANDLE: the context has been destroyed; that is refused before it could count it.
void count_refusal(Life& life, bp_status status) {
  if (status >= 0 && status < 64) ++life.world.totals.refused_with[static_cast<std::size_t>(status)];
  if (is_refusal(status)) {
    ++life.own.refused;
  } else if (status != BP_INVALID_HANDLE || !life.forced) {
    life.problem(std::string("a submit was refused with ") + bp_status_name(status));
  }
  if (status == BP_CLOSED && !life.closing) life.problem("a submit was refused with closed before the close");
}

void send_parts(Life& life, Call& call) {
  std::vector<std::uint8_t> bytes(payload_size(call));
  write_payload(call, bytes.data());
  for (std::uint32_t i = 0; i <= call.order.count; ++i) {
    const bool end = i == call.order.count;
    ++call.sent;  // before, because the handler may take it at once
    const bp_status status =
        bp_request_part(life.native, {call.request}, end ? bp_bytes{} : bp_bytes{bytes.data(), bytes.size()},
                        end ? std::uint32_t{BP_PART_END} : 0);
    if (end || status != BP_OK) --call.sent;
    if (status == BP_INVALID_HANDLE) return;  // it has ended
    if (status != BP_OK) life.problem(std::string("a part of a request was answered ") + bp_status_name(status));
  }
}

void hold_a_source(Life& life, std::uint64_t draw) {
  const bp_source source = life.sources[draw % (Life::source_count - 1)];
  bp_source_hold(life.native, source, 1);
  std::this_thread::sleep_for(std::chrono::microseconds(draw >> 8 & 1023));
  bp_source_hold(life.native, source, 0);
}

}  // namespace

void submit(Life& life, const Draws& draws, bool from_reply) {
  if (!from_reply) hold_back(life);
  const Prepared made = prepare(life, draws);
  Call& call = made.call;
  call.no_stale = draws[4] >> 60 & 1;
  call.again = !from_reply && draws[5] % 16 == 0;
  call.reenter = !from_reply && draws[5] % 64 == 1;
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.flags = call.no_stale ? BP_SUBMIT_NO_STALE : 0;
  submission.name = str(made.name);
  submission.timeout_ms = made.timeout_ms;
  submission.on_reply = on_reply;
  submission.user = &call;
  std::vector<std::uint8_t> bytes;
  if (draws[5] >> 16 & 1) bp_method_find(life.native, str(made.name), &submission.method);
  if (draws[5] >> 17 & 1) submission.buffer = buffer_of(call);
  if (submission.buffer == nullptr) {
    bytes.resize(payload_size(call));
    write_payload(call, bytes.data());
    submission.payload = {bytes.data(), bytes.size()};
  }
  const bool in_parts = std::string_view(call.verb->name) == "input";
  call.by_hand = draws[5] >> 18 & 1;
  if (call.by_hand) submission.flags |= BP_SUBMIT_CREDIT;
  if (in_parts) submission.flags |= BP_SUBMIT_PARTS;
  submission.window_parts = static_cast<std::uint32_t>(draws[5] >> 19 & 3);
  submission.source = life.sources[(draws[5] >> 21 & 3) % Life::source_count];
  static_assert(sizeof call.request == sizeof(bp_request));
  const bp_status status = bp_submit(life.native, &submission, reinterpret_cast<bp_request*>(&call.request));
  if (status != BP_OK) {
    bp_buffer_free(submission.buffer);
    return count_refusal(life, status);
  }
  call.accepted = true;
  ++life.own.accepted;
  life.recent[draws[5] >> 32 & (Life::recent_count - 1)] = &call;
  if (in_parts) send_parts(life, call);
  if (draws[5] % 512 == 2) hold_a_source(life, draws[5] >> 40);
}

void submit_wedge(Life& life, std::uint64_t draw) { submit(life, {draw_of("wedge"), 1, 0, draw, 2, 0}, true); }

void call_sync(Life& life, const Draws& draws) {
  hold_back(life);
  const Prepared made = prepare(life, draws);
  Call& call = made.call;
  call.sync = call.no_stale = true;
  std::vector<std::uint8_t> bytes(payload_size(call));
  write_payload(call, bytes.data());
  call.accepted = true;  // if it never returns, it is lost
  Result result;
  const bp_status status =
      bp_call_sync(life.native, str(made.name), {bytes.data(), bytes.size()}, made.timeout_ms, &result);
  if (status != result.status) life.problem("bp_call_sync returned another status than the result has");
  if (is_refusal(status) || status == BP_INVALID_HANDLE) {
    call.accepted = false;
    return count_refusal(life, status);
  }
  ++life.own.accepted;
  bp_answer answer{};
  answer.status = status;
  answer.payload = result.payload;
  end_call(call, answer);
}

void submit_wrongly(Life& life, const Draws& draws) {
  static const bp_reply_fn never_called = [](void* user, const bp_answer*) {
    static_cast<Life*>(user)->problem("a reply to a call that was refused");
  };
  const bool context_lives = !life.closing;
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("stress_steady.echo");
  submission.on_reply = never_called;
  submission.user = &life;
  bp_status expected = BP_INVALID_ARGUMENT;
  bp_context where = life.native;
  bool counted = true;
  switch (draws[0] % 6) {
    case 0:
      submission.on_reply = nullptr;
      expected = BP_MISSING_CALLBACK;
      break;
    case 1:
      submission.flags = 0x80;
      break;
    case 2:
      submission.name = {nullptr, 0};
      break;
    case 3:
      submission.method.id = draws[1] | 1ull << 62;
      expected = BP_INVALID_HANDLE;
      break;
    case 4:
      submission.struct_size = 8;
      counted = false;
      break;
    default:
      where.id = draws[1];
      expected = BP_INVALID_HANDLE;
      counted = false;
      break;
  }
  const bp_status status = bp_submit(where, &submission, nullptr);
  if (status == expected && counted) {
    ++life.own.refused;  // if the context is no more, nobody will compare
  } else if (status != expected && context_lives && !life.closing) {
    life.problem(std::string("a wrong submit was answered ") + bp_status_name(status) + ", expected " +
                 bp_status_name(expected));
  }
}

void cancel(Life& life, const Draws& draws) {
  if (draws[0] % 32 == 0) {
    if (bp_cancel(life.native, {draws[1]}) == BP_OK) life.problem("a made-up request was canceled");
    return;
  }
  Call* const call = life.recent[draws[1] % Life::recent_count];
  if (call == nullptr) return;
  switch (const bp_status status = bp_cancel(life.native, {call->request})) {
    case BP_OK:
      ++call->cancels;
      ++life.world.totals.cancels;
      break;
    case BP_INVALID_HANDLE:
      break;
    default:
      life.problem(std::string("bp_cancel returned ") + bp_status_name(status));
  }
}

// Without a context; it answers its payload on the calling thread.
void call_static(Life& life, bool steady, std::uint64_t draw) {
  const bp_bytes payload{reinterpret_cast<const std::uint8_t*>(&draw), sizeof draw};
  bp_result result{};
  result.struct_size = sizeof result;
  const bp_status status = bp_call_sync(
      bp_host_context(), steady ? BP_STR("stress_steady.fixed") : BP_STR("stress_coming.fixed"), payload, 0, &result);
  const bool echoed = result.payload.size == sizeof draw && std::memcmp(result.payload.data, &draw, sizeof draw) == 0;
  if (status == BP_OK && !echoed) life.problem("a static call answered something else than its payload");
  if (status != BP_OK && (steady || (status != BP_MODULE_GONE && status != BP_UNKNOWN_NAME)))
    life.problem(std::string("a static call ended with ") + bp_status_name(status));
  bp_result_free(&result);
}

void find_method(Life& life, const Draws& draws) {
  const bool steady = draws[0] % 2 != 0;
  bp_method method{};
  const bp_status status =
      bp_method_find(life.native, steady ? BP_STR("stress_steady.later") : BP_STR("stress_coming.later"), &method);
  const bool gone = status == BP_INVALID_HANDLE && life.forced;
  if (status == BP_OK ? method.id == 0 : method.id != 0) life.problem("bp_method_find: status and handle disagree");
  if (status != BP_OK && !gone && (steady || status != BP_UNKNOWN_NAME))
    life.problem(std::string("bp_method_find returned ") + bp_status_name(status));
  call_static(life, steady, draws[1]);
}

}  // namespace stress
