// SPDX-License-Identifier: Apache-2.0
//
// Holds the host's counts of a context against the program's and the module's. What the host's mean
// (docs/protocol.md, host/context/status_report.cpp):
//
//   accepted          submits that returned BP_OK, taken by the request thread
//   replied, errors   their terminal replies delivered; those that were not BP_OK
//   refused           submits the context refused, whatever for; not those with an invalid context handle
//   events.emitted    emits with arguments in order, whatever became of them
//   events.delivered  those that the event thread's listeners have seen, or that nobody listened to
//   events.lost       those that were dropped before
//   listener.<id>.…   what one listener has seen, lost, and is behind
//   events.refused    those that did not return BP_OK
//   tokens.answered   tokens whose first answer was taken, the application's or a module's
//   tokens.failed     the others: canceled, past their limit, or there was no function to call
//   tokens.refused    bp_complete calls on this context that returned BP_STALE_TOKEN
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "life.hpp"
#include "status.hpp"

namespace stress {
namespace {

struct Equation {
  std::string text;
  std::uint64_t left;
  std::uint64_t right;
};

std::vector<std::uint64_t> own_counts(const Life& life) {
  const OwnCounts& own = life.own;
  const CallStats& stats = life.stats;
  return {own.accepted,           own.terminal,      own.errors,         own.refused,       own.handed,
          own.completed,          own.events_seen,   own.events_lost,    own.listeners,     own.stale_completions,
          stats.emit_tried,       stats.emit_taken,  stats.emit_refused, stats.no_function, stats.offered,
          stats.offered_answered, stats.emit_waited, own.events_waited};
}

// Each listener's own counts. It may still be behind, if it has a thread of its own.
void add_listeners(Life& life, const Numbers& host, std::vector<Equation>& out) {
  const std::lock_guard lock(life.listeners_mutex);
  for (const Listening* const each : life.listeners) {
    if (each == nullptr || each->inside != 0) continue;
    const std::string name = "listener." + std::to_string(each->id);
    out.push_back({name + " delivered = seen", host[name + ".delivered"], each->seen});
    out.push_back({name + " lost = told by gaps", host[name + ".lost"], each->lost});
  }
}

std::vector<Equation> equations(const Life& life, const Numbers& host) {
  const OwnCounts& own = life.own;
  const CallStats& stats = life.stats;
  return {
      {"requests queued", host["queued"], 0},
      {"requests running", host["running"], 0},
      {"tokens open", host["tokens.open"], 0},
      {"events queued", host["events.queued"], 0},
      {"submits accepted = calls the host accepted", own.accepted, host["accepted"]},
      {"submits accepted = terminal replies", own.accepted, own.terminal},
      {"calls the host accepted = replied", host["accepted"], host["replied"]},
      {"error replies = errors the host counts", own.errors, host["errors"]},
      {"submits refused = refusals the host counts", own.refused, host["refused"]},
      {"emits tried = emitted", stats.emit_tried, host["events.emitted"]},
      {"emits taken = delivered + lost", stats.emit_taken, host["events.delivered"] + host["events.lost"]},
      {"emits refused = refused", stats.emit_refused, host["events.refused"]},
      {"emits tried = delivered + lost + refused", stats.emit_tried,
       host["events.delivered"] + host["events.lost"] + host["events.refused"]},
      {"events delivered = events seen", host["events.delivered"], own.events_seen},
      {"events lost = told by gaps", host["events.lost"], own.events_lost},
      {"emits taken = delivered + lost + behind, of the listener that hears all", stats.emit_taken,
       host["listener.1.delivered"] + host["listener.1.lost"] + host["listener.1.behind"]},
      {"emits that waited = events seen that were waited for", stats.emit_waited, own.events_waited},
      {"tokens handed out = answered + failed", own.handed + stats.offered + stats.no_function,
       host["tokens.answered"] + host["tokens.failed"]},
      {"completions taken = tokens answered", own.completed + stats.offered_answered, host["tokens.answered"]},
      {"completions refused = refused", own.stale_completions, host["tokens.refused"]},
      {"listeners", own.listeners, host["listeners"]},
  };
}

bool hold(const std::vector<Equation>& all) {
  for (const Equation& each : all) {
    if (each.left != each.right) return false;
  }
  return true;
}

void add_up(const Life& life, const Numbers& host) {
  Totals& totals = life.world.totals;
  ++totals.audited;
  totals.host_accepted += host["accepted"];
  totals.host_replied += host["replied"];
  totals.host_refused += host["refused"];
  totals.emitted += host["events.emitted"];
  totals.delivered += host["events.delivered"];
  totals.events_refused += host["events.refused"];
  totals.tokens_handed += life.own.handed + life.stats.offered + life.stats.no_function;
  totals.tokens_answered += host["tokens.answered"];
  totals.tokens_failed += host["tokens.failed"];
  totals.completions_refused += host["tokens.refused"];
}

}  // namespace

// Other threads write the counts while they are read. A reload by another actor may also end an instance of this
// context, which emits. So a reading is valid only if nothing has changed meanwhile, and the equations must hold
// eventually.
void audit(Life& life) {
  const auto until = std::chrono::steady_clock::now() + life.world.patience();
  for (auto wait = std::chrono::milliseconds(1);; wait = std::min(wait * 2, std::chrono::milliseconds(20))) {
    const auto before = own_counts(life);
    const StatusReport report = read_status(life.world.keeper);
    const Numbers* const host = report.context(life.report_id);
    std::vector<Equation> all = host == nullptr ? std::vector<Equation>{} : equations(life, *host);
    if (host != nullptr) add_listeners(life, *host, all);
    const bool still = before == own_counts(life);
    if (host != nullptr && still && hold(all)) return add_up(life, *host);
    if (std::chrono::steady_clock::now() > until) {
      life.world.in_vain = true;
      if (host == nullptr) life.problem("a context that is not in the status report");
      for (const Equation& each : all) {
        if (each.left != each.right)
          life.problem("does not hold: " + each.text + ": " + std::to_string(each.left) + " and " +
                       std::to_string(each.right));
      }
      if (hold(all)) life.problem("a context does not come to rest");
      return;
    }
    std::this_thread::sleep_for(wait);
  }
}

}  // namespace stress
