// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "context/control.hpp"
#include "context/module_operations.hpp"
#include "context/pin_retries.hpp"
#include "context/silent_threads.hpp"
#include "context/trial_rest.hpp"
#include "endpoint/module_endpoint.hpp"
#include "modules/loader.hpp"
#include "request/workers.hpp"
#include "sync/mutex.hpp"
#include "watchdog/watchdog.hpp"

namespace backplane::host {

class Context;
struct ContextConfig;

struct HostOptions {
  std::size_t worker_threads = 4;
  std::filesystem::path data_dir;  ///< empty: a temporary directory
  std::vector<std::filesystem::path> module_dirs;
  std::filesystem::path module_cache;  ///< for private copies of modules; empty: the directory for temporary files
  WatchdogOptions watchdog;
  std::shared_ptr<const UniqueFd> trial_program;   ///< see Trial; null: no trial loads
  bool crash_line = false;                         ///< see install_crash_line()
  std::uint64_t memory_limit = 0;                  ///< bytes; 0: half of what this process may use
  std::chrono::milliseconds load_timeout{10'000};  ///< how long a module's code may keep a control thread
};

/// The parts that all contexts of this process share: modules, workers, watchdog, control thread. It is created on
/// first use and exists until the process ends.
class Host final : public ModuleEndpoint {
 public:
  /// The host of this process. The first call creates it with the options of configure().
  static Host& get();
  /// Implements bp_host_configure. BP_NOT_SUPPORTED if the host already exists.
  static bp_status configure(const bp_host_options& options, std::string& why);

  /// Why this host would refuse a module of that manifest; empty if it would not. Needs no host.
  static std::string problem_of(const Manifest& manifest);

  Registry& registry() noexcept { return registry_; }
  Workers& workers() noexcept { return workers_; }
  Watchdog& watchdog() noexcept { return watchdog_; }
  /// Whether the calling thread belongs to the host or to a context. Such a thread must not wait for the host.
  bool on_own_thread() const noexcept;

  /// Adds the context, and creates an instance of every module in it. Throws std::bad_alloc; some instances may then
  /// exist, and the context must end them and detach as usual. Not from a thread of the host.
  void attach(Context& context);
  Control& control() noexcept { return control_; }
  /// Removes the context. Only in short work of control().
  void detach(Context& context) noexcept;

  /// Takes a resting context with this configuration, for renew(); null if there is none. Any thread.
  std::unique_ptr<Context> resting(const ContextConfig& config);
  /// Keeps a stopped context for reuse. Any thread.
  void keep(std::unique_ptr<Context> context) noexcept;
  /// Deletes all resting contexts. Returns whether there were any. Any thread.
  bool forget_resting();

  // ModuleEndpoint
  bp_status load(const bp_load_options& options, bp_result& result) override;
  bp_status unload(bp_str name, std::uint32_t timeout_ms, bp_result& result) override;
  bp_status reload(bp_str name, const bp_load_options* options, std::uint32_t timeout_ms, bp_result& result) override;
  bp_status begin_operation(const bp_operation_request& request, bp_operation& out, bp_result& result) override;
  bp_status wait_operation(bp_operation operation, std::uint32_t timeout_ms, bp_result& result) override;
  bp_status then_operation(bp_operation operation, bp_operation_fn on_end, void* user) override;
  bp_status cancel_operation(bp_operation operation, bp_str requester, bp_result& result) override;
  bp_status configurations(bp_result& result) override;
  bp_status list(bp_result& result) override;
  bp_status expect(const ExpectedInterface& expected, bp_result& result) override;
  bp_status status(bp_result& result) override;

 private:
  explicit Host(HostOptions options);

  /// A directory of the module's own. Throws Failure (BP_IO). Any thread.
  std::string module_data_dir(const std::string& module);
  bp_status run(OperationRequest request, bp_result& result);
  bp_status run_draining(OperationRequest request, std::uint32_t timeout_ms, bp_result& result);
  std::shared_ptr<Operation> find_operation(bp_operation operation) const;
  std::vector<InstanceHost*> instance_hosts() const;
  void emit(const char* event, const std::vector<std::uint8_t>& payload);
  std::size_t resting_count();
  void keep_resting(std::unique_ptr<Context> context) noexcept;
  void retry_pinned() noexcept;
  void tell_gone(const std::string& module, std::uint64_t generation) noexcept;
  void tell_workers(const Module& module, Liveness liveness);

  const HostOptions options_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  Mutex data_dir_mutex_;
  std::filesystem::path data_dir_ BP_GUARDED_BY(data_dir_mutex_);
  Registry registry_;
  Workers workers_;
  Watchdog watchdog_;
  SilentThreads silent_workers_;
  mutable Mutex catalog_;           // see Loader. Whoever has the turn of control_ may read without it
  std::vector<Context*> contexts_;  // changed with the turn and catalog_
  Mutex resting_mutex_;
  std::vector<std::unique_ptr<Context>> resting_ BP_GUARDED_BY(resting_mutex_);  // oldest first
  Control control_;
  KeptByThreads kept_by_threads_;
  Loader loader_;
  ModuleOperations operations_;
  PinRetries pin_retries_;
  TrialRest trial_rest_;
};

}  // namespace backplane::host
