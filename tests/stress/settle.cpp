// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with a call, once no more replies can come.
#include <string>

#include "verb.hpp"

namespace stress {
namespace {

// What the host answers in the stead of the module, and when it may.
bool may_end_with(const Call& call, bp_status status) {
  const Verb& verb = *call.verb;
  const bool unknown = is_unknown(verb);
  switch (status) {
    case BP_OK:
      return verb.good;
    case BP_CANCELED:
      return call.cancels != 0 || call.life->forced;
    case BP_DEADLINE:
      return call.timed || verb.nested;
    case BP_MODULE_GONE:
      return !unknown && (!call.steady || verb.nested);
    case BP_UNKNOWN_NAME:  // also if a module comes back between the two looks at it that tell gone from unknown
      return unknown || !call.steady || verb.nested;
    case BP_INSTANCE_FAILED:
      return call.life->closing;
    case BP_NO_REPLY:
    case BP_OVERLOADED:  // a handler that calls itself, until it is too deep
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
  if (call.received > call.sent) call.life->problem(name + ": more parts of the request than were sent");
  if (said == 1 && status == BP_OK && call.received != call.sent)
    call.life->problem(name + ": a part of the request is lost: " + std::to_string(call.sent) + " sent, " +
                       std::to_string(call.received) + " received");
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
  totals.parts_received += call.received;
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
