// SPDX-License-Identifier: Apache-2.0
//
// Operations of the kind BP_OPERATION_CHANGE: several loads, unloads and reloads that are made together.
#include <backplane/cbor/writer.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "context/module_operations.hpp"
#include "context/operation_news.hpp"
#include "modules/joint_end.hpp"
#include "modules/reports.hpp"
#include "support/report.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

using Kind = Loader::Change::Kind;

Kind kind_of(std::uint32_t kind) noexcept {
  return kind == BP_OPERATION_LOAD ? Kind::load : kind == BP_OPERATION_UNLOAD ? Kind::unload : Kind::reload;
}

}  // namespace

// Control thread. Throws as Loader::change(), and nothing after it: the changes are made then.
void ModuleOperations::change(Operation& operation) {
  std::vector<Loader::Change> wanted;
  for (const OperationRequest& each : operation.request().changes) {
    wanted.push_back({kind_of(each.kind), each.module, {each.path, each.config, nullptr, each.settings, each.strict}});
  }
  const std::shared_ptr<Retirement> joint = make_joint();
  joint->then([this, self = operation.shared_from_this()] { finish_change(*self); });
  joint->add_context();  // the end comes after all generations that drain are counted
  operation.drain(loader_.change(wanted, &operation.canceled()));
  for (const Loader::Changed& each : operation.changed()) {
    if (each.old.retirement != nullptr) count_in(joint, *each.old.retirement);
  }
  joint->context_done();
}

// Control thread. Without memory, it is told without its report: the changes are made.
void ModuleOperations::finish_change(Operation& operation) noexcept try {
  operation.end({BP_OK, {}, change_report(operation.changed()), {}});
} catch (...) {
  operation.end({BP_OK, {}, {}, {}});
}

std::vector<std::uint8_t> ModuleOperations::change_report(const std::vector<Loader::Changed>& changed) const {
  const auto until = Loader::count_until();  // for all of them
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
    out.encoded(report_of(each, until));
  }
  return report;
}

// As the operation would have, if it were alone.
std::vector<std::uint8_t> ModuleOperations::report_of(const Loader::Changed& changed,
                                                      std::chrono::steady_clock::time_point until) const {
  if (changed.old.retirement == nullptr) return changed.report;
  std::vector<std::uint8_t> old;
  loader_.report_ending(changed.old, old, until);
  return changed.report.empty() ? old : reload_report(changed.report, old);
}

}  // namespace backplane::host
