// SPDX-License-Identifier: Apache-2.0
//
// Host: the host of this process.
#pragma once

#include "context.hpp"

namespace backplane::client {

/// The host of this process, which modules and embedded contexts belong to. A process has one; all objects of this
/// class stand for it. It ends with the process. See FORK in backplane.h.
class Host : public Modules<Host> {
 public:
  /// Uses the host of this process as it is. Throws CallError (BP_NOT_SUPPORTED) if the library does not fit the
  /// headers that the application was compiled with.
  Host() { detail::check_library(); }

  /// Configures it first. Throws CallError: as bp_host_configure, for example if it runs already.
  explicit Host(const HostOptions& options) : Host() {
    std::vector<const char*> dirs;
    for (const std::string& dir : options.module_dirs) dirs.push_back(dir.c_str());
    dirs.push_back(nullptr);
    const auto ms = [](Milliseconds duration) {
      return static_cast<std::uint32_t>(std::clamp<std::int64_t>(duration.count(), 0, UINT32_MAX));
    };
    bp_host_options native{};
    native.struct_size = sizeof native;
    native.worker_threads = options.worker_threads;
    native.data_dir = options.data_dir.empty() ? nullptr : options.data_dir.c_str();
    native.module_dirs = options.module_dirs.empty() ? nullptr : dirs.data();
    native.watchdog_period_ms = ms(options.watchdog_period);
    native.watchdog_threshold_ms = ms(options.watchdog_threshold);
    native.watchdog_start_grace_ms = ms(options.watchdog_start_grace);
    native.memory_limit = options.memory_limit;
    native.load_timeout_ms = ms(options.load_timeout);
    native.crash_line = options.crash_line ? 1 : 0;
    native.trial_program = options.trial_program ? options.trial_program->c_str() : nullptr;
    native.module_cache = options.module_cache.empty() ? nullptr : options.module_cache.c_str();
    detail::NativeResult why;
    const bp_status status = bp_host_configure(&native, &why);
    if (status == BP_OK) return;
    Failure failure = why.failure("bp_host_configure");
    failure.status = status;
    throw CallError(std::move(failure));
  }

  /// Makes a context, with an instance of every loaded module. Throws CallError.
  Context context(ContextOptions options = {}) const { return Context::embedded(std::move(options)); }

  /// For work that needs no context; see bp_host_context.
  bp_context native() const noexcept { return bp_host_context(); }
};

}  // namespace backplane::client
