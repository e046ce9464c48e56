// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>
#include <backplane/providing.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "endpoint/module_endpoint.hpp"

namespace backplane::host {

/// Gives a host function to a name, or takes it away if it has neither `call` nor `ask`.
struct FunctionChange {
  /// Which function of that name may be there: bp_function_set, BP_PROVIDE_NEW, bp_function_withdraw.
  enum class Only : std::uint8_t { any, absent, of_user };

  std::string_view name;
  void* user = nullptr;
  bp_host_function_fn call = nullptr;
  bp_ask_fn ask = nullptr;  ///< instead of `call`
  bp_unask_fn unask = nullptr;
  Only only = Only::any;

  bool removes() const noexcept { return call == nullptr && ask == nullptr; }
};

/// The object behind a bp_context handle: a context of this process, or a connection to another process. The C
/// functions check the handle and null pointers, and keep the endpoint alive during a call. Each function implements
/// the function of the same name in backplane.h.
class Endpoint {
 public:
  Endpoint() = default;
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;
  virtual ~Endpoint() = default;

  /// Sets the handle of this endpoint. Called once, before any other thread can know the handle.
  virtual void set_handle(bp_context handle) = 0;

  /// Whether the calling thread belongs to the endpoint. Such a thread must not wait for the endpoint.
  virtual bool on_own_thread() const noexcept = 0;

  /// Frees or recycles the endpoint. It is stopped, and no call is inside. `self` owns this object.
  virtual void dispose(std::unique_ptr<Endpoint> self) noexcept { self.reset(); }

  /// Whether it can be closed and stopped. The handle of the host itself cannot.
  virtual bool can_stop() const noexcept { return true; }
  virtual bp_status close() = 0;
  /// `timeout_ms` 0: the endpoint's default.
  virtual bp_status stop(std::uint32_t timeout_ms) = 0;

  virtual bp_status submit(const bp_submission& submission, bp_request* request) = 0;
  virtual bp_status cancel(bp_request request) = 0;
  virtual bp_status credit(bp_request, std::uint64_t) { return BP_NOT_SUPPORTED; }
  virtual bp_status send_part(bp_request, bp_bytes, std::uint32_t) { return BP_NOT_SUPPORTED; }
  virtual bp_status open_source(bp_source&) { return BP_NOT_SUPPORTED; }
  virtual bp_status name_source(bp_source, std::string_view) { return BP_NOT_SUPPORTED; }
  virtual bp_status hold_source(bp_source, bool) { return BP_NOT_SUPPORTED; }
  virtual bp_status close_source(bp_source) { return BP_NOT_SUPPORTED; }
  virtual bp_status find_method(bp_str name, bp_method& out) = 0;

  virtual bp_status listen(const bp_subscription& subscription, bp_listener& out) = 0;
  virtual bp_status unlisten(bp_listener listener) = 0;
  virtual bp_status credit_listener(bp_listener, std::uint64_t) { return BP_NOT_SUPPORTED; }

  virtual bp_status change_function(const FunctionChange& change) = 0;
  virtual bp_status set_poller(const bp_poller*) { return BP_NOT_SUPPORTED; }
  virtual bp_status complete(bp_token token, const bp_answer& answer) = 0;

  /// The modules of its host.
  virtual ModuleEndpoint& modules() noexcept = 0;
  virtual bp_status stop_host() = 0;
  /// Whether another process has the log of this endpoint. Only then is set_log_level() called.
  virtual bool logs_elsewhere() const noexcept { return false; }
  virtual bp_status set_log_level(bp_str, std::int32_t, bp_result&) { return BP_NOT_SUPPORTED; }
};

}  // namespace backplane::host
