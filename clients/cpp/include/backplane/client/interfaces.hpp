// SPDX-License-Identifier: Apache-2.0
//
// Which interfaces of modules the application relies on, and whether they have changed.
#pragma once

#include <backplane/interfaces.h>

#include <map>

#include "core.hpp"

namespace backplane::client {

/// A module of the host. See module-list in docs/protocol.md.
struct ModuleInfo {
  std::string name;
  std::string version;
  std::uint64_t generation = 0;
  std::string state;
  std::vector<std::string> functions, events, warnings;
  std::string cddl;
  std::optional<std::string> interface_hash;  ///< nullopt: the host is older than these hashes
};
BOOST_DESCRIBE_STRUCT(ModuleInfo, (),
                      (name, version, generation, state, functions, events, warnings, cddl, interface_hash))

namespace detail {

struct ModuleList {
  std::vector<ModuleInfo> modules;
};
BOOST_DESCRIBE_STRUCT(ModuleList, (), (modules))

/// The Result of a function that answers with a report.
template <class Report>
Result<Report> reported(std::string_view name, bp_status status, const bp_result& result) noexcept {
  return result_of<Report>(name, status, result.payload, result.message, result.detail);
}

inline Result<ModuleList> list_modules(bp_context native) noexcept {
  NativeResult result;
  const bp_status status = bp_module_list(native, &result);
  return reported<ModuleList>("the list of modules", status, result);
}

/// The hashes that are expected. Any thread may call it.
class Interfaces {
 public:
  /// What the application was built for.
  struct Built {
    std::string hash;
    std::string cddl;  ///< empty: any other hash counts as a change
  };

  /// Relies on what the module has when it is seen first. `name`: a wire name of it, or its own. Returns whether it is
  /// new here; then somebody must look.
  bool track(std::string_view name) {
    const std::lock_guard lock(mutex_);
    return expected_.try_emplace(std::string(name.substr(0, name.find('.')))).second;
  }
  void expect(std::string module, Built built) {
    const std::lock_guard lock(mutex_);
    Expected expected{built.hash, false, std::move(built)};
    expected_.insert_or_assign(std::move(module), std::move(expected));
  }
  bool empty() const {
    const std::lock_guard lock(mutex_);
    return expected_.empty();
  }
  /// What the application was built for; none if it has not said so, or without a text.
  std::optional<Built> built(const std::string& module) const {
    const std::lock_guard lock(mutex_);
    const auto at = expected_.find(module);
    if (at == expected_.end() || at->second.built.cddl.empty()) return std::nullopt;
    return at->second.built;
  }

  /// Compares with what the host has. A change is reported once; then the new hash is the expected one.
  std::vector<InterfaceChange> changes(const ModuleList& now) {
    std::vector<InterfaceChange> found;
    const std::lock_guard lock(mutex_);
    for (auto& [module, expected] : expected_) {
      const auto at = std::find_if(now.modules.begin(), now.modules.end(), [&name = module](const ModuleInfo& info) {
        return info.name == name && info.state == "running";
      });
      const bool gone = at == now.modules.end();
      if (!gone && !at->interface_hash) continue;  // the host knows no hashes
      const std::string is = gone ? std::string() : *at->interface_hash;
      const bool changed = gone ? !expected.gone : is != expected.hash;
      if (changed && !expected.hash.empty()) found.push_back({module, expected.hash, is});
      expected.gone = gone;
      if (!gone) expected.hash = is;
    }
    return found;
  }

 private:
  struct Expected {
    std::string hash;  // seen last; empty: not seen yet
    bool gone = false;
    Built built = {};
  };

  mutable std::mutex mutex_;
  std::map<std::string, Expected, std::less<>> expected_;
};

/// Has the host compare. The status is BP_OK if the application may go on.
inline Failure check_built(bp_context native, const std::string& module, const Interfaces::Built& built) {
  NativeResult result;
  const bp_status status = bp_context_expect(native, str(module), str(built.hash), str(built.cddl), &result);
  Failure failure = result.failure(module);
  failure.status = status;
  if (status == BP_OK && result.message.size != 0) {
    bp_log_write(BP_LOG_DEBUG, 0, BP_STR("client"), result.message);
  }
  return failure;
}

}  // namespace detail
}  // namespace backplane::client
