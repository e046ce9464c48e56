// SPDX-License-Identifier: Apache-2.0
//
// Which interfaces of modules the application relies on, and whether they have changed.
#pragma once

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
  /// Relies on what the module has when it is seen first. `name`: a wire name of it, or its own. Returns whether it is
  /// new here; then somebody must look.
  bool track(std::string_view name) {
    const std::lock_guard lock(mutex_);
    return expected_.try_emplace(std::string(name.substr(0, name.find('.')))).second;
  }
  void expect(std::string module, std::string hash) {
    const std::lock_guard lock(mutex_);
    expected_.insert_or_assign(std::move(module), Expected{std::move(hash), false});
  }
  bool empty() const {
    const std::lock_guard lock(mutex_);
    return expected_.empty();
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
    std::string hash;  // empty: not seen yet
    bool gone = false;
  };

  mutable std::mutex mutex_;
  std::map<std::string, Expected, std::less<>> expected_;
};

}  // namespace detail
}  // namespace backplane::client
