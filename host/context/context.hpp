// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "context/control.hpp"
#include "context/silent_threads.hpp"
#include "endpoint/endpoint.hpp"
#include "event/bus.hpp"
#include "request/loop.hpp"
#include "sync/latch.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

class Host;

/// The options of a context, with defaults filled in.
struct ContextConfig {
  LoopOptions loop;
  EventLogOptions events;
  std::uint32_t stop_timeout_ms = 1'500;
  bool operator==(const ContextConfig&) const = default;
};
ContextConfig config_of(const bp_context_options& options);

/// Inside an event callback: see bp_event_drop(). Returns false outside of one.
inline bool drop_event() noexcept { return Listeners::drop_event(); }

/// A context of this process: a request thread, an event thread, and an instance of every module.
class Context final : public Endpoint, public InstanceHost {
 public:
  /// Creates all parts, but starts no thread. Throws std::bad_alloc.
  Context(Host& host, const ContextConfig& config);
  /// The context must be stopped, or never started. Ends its threads.
  ~Context() override;

  /// Starts the threads, if they do not run yet, and the instances. Throws std::system_error or std::bad_alloc after
  /// ending everything it has started.
  void start();

  // To reuse threads and buffers: stopped → rest() → renew() → start().
  /// Returns since when its threads run, which may be since an earlier life.
  Nanos rest() noexcept;
  void renew() noexcept;
  const ContextConfig& config() const noexcept { return config_; }

  /// The number of this context in the process, for reports and logs.
  std::uint64_t id() const noexcept { return id_; }
  RequestLoop& loop() noexcept { return loop_; }
  EventBus& events() noexcept { return bus_; }
  /// Delivers a typed event of the host itself, soon and on the watchdog thread, past the log of events. Any thread.
  /// `to_any`: also to listeners of any event.
  void tell(const char* event, const std::vector<std::uint8_t>& payload, bool to_any = false);
  const SilentThreads& silent_threads() const noexcept { return silent_; }

  // Endpoint
  void set_handle(bp_context handle) override;
  void dispose(std::unique_ptr<Endpoint> self) noexcept override;
  bool on_own_thread() const noexcept override;
  bp_status close() override;
  bp_status stop(std::uint32_t timeout_ms) override;
  bp_status submit(const bp_submission& submission, bp_request* request) override;
  bp_status cancel(bp_request request) override;
  bp_status credit(bp_request request, std::uint64_t bytes) override { return loop_.credit(request, bytes); }
  bp_status send_part(bp_request request, bp_bytes payload, std::uint32_t flags) override {
    return loop_.send_part(request, payload, flags);
  }
  bp_status open_source(bp_source& out) override;
  bp_status name_source(bp_source source, std::string_view name) override { return loop_.sources().name(source, name); }
  bp_status hold_source(bp_source source, bool hold) override { return loop_.sources().hold(source, hold); }
  bp_status close_source(bp_source source) override { return loop_.sources().close(source); }
  bp_status find_method(bp_str name, bp_method& out) override;
  bp_status listen(const bp_subscription& subscription, bp_listener& out) override;
  bp_status unlisten(bp_listener listener) override;
  bp_status credit_listener(bp_listener listener, std::uint64_t bytes) override;
  bp_status change_function(const FunctionChange& change) override;
  bp_status set_poller(const bp_poller* poller) override;
  bp_status complete(bp_token token, const bp_answer& answer) override;
  ModuleEndpoint& modules() noexcept override;
  bp_status stop_host() override { return BP_NOT_SUPPORTED; }

  // InstanceHost
  std::shared_ptr<InstanceStart> begin_instance(Generation& generation, bool keep_failed) override;
  bool closed() const noexcept override { return loop_.closed(); }
  bool on_request_thread() const noexcept override { return loop_.on_thread(); }
  void retire_instance(Generation& generation) override;
  void prepare_instance(Generation& generation) override;
  void release_held() noexcept override;
  std::string keep_instance(Generation& generation, std::chrono::milliseconds timeout) override;
  void count_work(const Generation& generation, std::chrono::steady_clock::time_point until, std::uint64_t& requests,
                  std::uint64_t& tokens) override;
  bp_status emit(std::string_view name, bp_bytes payload, std::uint32_t flags, EmitTry* attempt) override;

 private:
  /// The progress of stop(). A later call continues here.
  enum class Stage {
    running,
    drained,         ///< no request is open
    instances_gone,  ///< all instances have ended, and none will be created
    detached,        ///< the host has removed this context from its list
    stopped,         ///< its threads have no work left
  };

  void tell_liveness(const Liveness& liveness);

  /// The job that removes this context from the host. The control thread runs it if it is busy with other jobs.
  struct Leave final : Control::Job {
    explicit Leave(Context& of) : context(of) {}
    void run() override;
    Context& context;
  };

  bool leave_host(std::chrono::milliseconds timeout) BP_REQUIRES(stop_mutex_);
  void start_threads();
  bool settle(std::chrono::milliseconds timeout);
  void abandon_start() noexcept;

  Host& host_;
  const ContextConfig config_;
  std::uint64_t id_ = 0;
  bp_context handle_{};
  Nanos threads_since_ = 0;
  SilentThreads silent_;
  EventBus bus_;
  RequestLoop loop_;
  Watchdog::Id request_watch_ = 0;
  Watchdog::Id event_watch_ = 0;
  Mutex stop_mutex_;
  Stage stage_ BP_GUARDED_BY(stop_mutex_) = Stage::running;
  Leave leave_{*this};
  bool leaving_ BP_GUARDED_BY(stop_mutex_) = false;  // `leave_` is posted
  Latch left_;
  std::thread event_thread_;
  std::thread request_thread_;
};

}  // namespace backplane::host
