// SPDX-License-Identifier: Apache-2.0
#include <cinttypes>
#include <cstdio>

#include "run.hpp"

namespace stress {
namespace {

void row(const char* what, std::uint64_t count) { std::printf("  %-34s %12" PRIu64 "\n", what, count); }

void print_calls(const Totals& totals) {
  std::printf("calls\n");
  row("accepted", totals.accepted);
  row("terminal replies", totals.terminal);
  row("refused", totals.refused);
  row("canceled", totals.cancels);
  row("stale replies", totals.stale_replies);
  row("partial replies", totals.partial_replies);
  row("parts of requests", totals.parts_received);
  std::printf("calls refused with\n");
  for (std::size_t i = 0; i < totals.refused_with.size(); ++i) {
    if (totals.refused_with[i] != 0) row(bp_status_name(static_cast<bp_status>(i)), totals.refused_with[i]);
  }
  std::printf("calls ended with\n");
  for (std::size_t i = 0; i < totals.ended_with.size(); ++i) {
    if (totals.ended_with[i] != 0)
      row(i == 63 ? "an error of a module's" : bp_status_name(static_cast<bp_status>(i)), totals.ended_with[i]);
  }
}

void print_host(const Totals& totals) {
  std::printf("the host's counts, of contexts whose status was read before their end\n");
  row("contexts", totals.audited);
  row("calls accepted", totals.host_accepted);
  row("calls replied", totals.host_replied);
  row("calls refused", totals.host_refused);
  row("events emitted", totals.emitted);
  row("events delivered", totals.delivered);
  row("events refused", totals.events_refused);
  row("tokens handed out", totals.tokens_handed);
  row("tokens answered", totals.tokens_answered);
  row("tokens failed", totals.tokens_failed);
  row("completions refused", totals.completions_refused);
}

void print_rest(const World& world) {
  const Totals& totals = world.totals;
  std::printf("all contexts\n");
  row("contexts ended", totals.lives);
  row("contexts set aside by destroy", totals.quarantined);
  row("events taken", totals.events_taken);
  row("events waited for", totals.events_waited);
  row("events seen", totals.events_seen);
  row("events lost", totals.events_lost);
  row("liveness events", totals.liveness_events);
  row("listeners", totals.listeners);
  row("host functions set", totals.functions);
  row("wrong completions tried", totals.forged);
  row("module loads", totals.loads);
  row("module unloads", totals.unloads);
  row("module unloads that said pinned", totals.pinned);
  row("module reloads", totals.reloads);
  row("module instances", world.board.instances_made);
  row("handles", world.board.handles_put);
  row("status reports read", totals.status_reports);
  std::printf("operations\n");
  for (std::size_t i = 0; i < totals.operations.size(); ++i) row(name(static_cast<Kind>(i)), totals.operations[i]);
  row("that found nothing to do it to", totals.skipped);
}

void print_hashes(const Outcome& outcome) {
  std::printf("order of the first %" PRIu64 " operations of each thread:", outcome.hashed);
  for (const std::uint64_t hash : outcome.hashes) {
    if (hash == 0) {
      std::printf(" (not so many)");
    } else {
      std::printf(" %016" PRIx64, hash);
    }
  }
  std::printf("\n");
}

void print_problems(const World& world, const Options& options) {
  for (const auto& [text, count] : world.problems.all())
    std::printf("PROBLEM: %s (%" PRIu64 " times)\n", text.c_str(), count);
  std::printf("again: backplane-stress --seed %" PRIu64 " --threads %u ", options.seed, options.threads);
  if (options.operations != 0) {
    std::printf("--operations %" PRIu64 "\n", options.operations);
  } else {
    std::printf("--seconds %g\n", options.seconds);
  }
}

}  // namespace

bool report(const World& world, const Options& options, const Outcome& outcome) {
  const Totals& totals = world.totals;
  std::printf("seed %" PRIu64 ", %u threads, %.1f s\n", options.seed, options.threads, outcome.seconds);
  print_calls(totals);
  print_host(totals);
  print_rest(world);
  print_hashes(outcome);
  const bool well = world.problems.count() == 0 && totals.lost == 0 && totals.twice == 0;
  if (!well) print_problems(world, options);
  std::printf("stress: %" PRIu64 " requests, %" PRIu64 " lost, %" PRIu64 " twice\n", totals.accepted.load(),
              totals.lost.load(), totals.twice.load());
  std::fflush(stdout);
  return well;
}

}  // namespace stress
