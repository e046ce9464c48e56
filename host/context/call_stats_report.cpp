// SPDX-License-Identifier: Apache-2.0
#include "context/call_stats_report.hpp"

#include <cmath>
#include <string_view>

#include "support/report.hpp"
#include "support/ticks.hpp"

namespace backplane::host {
namespace {

struct Sum {
  std::uint64_t calls = 0;
  std::uint64_t ended = 0;
  std::uint64_t errors = 0;
  std::uint64_t refused = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t held = 0;
  std::uint64_t long_waits = 0;
  Distribution wait;
  Distribution run;

  void add(const Method& method) {
    refused += method.refused.load(std::memory_order_relaxed);
    method.stats_list.each([this](const CallStats& stats) {
      // Read `ended` before `calls`, so that a call that begins and ends meanwhile cannot make `in_flight` negative.
      ended += stats.ended.load(std::memory_order_acquire);
      calls += stats.calls.load(std::memory_order_relaxed);
      errors += stats.errors.load(std::memory_order_relaxed);
      bytes_in += stats.bytes_in.load(std::memory_order_relaxed);
      bytes_out += stats.bytes_out.load(std::memory_order_relaxed);
      held += stats.held.load(std::memory_order_relaxed);
      long_waits += stats.long_waits.load(std::memory_order_relaxed);
      stats.wait.add_to(wait);
      stats.run.add_to(run);
    });
  }
  bool any() const noexcept { return calls != 0 || refused != 0; }
};

void fields(cbor::Writer& out, const Sum& sum, double unit) {
  field(out, "calls", sum.calls);
  field(out, "errors", sum.errors);
  field(out, "in_flight", sum.calls > sum.ended ? sum.calls - sum.ended : 0);
  field(out, "refused", sum.refused);
  field(out, "bytes_in", sum.bytes_in);
  field(out, "bytes_out", sum.bytes_out);
  field(out, "held", sum.held);
  field(out, "waits_above_1ms", sum.long_waits);
  spans(out, "wait_ns", sum.wait, unit);
  spans(out, "run_ns", sum.run, unit);
}
constexpr std::uint64_t field_count = 10;

}  // namespace

void spans(cbor::Writer& out, std::string_view key, const Distribution& seen, double unit) {
  const auto nanos = [unit](double value) { return static_cast<std::uint64_t>(std::llround(value * unit)); };
  out.text(key);
  out.map(8);
  field(out, "measured", seen.count);
  field(out, "mean", nanos(seen.mean()));
  field(out, "p50", nanos(seen.quantile(0.5)));
  field(out, "p90", nanos(seen.quantile(0.9)));
  field(out, "p99", nanos(seen.quantile(0.99)));
  field(out, "p999", nanos(seen.quantile(0.999)));
  field(out, "max", nanos(static_cast<double>(seen.max)));
  field(out, "total", nanos(seen.total));
}

void call_stats_fields(cbor::Writer& out, const Registry& registry) {
  const double unit = nanos_per_tick();
  std::vector<std::pair<const Method*, Sum>> names;
  std::vector<std::pair<const Module*, Sum>> modules;
  for (const auto& module : registry.modules()) {
    Sum all;
    std::vector<const Method*> methods;
    registry.names().each(*module, [&](const Method& method) { methods.push_back(&method); });
    for (const Method* const method : methods) {
      Sum sum;
      sum.add(*method);
      all.add(*method);
      if (sum.any()) names.emplace_back(method, std::move(sum));
    }
    if (all.any()) modules.emplace_back(module.get(), std::move(all));
  }
  out.text("names");
  out.array(names.size());
  for (const auto& [method, sum] : names) {
    out.map(2 + field_count);
    field(out, "name", method->name);
    field(out, "module", method->module->name);
    fields(out, sum, unit);
  }
  out.text("by_module");
  out.array(modules.size());
  for (const auto& [module, sum] : modules) {
    out.map(1 + field_count);
    field(out, "module", module->name);
    fields(out, sum, unit);
  }
}

}  // namespace backplane::host
