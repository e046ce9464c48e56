// SPDX-License-Identifier: Apache-2.0
//
// Calls: what is sent, what may come back, and what is wrong once no more can come.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "life.hpp"

namespace stress {

using Draws = std::array<std::uint64_t, 6>;

/// A wire name without its module, and what a call of it may end with besides BP_CANCELED.
struct Verb {
  const char* name;
  unsigned weight;  ///< in 1000
  bool order;       ///< takes one; the others may also come without
  bool must_time;   ///< nobody would answer it
  bool good;        ///< BP_OK, with the payload again
  bool nested;      ///< passes on what a nested call or a host function ended with
  bp_status other;  ///< what else it may end with; BP_OK for nothing
};

namespace {

constexpr bp_status module_error = BP_STATUS_MODULE_FIRST + 7;  // as in the module
constexpr bp_status app_error = BP_STATUS_MODULE_FIRST + 8;     // as in functions.cpp

constexpr Verb verbs[] = {
    {"echo", 440, false, false, true, false, BP_OK},
    {"later", 100, true, false, true, false, BP_OK},
    {"twice", 70, true, false, true, false, BP_OK},
    {"forget", 20, true, false, false, false, BP_NO_REPLY},
    {"never", 20, true, true, false, false, BP_OK},
    {"parts", 50, true, false, true, false, BP_OK},
    {"sleep", 50, true, false, true, false, BP_OK},
    {"call", 60, true, false, true, true, BP_NO_REPLY},
    {"ask", 80, true, false, true, true, BP_NO_HOST_FUNCTION},
    {"fd", 15, true, false, true, false, module_error},
    {"block", 10, true, false, true, true, BP_REENTRANT},
    {"block_many", 15, true, false, true, true, BP_REENTRANT},
    {"emit", 30, true, false, true, false, BP_OK},
    {"handles", 20, true, false, true, false, BP_OK},
    {"wedge", 1, true, false, true, false, BP_OK},
    {"fail", 19, true, false, false, false, module_error},
};
constexpr Verb unknown_verb{"nobody", 0, false, false, false, false, BP_UNKNOWN_NAME};

constexpr unsigned sum_of_weights() {
  unsigned sum = 0;
  for (const Verb& verb : verbs) sum += verb.weight;
  return sum;
}
static_assert(sum_of_weights() == 1'000);

const Verb& verb_at(std::uint64_t draw) {
  std::uint64_t place = draw % 1'016;
  for (const Verb& verb : verbs) {
    if (place < verb.weight) return verb;
    place -= verb.weight;
  }
  return unknown_verb;
}

// 0, small ones that travel inside the request record, and copied ones up to 256 KiB.
std::uint32_t size_at(std::uint64_t draw) {
  const std::uint64_t much = draw >> 8;
  switch (draw % 64) {
    case 0:
      return static_cast<std::uint32_t>(much % (256 * 1024 + 1));
    case 1:
    case 2:
      return 0;
    case 3:
    case 4:
    case 5:
    case 6:
      return static_cast<std::uint32_t>(much % 4'096);
    default:
      return static_cast<std::uint32_t>(much % 97);
  }
}

// A quarter of the calls has a deadline, half of those a short one. Those that nobody answers have no long one,
// which a context that ends in peace would have to wait for.
std::uint64_t timeout_at(std::uint64_t draw, bool must) {
  if (must) return 1 + (draw >> 8) % 40;
  if (draw % 8 == 0) return 1 + (draw >> 8) % 5;
  if (draw % 8 == 1) return 500 + (draw >> 8) % 1'000;
  return 0;
}

Order order_for(Call& call, const Verb& verb, std::uint64_t draw) {
  Order order;
  order.tally = &call.life->tally;
  order.mark = &call;
  order.delay = static_cast<std::uint32_t>((draw >> 4) % 4'000);
  if (std::string_view(verb.name) == "sleep") order.delay = static_cast<std::uint32_t>((draw >> 4) % 20'000);
  if (std::string_view(verb.name) == "wedge") order.delay = static_cast<std::uint32_t>(5'000 + (draw >> 4) % 55'000);
  order.pick = static_cast<std::uint32_t>(draw >> 20);
  order.count = static_cast<std::uint32_t>((draw >> 52) % 8);
  if (std::string_view(verb.name) == "emit" && draw % 128 == 0) order.count *= 60;  // a burst that may overflow
  order.limit = static_cast<std::uint32_t>(2 + (draw >> 56) % 40);
  return order;
}

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

void on_reply(void* user, const bp_answer* answer) {
  Call& call = *static_cast<Call*>(user);
  if (call.terminal != 0) ++call.after;
  switch (answer->status) {
    case BP_STALE:
      ++call.life->world.totals.stale_replies;
      return check_stale(call, *answer);
    case BP_PARTIAL:
      ++call.partial;
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
  for (int i = 0; i < 100 && life.own.accepted - life.own.terminal > crowd; ++i)
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
  if (is_refusal(status)) {
    ++life.own.refused;
  } else if (status != BP_INVALID_HANDLE || !life.forced) {
    life.problem(std::string("a submit was refused with ") + bp_status_name(status));
  }
  if (status == BP_CLOSED && !life.closing) life.problem("a submit was refused with closed before the close");
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
  bp_request request{};
  const bp_status status = bp_submit(life.native, &submission, &request);
  if (status != BP_OK) {
    bp_buffer_free(submission.buffer);
    return count_refusal(life, status);
  }
  call.request = request.id;
  call.accepted = true;
  ++life.own.accepted;
  life.recent[draws[5] >> 32 & (Life::recent_count - 1)] = &call;
}

void submit_wedge(Life& life, std::uint64_t draw) {
  std::uint64_t place = 0;
  for (const Verb* verb = verbs; std::string_view(verb->name) != "wedge"; ++verb) place += verb->weight;
  submit(life, {place, 1, 0, draw, 2, 0}, true);
}

void call_sync(Life& life, const Draws& draws) {
  hold_back(life);
  const Prepared made = prepare(life, draws);
  Call& call = made.call;
  call.sync = call.no_stale = true;
  std::vector<std::uint8_t> bytes(payload_size(call));
  write_payload(call, bytes.data());
  Result result;
  const bp_status status =
      bp_call_sync(life.native, str(made.name), {bytes.data(), bytes.size()}, made.timeout_ms, &result);
  if (status != result.status) life.problem("bp_call_sync returned another status than the result has");
  if (is_refusal(status) || status == BP_INVALID_HANDLE) return count_refusal(life, status);
  call.accepted = true;
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

void find_method(Life& life, const Draws& draws) {
  const bool steady = draws[0] % 2 != 0;
  bp_method method{};
  const bp_status status =
      bp_method_find(life.native, steady ? BP_STR("stress_steady.later") : BP_STR("stress_coming.later"), &method);
  const bool gone = status == BP_INVALID_HANDLE && life.forced;
  if (status == BP_OK ? method.id == 0 : method.id != 0) life.problem("bp_method_find: status and handle disagree");
  if (status != BP_OK && !gone && (steady || status != BP_UNKNOWN_NAME))
    life.problem(std::string("bp_method_find returned ") + bp_status_name(status));
}

// ---- The reckoning ----

namespace {

// What the host answers in the stead of the module, and when it may.
bool may_end_with(const Call& call, bp_status status) {
  const Verb& verb = *call.verb;
  const bool unknown = &verb == &unknown_verb;
  switch (status) {
    case BP_OK:
      return verb.good;
    case BP_CANCELED:
      return call.cancels != 0 || call.life->forced;
    case BP_DEADLINE:
      return call.timed || verb.nested;
    case BP_MODULE_GONE:
      return !unknown && (!call.steady || verb.nested);
    case BP_UNKNOWN_NAME:
      return unknown || !call.steady || verb.nested;
    case BP_INSTANCE_FAILED:
      return call.life->closing;
    case BP_NO_REPLY:
    case BP_REENTRANT:
    case BP_NO_HOST_FUNCTION:
      return verb.nested || status == verb.other;
    case app_error:
      return verb.nested;
    default:
      return status == verb.other || (status == module_error && verb.nested);
  }
}

void check_mark(const Call& call, const std::string& name) {
  if (!call.has_order) return;
  const std::uint32_t said = call.said;
  const bp_status status = call.status;
  if (said > 1) call.life->problem(name + ": the host took two terminal answers for one call");
  if (said == 1 && status != call.said_status)
    call.life->problem(name + ": the host took the module's answer, and then delivered another one");
  if (said == 0 && (status == BP_OK || status >= BP_STATUS_MODULE_FIRST))
    call.life->problem(name + ": an answer of the module's that it did not give");
  if (call.partial > call.parts) call.life->problem(name + ": more parts than were given");
  if (said == 1 && !call.sync && call.partial != call.parts)
    call.life->problem(name + ": a part that was taken is lost");
}

}  // namespace

void settle(Call& call) {
  Totals& totals = call.life->world.totals;
  const std::string name = call.verb->name;
  const std::uint32_t terminal = call.terminal;
  if (!call.accepted) {
    ++totals.refused;
    if (terminal != 0 || call.partial != 0) call.life->problem(name + ": a reply to a call that was refused");
    return;
  }
  ++totals.accepted;
  totals.terminal += terminal;
  totals.partial_replies += call.partial;
  if (terminal == 0) {
    ++totals.lost;
    return call.life->problem(name + ": lost, no terminal reply");
  }
  if (terminal > 1) {
    ++totals.twice;
    call.life->problem(name + ": more than one terminal reply");
  }
  if (call.after != 0) call.life->problem(name + ": a reply after the terminal one");
  const bp_status status = call.status;
  ++totals.ended_with[status < 63 && status >= 0 ? static_cast<std::size_t>(status) : 63];
  if (!may_end_with(call, status))
    call.life->problem(name + ": ended with " + bp_status_name(status) + ", which nothing here can cause");
  if (call.cancels > 1) call.life->problem(name + ": canceled twice");
  if (call.cancels == 1 && status != BP_CANCELED)
    call.life->problem(name + ": canceled, and ended with something else");
  check_mark(call, name);
}

}  // namespace stress
