// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "event/bus.hpp"
#include "request/latch.hpp"
#include "request/loop.hpp"
#include "support/endpoint.hpp"

namespace backplane {

class Host;

/// A context of this process: a request thread, an event thread, and an instance of every module.
class Context final : public Endpoint, public InstanceSite {
 public:
  /// Makes everything, and starts nothing. Throws std::system_error or std::bad_alloc.
  Context(Host& host, const bp_context_options& options);
  /// Stopped, or never started.
  ~Context() override;

  /// Starts the threads and the instances. Throws std::system_error, and leaves nothing running then.
  void start();

  /// Counts the contexts of the process, for people.
  std::uint64_t id() const noexcept { return id_; }
  RequestLoop& loop() noexcept { return loop_; }
  EventBus& events() noexcept { return bus_; }

  // Endpoint
  void set_handle(bp_context handle) override;
  bool on_own_thread() const noexcept override;
  bp_status close() override;
  bp_status stop(std::uint32_t timeout_ms) override;
  bp_status submit(const bp_submission& submission, bp_request* request) override;
  bp_status cancel(bp_request request) override;
  bp_status find_method(bp_str name, bp_method& out) override;
  bp_status listen(bp_str pattern, bp_event_fn on_event, void* user, bp_listener& out) override;
  bp_status unlisten(bp_listener listener) override;
  bp_status set_function(bp_str name, bp_function_cb function, void* user) override;
  bp_status complete(bp_token token, const bp_answer& answer) override;
  bp_status load(const bp_load_options& options, bp_result& result) override;
  bp_status unload(bp_str name, std::uint32_t timeout_ms, bp_result& result) override;
  bp_status reload(bp_str name, const bp_load_options* options, std::uint32_t timeout_ms, bp_result& result) override;
  bp_status list(bp_result& result) override;
  bp_status status(bp_result& result) override;
  bp_status stop_host() override { return BP_NOT_SUPPORTED; }

  // InstanceSite
  std::string start_instance(Generation& generation, std::chrono::milliseconds timeout, bool keep_failed) override;
  bool closed() const noexcept override { return loop_.closed(); }
  bool on_request_thread() const noexcept override { return loop_.on_thread(); }
  void retire_instance(Generation& generation) override;
  void count_work(const Generation& generation, std::uint64_t& requests, std::uint64_t& tokens) override;
  bp_status emit(std::string_view name, bp_bytes payload, std::uint32_t flags) override;

 private:
  /// How far stop() has come; a later call goes on from there.
  enum class Stage {
    running,
    drained,         ///< nothing is open
    instances_gone,  ///< and none is made any more
    detached,        ///< the host knows of it no more; the threads are about to end
    stopped,         ///< the threads have been joined
  };

  void tell_liveness(const Liveness& liveness);
  void events_stuck(bool stuck);

  Host& host_;
  const std::uint64_t id_;
  const std::uint32_t stop_timeout_ms_;
  bp_context handle_{};
  EventBus bus_;
  RequestLoop loop_;
  Watchdog::Id request_watch_ = 0;
  Watchdog::Id event_watch_ = 0;
  std::mutex stop_mutex_;
  Stage stage_ = Stage::running;  // guarded by stop_mutex_
  std::shared_ptr<Latch> events_done_ = std::make_shared<Latch>();
  std::shared_ptr<Latch> requests_done_ = std::make_shared<Latch>();
  std::thread event_thread_;
  std::thread request_thread_;
};

}  // namespace backplane
