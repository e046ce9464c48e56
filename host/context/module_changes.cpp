// SPDX-License-Identifier: Apache-2.0
//
// Operations of the kind BP_OPERATION_CHANGE: several loads, unloads and reloads that are made together.
#include <atomic>
#include <backplane/cbor/writer.hpp>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "context/module_operations.hpp"
#include "context/operation_news.hpp"
#include "modules/reports.hpp"
#include "support/report.hpp"

namespace backplane::host {
namespace {

using Kind = Loader::Change::Kind;

Kind kind_of(std::uint32_t kind) noexcept {
  return kind == BP_OPERATION_LOAD ? Kind::load : kind == BP_OPERATION_UNLOAD ? Kind::unload : Kind::reload;
}

}  // namespace

// Control thread. Throws as Loader::change().
void ModuleOperations::change(Operation& operation) {
  std::vector<Loader::Change> wanted;
  for (const OperationRequest& each : operation.request().changes) {
    wanted.push_back({kind_of(each.kind), each.module, {each.path, each.config}});
  }
  const std::vector<Loader::Changed> changed = loader_.change(wanted, &operation.canceled());
  operation.drain(changed);
  // One more than there are generations that drain, so that the end comes after all of them are counted.
  const auto left = std::make_shared<std::atomic<std::size_t>>(1);
  const auto one_less = [this, left, self = operation.shared_from_this()] {
    if (left->fetch_sub(1) == 1) finish_change(*self);
  };
  for (const Loader::Changed& each : changed) {
    if (each.old.retirement == nullptr) continue;
    left->fetch_add(1);
    each.old.retirement->then(one_less);
  }
  one_less();
}

// Control thread.
void ModuleOperations::finish_change(Operation& operation) try {
  operation.end({BP_OK, {}, change_report(operation.changed()), {}});
} catch (const std::bad_alloc&) {
  operation.end({BP_OUT_OF_MEMORY, "no memory", {}, {}});
}

std::vector<std::uint8_t> ModuleOperations::change_report(const std::vector<Loader::Changed>& changed) const {
  std::vector<std::uint8_t> report;
  cbor::Writer out(report);
  out.map(1);
  out.text("changes");
  out.array(changed.size());
  for (const Loader::Changed& each : changed) {
    out.map(3);
    field(out, "kind", name_of(each.kind));
    field(out, "module", each.module);
    out.text("report");
    out.encoded(report_of(each));
  }
  return report;
}

// As the operation would have, if it were alone.
std::vector<std::uint8_t> ModuleOperations::report_of(const Loader::Changed& changed) const {
  if (changed.old.retirement == nullptr) return changed.report;
  std::vector<std::uint8_t> old;
  loader_.report_ending(changed.old, old);
  return changed.report.empty() ? old : reload_report(changed.report, old);
}

}  // namespace backplane::host
