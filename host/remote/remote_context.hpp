// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "endpoint/endpoint.hpp"
#include "remote/link.hpp"

namespace backplane::host {

/// The context of a running host, over its socket. Reply callbacks run on the reader thread of its channel.
class RemoteContext final : public Endpoint, public ModuleEndpoint {
 public:
  /// Starts the threads. Throws Failure, std::system_error, std::bad_alloc.
  /// `event_bytes`: as in bp_connect_options, but not 0.
  RemoteContext(Dialed dialed, LinkOptions options, std::uint64_t event_bytes);
  ~RemoteContext() override;

  void set_handle(bp_context handle) override { kept_.functions->set_context(handle); }
  bool on_own_thread() const noexcept override;

  bp_status close() override;
  bp_status stop(std::uint32_t timeout_ms) override;

  bp_status submit(const bp_submission& submission, bp_request* request) override;
  bp_status cancel(bp_request request) override;
  bp_status credit(bp_request request, std::uint64_t bytes) override;
  bp_status send_part(bp_request request, bp_bytes payload, std::uint32_t flags) override;
  bp_status find_method(bp_str name, bp_method& out) override;

  bp_status listen(const bp_subscription& subscription, bp_listener& out) override;
  bp_status unlisten(bp_listener listener) override;

  bp_status change_function(const FunctionChange& change) override;
  bp_status complete(bp_token token, const bp_answer& answer) override;

  ModuleEndpoint& modules() noexcept override { return *this; }

  // ModuleEndpoint
  bp_status load(const bp_load_options& options, bp_result& result) override;
  bp_status unload(bp_str name, std::uint32_t timeout_ms, bp_result& result) override;
  bp_status reload(bp_str name, const bp_load_options* options, std::uint32_t timeout_ms, bp_result& result) override;
  bp_status begin_operation(const bp_operation_request& request, bp_operation& out, bp_result& result) override;
  bp_status wait_operation(bp_operation operation, std::uint32_t timeout_ms, bp_result& result) override;
  bp_status cancel_operation(bp_operation operation, bp_str requester, bp_result& result) override;
  bp_status reconfigure(std::uint32_t flags, std::uint32_t timeout_ms, bp_result& result) override;
  bp_status list(bp_result& result) override;
  bp_status expect(const ExpectedInterface& expected, bp_result& result) override;
  bp_status status(bp_result& result) override;
  bp_status stop_host() override;
  bool logs_elsewhere() const noexcept override { return true; }
  bp_status set_log_level(bp_str module, std::int32_t level, bp_result& result) override;

 private:
  /// Sends a frame and waits for its answer. `bound` 0: waits while the connection exists.
  template <class Frame>
  bp_status ask(Channel& channel, const Frame& frame, std::size_t size, std::chrono::milliseconds bound,
                bp_result& result, Channel::Use use = Channel::Use::call);

  bp_status provide(std::string_view name);
  /// Looks at interfaces again whenever a module of the host changes.
  void watch_modules();

  const Kept kept_;
  const std::shared_ptr<Link> link_;
  std::atomic<bool> watches_{false};
  std::atomic<std::uint64_t> watch_{0};  ///< the id of its listener
};

}  // namespace backplane::host
