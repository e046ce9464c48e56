// SPDX-License-Identifier: Apache-2.0
//
// Finds the environment that a call is about. What happens in it is in fiber/environment.cpp.
#include "request/fiber_api.hpp"

#include "request/await_api.hpp"
#include "request/record.hpp"
#include "request/runner.hpp"
#include "support/sized.hpp"

namespace backplane::host::fiber_api {
namespace {

// BP_OK: the run could have one.
[[gnu::noinline]] bp_status no_environment(bp_token call) noexcept {
  const Request* const request = RequestThread::worker_request == nullptr ? await_api::request_of(call) : nullptr;
  if (request == nullptr) return BP_NOT_SUPPORTED;
  return request->thread.load(std::memory_order_relaxed)->runner.has_environments() ? BP_OK : BP_NOT_SUPPORTED;
}

// BP_OK with null: the run has none.
inline bp_status find_environment(bp_token call, Environment*& found) noexcept {
  found = Runner::environment;
  if (found != nullptr && found->run() == call) [[likely]] {
    if (!found->is_open()) found = nullptr;
    return BP_OK;
  }
  found = nullptr;
  return no_environment(call);
}

// For a run that is known to have none.
bp_status make_environment(bp_token call, Environment*& made) noexcept {
  if (Runner::environment != nullptr) {  // closed, and its ids are not to be used again
    made = Runner::environment;
    made->open();
    return BP_OK;
  }
  Request& request = *await_api::request_of(call);
  on_request_thread.assume();
  made = request.thread.load(std::memory_order_relaxed)->runner.make_environment(request);
  return made == nullptr ? BP_OUT_OF_MEMORY : BP_OK;
}

}  // namespace

bp_status open(bp_token call) noexcept {
  Environment* environment = nullptr;
  const bp_status status = find_environment(call, environment);
  if (status != BP_OK) return status;
  return environment == nullptr ? make_environment(call, environment) : static_cast<bp_status>(BP_REENTRANT);
}

bp_status close(bp_token call) noexcept {
  Environment* environment = nullptr;
  const bp_status status = find_environment(call, environment);
  return environment == nullptr ? status : environment->close();
}

bp_status create(bp_token call, const bp_fiber_desc* desc, std::uint64_t* id) noexcept {
  Environment* environment = nullptr;
  bp_status status = find_environment(call, environment);
  if (status != BP_OK) return status;
  if (environment != nullptr && environment->canceled()) return BP_CANCELED;
  if (!covers_core(desc) || id == nullptr || !Environment::possible(*desc)) return BP_INVALID_ARGUMENT;
  if (environment == nullptr) status = make_environment(call, environment);
  return status == BP_OK ? environment->create(*desc, *id) : status;
}

bp_status switch_to(bp_token call, std::uint64_t id) noexcept {
  Environment* environment = nullptr;
  const bp_status status = find_environment(call, environment);
  if (environment != nullptr) [[likely]]
    return environment->switch_to(id);
  if (status != BP_OK) return status;
  return id == BP_FIBER_MAIN ? BP_OK : BP_NOT_FOUND;  // in an environment without fibers
}

bp_status destroy(bp_token call, std::uint64_t id) noexcept {
  Environment* environment = nullptr;
  const bp_status status = find_environment(call, environment);
  if (environment != nullptr) return environment->destroy(id);
  return status == BP_OK && id == BP_FIBER_MAIN ? static_cast<bp_status>(BP_INVALID_ARGUMENT) : status;
}

bp_status active(bp_token call, std::uint64_t* id) noexcept {
  Environment* environment = nullptr;
  const bp_status status = find_environment(call, environment);
  if (status != BP_OK) return status;
  if (id == nullptr) return BP_INVALID_ARGUMENT;
  *id = environment == nullptr ? BP_FIBER_MAIN : environment->active();
  return BP_OK;
}

bp_status ended(bp_token call, std::uint64_t* id, bp_status* status) noexcept {
  Environment* environment = nullptr;
  const bp_status found = find_environment(call, environment);
  if (found != BP_OK) return found;
  if (environment == nullptr) environment = Runner::environment;  // closed, but it knows
  if (environment == nullptr || environment->ended().id == 0) return BP_NOT_FOUND;
  if (id != nullptr) {
    environment->asked();
    *id = environment->ended().id;
  }
  if (status != nullptr) *status = environment->ended().status;
  return BP_OK;
}

}  // namespace backplane::host::fiber_api
