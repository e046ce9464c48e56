// SPDX-License-Identifier: Apache-2.0
//
// Loads, unloads and reloads modules. Host and Context have these functions.
#pragma once

#include "interfaces.hpp"

namespace backplane::client {

/// What was loaded. See load-report in docs/protocol.md.
struct LoadReport {
  std::string module, version;
  std::uint64_t generation = 0;
  std::string sha256;
  std::vector<std::string> names, warnings;
  std::optional<std::string> interface_hash;
};
BOOST_DESCRIBE_STRUCT(LoadReport, (), (module, version, generation, sha256, names, warnings, interface_hash))

/// Why an object cannot be unmapped yet.
struct PinReason {
  std::string kind;
  std::uint64_t count = 0;
  std::string what;
};
BOOST_DESCRIBE_STRUCT(PinReason, (), (kind, count, what))

/// What became of an unload. If the object is pinned, unload() fails with BP_PINNED, and this is the detail.
struct UnloadReport {
  std::string module;
  std::uint64_t generation = 0;
  std::string outcome;  ///< "gone" or "pinned"
  std::vector<PinReason> reasons;
};
BOOST_DESCRIBE_STRUCT(UnloadReport, (), (module, generation, outcome, reasons))

/// One side of a comparison.
struct Compared {
  std::string version, interface_hash;
  std::optional<std::uint64_t> generation;  ///< nullopt: a file that does not run
};
BOOST_DESCRIBE_STRUCT(Compared, (), (version, interface_hash, generation))

/// One change of an interface.
struct CompareChange {
  std::string what, where;
  std::string direction;  ///< "sends", "receives", or "" of the interface as a whole
  std::string verdict;    ///< "compatible", "breaks source", "cannot tell" or "breaks callers"
  std::string text;
  std::vector<std::string> names;
  std::uint64_t more_names = 0;
};
BOOST_DESCRIBE_STRUCT(CompareChange, (), (what, where, direction, verdict, text, names, more_names))

/// What a reload changes in an interface. See compare-report in docs/protocol.md.
struct CompareReport {
  std::string module;
  Compared from, to;
  std::string verdict;                 ///< the worst of the changes
  std::vector<CompareChange> changes;  ///< the worst first
  std::uint64_t left_out = 0;          ///< further changes
};
BOOST_DESCRIBE_STRUCT(CompareReport, (), (module, from, to, verdict, changes, left_out))

/// What runs after a reload.
struct ReloadReport {
  std::string module, version;
  std::uint64_t generation = 0;
  std::vector<std::string> names, warnings;
  UnloadReport old;
  std::optional<std::string> interface_hash;
  std::optional<CompareReport> compare;  ///< nullopt: the host does not compare
};
BOOST_DESCRIBE_STRUCT(ReloadReport, (), (module, version, generation, names, warnings, old, interface_hash, compare))

/// The functions on modules. They wait, so they fail with BP_REENTRANT on a thread of the host. Over a connection, the
/// path is one of this machine, and the host there opens it.
template <class Self>
class Modules {
 public:
  /// Loads a module. `config`: a described struct, or Cbor. Throws CallError, whose message says why it was refused.
  template <class Config = Empty>
  LoadReport load(const std::string& path, const Config& config = {}, const LoadOptions& options = {}) const {
    return try_load(path, config, options).value();
  }
  template <class Config = Empty>
  Result<LoadReport> try_load(const std::string& path, const Config& config = {},
                              const LoadOptions& options = {}) const noexcept {
    return with(path, path, config, options, [&](const bp_load_options& native, bp_result& result) {
      return detail::reported<LoadReport>(path, bp_module_load(context(), &native, &result), result);
    });
  }

  /// Unloads a module: its names are gone, its running work drains for options.drain. Throws CallError; with BP_PINNED
  /// its detail is an UnloadReport.
  UnloadReport unload(const std::string& module, const LoadOptions& options = {}) const {
    return try_unload(module, options).value();
  }
  Result<UnloadReport> try_unload(const std::string& module, const LoadOptions& options = {}) const noexcept {
    detail::NativeResult result;
    return detail::reported<UnloadReport>(
        module, bp_module_unload(context(), detail::str(module), drain(options), &result), result);
  }

  /// Replaces a running module by the file at `path`; empty: by its old file. Empty as `config`: the old one.
  /// Throws CallError; with BP_LOAD_STRICT its detail may be a CompareReport. BP_LOAD_COMPARE is BP_INVALID_ARGUMENT:
  /// see compare().
  template <class Config = Empty>
  ReloadReport reload(const std::string& module, const std::string& path = {}, const Config& config = {},
                      const LoadOptions& options = {}) const {
    return try_reload(module, path, config, options).value();
  }
  template <class Config = Empty>
  Result<ReloadReport> try_reload(const std::string& module, const std::string& path = {}, const Config& config = {},
                                  const LoadOptions& options = {}) const noexcept {
    return with(
        module, path, config, options, [&](const bp_load_options& native, bp_result& result) -> Result<ReloadReport> {
          if ((native.flags & BP_LOAD_COMPARE) != 0) {
            return detail::make_failure(BP_INVALID_ARGUMENT, module,
                                        "found BP_LOAD_COMPARE, with which nothing is reloaded; call compare()");
          }
          return detail::reported<ReloadReport>(
              module, bp_module_reload(context(), detail::str(module), &native, drain(options), &result), result);
        });
  }

  /// Compares the interface of a running module with that of the file at `path`: what a reload would change. Nothing is
  /// loaded. Throws CallError.
  CompareReport compare(const std::string& module, const std::string& path) const {
    return try_compare(module, path).value();
  }
  Result<CompareReport> try_compare(const std::string& module, const std::string& path) const noexcept {
    LoadOptions options;
    options.flags = BP_LOAD_COMPARE;
    return with(module, path, Empty{}, options, [&](const bp_load_options& native, bp_result& result) {
      return detail::reported<CompareReport>(
          module, bp_module_reload(context(), detail::str(module), &native, 0, &result), result);
    });
  }

  /// The modules of the host. Throws CallError.
  std::vector<ModuleInfo> modules() const { return detail::list_modules(context()).value().modules; }

 private:
  bp_context context() const noexcept { return static_cast<const Self*>(this)->native(); }
  static std::uint32_t drain(const LoadOptions& options) noexcept {
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(options.drain.count(), 0, UINT32_MAX));
  }

  template <class Config, class Act>
  static auto with(const std::string& name, const std::string& path, const Config& config, const LoadOptions& options,
                   Act act) noexcept -> decltype(act(std::declval<bp_load_options&>(), std::declval<bp_result&>())) {
    try {
      detail::Output out;
      if constexpr (!std::is_same_v<Config, Empty>) detail::write(out, config);
      bp_load_options native{};
      native.struct_size = sizeof native;
      native.flags = options.flags;
      native.path = path.empty() ? nullptr : path.c_str();
      native.config = detail::bytes(out.view());
      native.stack_size = options.stack_size;
      native.workers = options.workers;
      native.drain_ms = drain(options);
      detail::NativeResult result;
      return act(native, result);
    } catch (...) {
      return detail::failure_of_exception(name, "the configuration cannot be sent");
    }
  }
};

}  // namespace backplane::client
