// SPDX-License-Identifier: Apache-2.0
#include "cli/plan_difference.hpp"

#include <backplane/backplane.h>

#include <algorithm>
#include <backplane/cbor/head.hpp>
#include <backplane/cbor/reader.hpp>
#include <utility>

#include "cli/named.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

cbor::Bytes whole(cbor::View config) {
  return config.empty() ? cbor::Bytes{cbor::empty_map} : cbor::Bytes(config.begin(), config.end());
}

// The same item with the keys of its maps in order.
cbor::Bytes sorted(cbor::Reader& in) {
  cbor::Reader ahead = in;
  const cbor::Item item = in.next();
  cbor::Bytes out;
  cbor::Writer writer(out);
  if (item.type == cbor::Type::array && !item.until_end) {
    writer.array(item.value);
    for (std::uint64_t i = 0; i < item.value; ++i) writer.encoded(sorted(in));
  } else if (item.type == cbor::Type::map && !item.until_end) {
    std::vector<std::pair<cbor::Bytes, cbor::Bytes>> members;
    for (std::uint64_t i = 0; i < item.value; ++i) {
      cbor::Bytes key = sorted(in);
      members.emplace_back(std::move(key), sorted(in));
    }
    std::sort(members.begin(), members.end());
    writer.map(members.size());
    for (const auto& [key, value] : members) {
      writer.encoded(key);
      writer.encoded(value);
    }
  } else {
    const cbor::View same = ahead.skip();
    in = ahead;
    out.assign(same.begin(), same.end());
  }
  return out;
}

// Why a module that runs is not what is planned; empty: it is.
std::string why_reload(const RunningModule& running, const PlannedModule& planned) {
  if (running.path != planned.path) return cat("its path has changed, from ", running.path);
  if (!same_config(running.config, planned.config)) return "its configuration differs";
  if (running.settings != planned.settings) {
    return cat("its settings differ: ", difference_of(running.settings, planned.settings));
  }
  return running.sha256 == planned.sha256 ? "" : "its file has changed";
}

std::string value_in(const std::map<std::string, std::string>& values, const std::string& key) {
  const auto found = values.find(key);
  return found == values.end() ? "not set" : found->second;
}

}  // namespace

bool same_config(cbor::View one, cbor::View other) {
  const cbor::Bytes a = whole(one);
  const cbor::Bytes b = whole(other);
  cbor::Reader first(a);
  cbor::Reader second(b);
  return a == b || sorted(first) == sorted(second);
}

std::vector<ModuleChange> module_changes(const std::vector<PlannedModule>& old, const std::vector<PlannedModule>& next,
                                         const std::vector<RunningModule>& running) {
  std::vector<ModuleChange> changes;
  for (const PlannedModule& each : old) {
    const RunningModule* const runs = named(running, each.name);
    if (runs == nullptr || named(next, each.name) != nullptr) continue;
    changes.push_back({BP_OPERATION_UNLOAD, each.name, runs->path, {}, "the configuration has it no more", {}});
  }
  for (const PlannedModule& each : next) {
    const RunningModule* const runs = named(running, each.name);
    const cbor::Bytes config = whole(each.config);
    if (runs == nullptr) {
      const bool known = named(old, each.name) != nullptr;
      const char* const why = known                      ? "it does not run"
                              : each.source == "bundled" ? "nothing names modules, so the bundled ones run"
                                                         : "the configuration has it now";
      changes.push_back({BP_OPERATION_LOAD, each.name, each.path, config, why, each.settings});
    } else if (std::string why = why_reload(*runs, each); !why.empty()) {
      changes.push_back(
          {BP_OPERATION_RELOAD, each.name, each.path, config, std::move(why), each.settings, each.strict});
    }
  }
  return changes;
}

std::vector<KeyChange> key_changes(const std::map<std::string, std::string>& old,
                                   const std::map<std::string, std::string>& next) {
  std::vector<KeyChange> changes;
  std::map<std::string, std::string> all = old;
  all.insert(next.begin(), next.end());
  for (const auto& [key, value] : all) {
    KeyChange change{key, value_in(old, key), value_in(next, key)};
    if (change.from != change.to) changes.push_back(std::move(change));
  }
  return changes;
}

const char* name_of_change(std::uint32_t kind) {
  return kind == BP_OPERATION_LOAD ? "load" : kind == BP_OPERATION_UNLOAD ? "unload" : "reload";
}

std::vector<std::string> lines_of(const PlanDifference& difference) {
  std::vector<std::string> lines;
  for (const ModuleChange& each : difference.modules) {
    lines.push_back(cat(name_of_change(each.kind), " ", each.name, each.kind == BP_OPERATION_UNLOAD ? "" : " from ",
                        each.kind == BP_OPERATION_UNLOAD ? "" : each.path, ": ", each.why));
  }
  for (const KeyChange& each : difference.keys) {
    lines.push_back(cat(each.key, ": from ", each.from, " to ", each.to));
  }
  return lines;
}

}  // namespace backplane::host::cli
