// SPDX-License-Identifier: Apache-2.0
#include "context/status_report.hpp"

#include <backplane/base.h>
#include <unistd.h>

#include <algorithm>
#include <backplane/cbor/writer.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "context/call_stats_report.hpp"
#include "context/context.hpp"
#include "context/liveness_news.hpp"
#include "context/module_operations.hpp"
#include "fiber/stack_chunk.hpp"
#include "memory/budget.hpp"
#include "memory/machine.hpp"
#include "request/reply_api.hpp"
#include "support/library_file.hpp"
#include "support/log.hpp"
#include "support/report.hpp"
#include "support/ticks.hpp"
#include "support/version.hpp"

namespace backplane::host {
namespace {

/// Of one context: those that are furthest behind or have lost most. A report must fit into a frame.
constexpr std::size_t most_listeners = 1'000;

// Request threads that work look at once. One that does not is kept by a handler.
constexpr std::chrono::milliseconds oldest_call_wait{50};

std::optional<OldestCall> oldest_call_of(Context& context, const OldestCallQueries& queries) {
  const auto query = queries.find(context.id());
  if (query == queries.end() || query->second == nullptr) return std::nullopt;  // it may have come after the question
  if (query->second->wait_until({})) return query->second->found();
  return running_call(context.loop().heartbeat());
}

void write(cbor::Writer& out, const std::optional<OldestCall>& oldest) {
  out.text("oldest_call");
  if (!oldest) return out.null();
  out.map(4);
  field(out, "name", oldest->name);
  field(out, "client", oldest->client);
  field(out, "state", oldest->state);
  field(out, "for_ms", oldest->age / nanos_per_ms);
}

void write(cbor::Writer& out, Context& context, const std::optional<OldestCall>& oldest) {
  const LoopCounts& counts = context.loop().counts();
  const EventCounts events = context.events().counts();
  const auto read = [](const std::atomic<std::uint64_t>& count) { return count.load(std::memory_order_relaxed); };
  out.map(22);
  field(out, "id", context.id());
  field(out, "state", context.loop().closed() ? "closed" : "open");
  silent_field(out, context.silent_threads().all());
  write(out, oldest);
  field(out, "queued", context.loop().waiting());
  field(out, "running", read(counts.open));
  field(out, "accepted", read(counts.accepted));
  field(out, "replied", read(counts.replied));
  field(out, "errors", read(counts.errors));
  field(out, "refused", read(counts.refused));
  const auto listeners = context.events().report(most_listeners);
  field(out, "listeners", context.events().listeners());
  out.text("events");
  out.map(8);
  field(out, "queued", context.events().queued());
  field(out, "emitted", events.emitted);
  field(out, "delivered", events.delivered);
  field(out, "lost", events.lost);
  field(out, "refused", events.refused);
  field(out, "would_block", events.blocked);
  field(out, "given_up", events.given_up);
  out.text("listeners");
  out.array(listeners.size());
  for (const auto& each : listeners) {
    out.map(9);
    field(out, "id", each.id);
    field(out, "label", each.label);
    field(out, "pattern", each.pattern);
    field(out, "delivered", each.delivered);
    field(out, "behind", each.behind);
    field(out, "lost", each.lost);
    out.text("lossless");
    out.boolean(each.lossless.is_lossless);
    field(out, "on_the_way", each.lossless.on_the_way);
    field(out, "waiting", each.lossless.waiting);
  }
  out.text("parts");
  out.map(3);
  field(out, "sent", read(counts.parts_sent));
  field(out, "received", read(counts.parts_received));
  field(out, "would_block", read(counts.parts_blocked));
  const Sources::Counts sources = context.loop().sources().counts();
  out.text("sources");
  out.map(2);
  field(out, "open", sources.open);
  field(out, "held", sources.held);
  out.text("listener_patterns");
  out.map(2);
  field(out, "limit", context.config().events.patterns);
  field(out, "refused", events.patterns_refused);
  out.text("tokens");
  out.map(4);
  field(out, "open", read(counts.tokens_open));
  field(out, "answered", read(counts.tokens_answered));
  field(out, "failed", read(counts.tokens_failed));
  field(out, "refused", read(counts.tokens_refused));
  out.text("fibers");
  out.map(3);
  field(out, "created", read(counts.fibers.created));
  field(out, "alive", read(counts.fibers.alive));
  field(out, "swallowed", read(counts.fibers.swallowed));
  const LoopOptions& limits = context.config().loop;
  out.text("suspended");
  out.map(4);
  field(out, "now", read(counts.suspended));
  field(out, "limit", limits.suspended_limit);
  field(out, "limit_per_name", limits.suspended_of_name());
  field(out, "refused", read(counts.suspended_refused));
  out.text("calls_per_name");
  out.map(2);
  field(out, "limit", limits.calls_of_name());
  field(out, "refused", read(counts.name_refused));
  out.text("memory");
  out.map(3);
  field(out, "held", read(counts.held_bytes));
  field(out, "limit", limits.context_memory == UINT64_MAX ? 0 : limits.context_memory);
  field(out, "refused", read(counts.memory_refused));
  out.text("call_depth");
  out.map(2);
  field(out, "limit", limits.call_depth);
  field(out, "refused", read(counts.too_deep));
  out.text("held_calls");
  out.map(2);
  field(out, "limit", limits.queue_depth);
  field(out, "refused", read(counts.held_refused));
}

// The modules that are being replaced, the old generation first, and the calls that wait for that.
void write_held(cbor::Writer& out, const Registry& registry) {
  std::vector<std::pair<const Module*, std::uint64_t>> held;  // the control thread may set `held` to 0 meanwhile
  for (const auto& module : registry.modules()) {
    if (const std::uint64_t old = module->held.load(); old != 0) held.emplace_back(module.get(), old);
  }
  out.text("held");
  out.array(held.size());
  for (const auto& [module, old] : held) {
    out.map(4);
    field(out, "module", module->name);
    field(out, "generation", old);
    field(out, "calls", module->held_calls.load(std::memory_order_relaxed));
    const auto time = std::chrono::steady_clock::now() - module->held_since;
    field(out, "for_ms",
          static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()));
  }
}

void write(cbor::Writer& out, const StackUse& stacks) {
  out.map(5);
  field(out, "size", stacks.size);
  field(out, "mapped", stacks.mapped);
  field(out, "used", stacks.used);
  field(out, "resident", stacks.resident);
  field(out, "high_water", stacks.high_water);
}

void write(cbor::Writer& out, const Workers::Load& load, const std::vector<SilentThreads::Silent>& silent) {
  out.text("workers");
  out.map(8);
  field(out, "threads", load.threads);
  field(out, "limit", load.most);
  field(out, "queued", load.queued);
  field(out, "running", load.running);
  field(out, "waiting", load.waiting);
  field(out, "refused", load.refused);
  silent_field(out, silent);
  out.text("modules");
  out.array(load.modules.size());
  const double unit = nanos_per_tick();
  for (const Workers::ModuleLoad& each : load.modules) {
    out.map(6);
    field(out, "module", each.module->name);
    field(out, "limit", each.limit);
    field(out, "running", each.running);
    field(out, "queued", each.queued);
    field(out, "waited", each.waited);
    spans(out, "wait_ns", each.wait, unit);
  }
}

// What this process runs, where several installations may lie side by side.
void write_files(cbor::Writer& out, const Registry& registry) {
  out.text("library");
  out.map(2);
  path_field(out, library_file());
  out.text("replaced");
  out.boolean(is_library_file_replaced());
  std::map<std::string, std::uint64_t> places;
  for (const auto& module : registry.modules()) {
    const Generation* const running = module->current.load(std::memory_order_acquire);
    if (running != nullptr) ++places[std::filesystem::path(running->path).parent_path().string()];
  }
  out.text("module_places");
  out.array(places.size());
  for (const auto& [path, modules] : places) {
    out.map(2);
    path_field(out, path);
    field(out, "modules", modules);
  }
}

}  // namespace

OldestCallQueries ask_oldest_calls(const std::vector<Context*>& contexts) {
  OldestCallQueries queries;
  for (Context* const context : contexts) queries.emplace(context->id(), context->loop().ask_oldest_call());
  return queries;
}

void wait_for_answers(const OldestCallQueries& queries) {
  const auto until = std::chrono::steady_clock::now() + oldest_call_wait;
  for (const auto& [id, query] : queries) {
    if (query != nullptr) query->wait_until(until);
  }
}

std::vector<std::uint8_t> status_report(const HostStatus& host, const std::vector<Context*>& contexts,
                                        const OldestCallQueries& oldest, const Registry& registry,
                                        const ModuleOperations& operations) {
  std::vector<std::uint8_t> bytes;
  cbor::Writer out(bytes);
  const bool silent = !host.silent_workers.empty() ||
                      std::any_of(contexts.begin(), contexts.end(),
                                  [](const Context* each) { return !each->silent_threads().all().empty(); });
  out.map(20);
  field(out, "state", silent || operations.any_overdue() ? "not responding" : "responding");
  field(out, "version", version);
  field(out, "abi", std::to_string(BP_ABI_MAJOR) + "." + std::to_string(BP_ABI_MINOR));
  field(out, "pid", static_cast<std::uint64_t>(::getpid()));
  field(out, "uptime_ms", host.uptime_ms);
  field(out, "modules", host.modules);
  write_files(out, registry);
  write(out, host.workers, host.silent_workers);
  field(out, "resting", host.resting);
  field(out, "stale_answers", reply_api::stale_answers());
  const MemoryBudget::Counts memory = memory_budget.counts();
  out.text("memory");
  out.map(5);
  field(out, "limit", memory.limit);
  field(out, "used", memory.used);
  field(out, "peak", memory.peak);
  field(out, "refused", memory.refused);
  field(out, "rss", resident_memory());
  const log::Counts lines = log::counts();
  out.text("log");
  out.map(2);
  field(out, "waiting", lines.waiting);
  field(out, "dropped", lines.dropped);
  out.text("stacks");
  const std::vector<StackUse> stacks = stack_use();
  out.array(stacks.size());
  for (const StackUse& size : stacks) write(out, size);
  out.text("contexts");
  out.array(contexts.size());
  for (Context* const context : contexts) write(out, *context, oldest_call_of(*context, oldest));
  operations.report(out);
  write_held(out, registry);
  call_stats_fields(out, registry);
  return bytes;
}

}  // namespace backplane::host
