// SPDX-License-Identifier: Apache-2.0
//
// Create, connect, close, stop, destroy.
#include <backplane/backplane.h>

#include <memory>
#include <string>
#include <system_error>
#include <thread>

#include "context/context.hpp"
#include "context/host.hpp"
#include "context/host_endpoint.hpp"
#include "embed/guard.hpp"
#include "embed/slots.hpp"
#include "remote/connect.hpp"
#include "support/log.hpp"
#include "support/mutex.hpp"
#include "support/sized.hpp"

using namespace backplane;

namespace {

constexpr const char* wrong_size = "options->struct_size is 0; set it to the size of the struct";
constexpr std::uint32_t least_stack = 16'384;
constexpr std::uint32_t most_queue = 1u << 23;  // half of the tokens there are, for one context

std::string wrong_option(const bp_context_options& options) {
  if (options.fiber_stack_size != 0 && options.fiber_stack_size < least_stack) {
    return "fiber_stack_size is " + std::to_string(options.fiber_stack_size) + ", expected at least " +
           std::to_string(least_stack);
  }
  if (options.queue_depth > most_queue) {
    return "queue_depth is " + std::to_string(options.queue_depth) + ", expected at most " + std::to_string(most_queue);
  }
  return {};
}

// Runs `make`, which gives an endpoint that is not started, or says why not; then `start`.
template <class Make, class Start>
bp_status add(bp_context* out, bp_result* why, Make make, Start start) noexcept {
  bp_context handle{0};
  try {
    auto endpoint = make();
    handle = slots().reserve();
    if (handle.id == 0) {
      return give(why, BP_OUT_OF_MEMORY,
                  "the process has " + std::to_string(Slots::capacity) + " contexts, which is the limit");
    }
    endpoint->set_handle(handle);
    start(*endpoint);
    slots().publish(handle, std::move(endpoint));  // cannot fail
    *out = handle;
    return give(why, BP_OK, std::string_view());
  } catch (const Failure& failure) {
    give(why, failure);
    if (handle.id != 0) slots().release(handle);
    return failure.status;
  } catch (const std::bad_alloc&) {
    if (handle.id != 0) slots().release(handle);
    return give(why, BP_OUT_OF_MEMORY, "no memory for a context");
  } catch (const std::exception& error) {
    if (handle.id != 0) slots().release(handle);
    return give(why, BP_IO, std::string("a context cannot be made: ") + error.what());
  }
}

// A handler or a listener does not return: the endpoint is freed when it does.
void quarantine(bp_context ctx, Endpoint& endpoint) {
  log::warn("host",
            "a context does not stop, because a handler or a listener does not return; it is freed when it does");
  std::thread([ctx, &endpoint] {
    constexpr std::uint32_t round_ms = 60'000;
    while (endpoint.stop(round_ms) != BP_OK) {
    }
    slots().reap(ctx);
  }).detach();
}

}  // namespace

extern "C" {

bp_context bp_host_context(void) {
  static Mutex mutex;
  static bp_context handle BP_GUARDED_BY(mutex){0};
  const MutexLock lock(mutex);
  if (handle.id != 0) return handle;
  add(
      &handle, nullptr, [] { return std::make_unique<HostEndpoint>(Host::get()); }, [](Endpoint&) {});
  return handle;
}

bp_status bp_context_create(const bp_context_options* options, bp_context* out, bp_result* why) {
  if (out == nullptr) return give(why, BP_INVALID_ARGUMENT, "out is null");
  *out = {0};
  if (options != nullptr && options->struct_size == 0) return give(why, BP_INVALID_ARGUMENT, wrong_size);
  const bp_context_options chosen = options == nullptr ? bp_context_options{} : sized(*options);
  const auto make = [&] {
    if (std::string wrong = wrong_option(chosen); !wrong.empty()) throw Failure{BP_INVALID_ARGUMENT, std::move(wrong)};
    Host& host = Host::get();
    if (host.on_own_thread()) throw Failure{BP_REENTRANT, "a context cannot be made on a thread of the host's"};
    const ContextConfig config = config_of(chosen);
    if (auto context = host.resting(config)) {
      context->renew();
      return context;
    }
    return std::make_unique<Context>(host, config);
  };
  return add(out, why, make, [](Context& context) { context.start(); });
}

bp_status bp_context_connect(const bp_connect_options* options, bp_context* out, bp_result* why) {
  if (out == nullptr) return give(why, BP_INVALID_ARGUMENT, "out is null");
  *out = {0};
  if (options != nullptr && options->struct_size == 0) return give(why, BP_INVALID_ARGUMENT, wrong_size);
  const bp_connect_options chosen = options == nullptr ? bp_connect_options{} : sized(*options);
  const auto make = [&] {
    std::unique_ptr<Endpoint> endpoint;
    Failure failure;
    if (connect(chosen, endpoint, failure) != BP_OK) throw failure;
    return endpoint;
  };
  return add(out, why, make, [](Endpoint&) {});
}

bp_status bp_context_close(bp_context ctx) {
  return with_endpoint(ctx, [](Endpoint& endpoint) { return endpoint.close(); });
}

bp_status bp_context_stop(bp_context ctx, uint32_t timeout_ms) {
  return with_endpoint(
      ctx, [&](Endpoint& endpoint) { return endpoint.on_own_thread() ? BP_REENTRANT : endpoint.stop(timeout_ms); });
}

bp_status bp_context_destroy(bp_context ctx) {
  const bp_status stopped = bp_context_stop(ctx, 0);
  if (stopped == BP_INVALID_HANDLE || stopped == BP_REENTRANT || stopped == BP_NOT_SUPPORTED) return stopped;
  Endpoint* const endpoint = slots().retire(ctx);
  if (endpoint == nullptr) return BP_INVALID_HANDLE;  // another thread was faster
  if (stopped == BP_OK) {
    slots().reap(ctx);
    return BP_OK;
  }
  try {
    quarantine(ctx, *endpoint);
  } catch (const std::system_error&) {
    // No thread to wait for it: it is left to the end of the process.
  }
  return stopped;
}

}  // extern "C"
