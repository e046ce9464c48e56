// SPDX-License-Identifier: Apache-2.0
//
// The C functions that create, connect, close, stop and destroy contexts.
#include <backplane/backplane.h>

#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "context/context.hpp"
#include "context/host.hpp"
#include "context/host_endpoint.hpp"
#include "embed/context_ends.hpp"
#include "embed/fork_guard.hpp"
#include "embed/guard.hpp"
#include "endpoint/context_table.hpp"
#include "remote/connect.hpp"
#include "support/log.hpp"
#include "support/sized.hpp"
#include "support/stop_request.hpp"
#include "sync/mutex.hpp"

using namespace backplane::host;

namespace {

constexpr const char* wrong_size = "options->struct_size is 0; set it to the size of the struct";
constexpr std::uint32_t least_stack = 16'384;
constexpr std::uint32_t most_stack = 1u << 30;
constexpr std::uint32_t least_events = 16;
constexpr std::uint32_t most_events = 1u << 24;
constexpr std::uint64_t least_log = 65'536;
constexpr std::uint64_t least_memory = std::uint64_t{1} << 20;
constexpr std::uint64_t most_log = std::uint64_t{1} << 30;
constexpr std::uint64_t least_window = 4'096;
constexpr std::uint32_t most_parts = 1u << 20;
constexpr std::uint32_t most_patterns = 1u << 20;
constexpr std::uint32_t most_call_depth = UINT16_MAX;
constexpr std::uint32_t most_stall_ms = 86'400'000;
constexpr std::uint32_t most_reconnect_ms = 3'600'000;
constexpr std::uint32_t most_queue = 1u << 23;  // half of all tokens of the process

// Empty if the value is 0, which means the default, or within its bounds.
std::string wrong_value(const char* name, std::uint64_t value, std::uint64_t least, std::uint64_t most) {
  if (value == 0 || (value >= least && value <= most)) return {};
  return std::string(name) + " is " + std::to_string(value) + ", expected " + std::to_string(least) + " to " +
         std::to_string(most);
}

std::string wrong_option(const bp_context_options& options) {
  for (const std::string& wrong :
       {wrong_value("fiber_stack_size", options.fiber_stack_size, least_stack, most_stack),
        wrong_value("event_queue_depth", options.event_queue_depth, 1, most_events),
        wrong_value("event_log_events", options.event_log_events, least_events, most_events),
        wrong_value("event_log_bytes", options.event_log_bytes, least_log, most_log),
        wrong_value("window_bytes", options.window_bytes, least_window, most_log),
        wrong_value("window_parts", options.window_parts, 1, most_parts),
        wrong_value("call_depth", options.call_depth, 1, most_call_depth),
        wrong_value("suspended_limit", options.suspended_limit, 1, most_queue),
        wrong_value("suspended_per_name", options.suspended_per_name, 1, most_queue),
        wrong_value("calls_per_name", options.calls_per_name, 1, most_queue),
        wrong_value("request_window_bytes", options.request_window_bytes, least_window, most_log),
        wrong_value("request_window_parts", options.request_window_parts, 1, most_parts),
        wrong_value("listener_patterns", options.listener_patterns, 1, most_patterns),
        wrong_value("context_memory", options.context_memory, least_memory, UINT64_MAX),
        wrong_value("stalled_listener_ms", options.stalled_listener_ms, 1, most_stall_ms)}) {
    if (!wrong.empty()) return wrong;
  }
  if (options.on_event_overflow > BP_OVERFLOW_REFUSE) {
    return "on_event_overflow is " + std::to_string(options.on_event_overflow) +
           ", expected BP_OVERFLOW_GAP or BP_OVERFLOW_REFUSE";
  }
  if (options.cpu_warning_ms < -1) {
    return "cpu_warning_ms is " + std::to_string(options.cpu_warning_ms) + ", expected -1 or more";
  }
  if (options.queue_depth > most_queue) {
    return "queue_depth is " + std::to_string(options.queue_depth) + ", expected at most " + std::to_string(most_queue);
  }
  return {};
}

std::string wrong_option(const bp_connect_options& options) {
  const std::uint32_t most = options.reconnect_max_ms == 0 ? most_reconnect_ms : options.reconnect_max_ms;
  for (const std::string& wrong : {wrong_value("event_bytes", options.event_bytes, least_log, most_log),
                                   wrong_value("reconnect", options.reconnect, 0, 1),
                                   wrong_value("reconnect_max_ms", options.reconnect_max_ms, 1, most_reconnect_ms),
                                   wrong_value("reconnect_min_ms", options.reconnect_min_ms, 1, most)}) {
    if (!wrong.empty()) return wrong;
  }
  return {};
}

// A reserved handle. It has no endpoint until publish().
class Reserved {
 public:
  Reserved() : handle_(context_table().reserve()) {
    if (handle_.id != 0) return;
    throw Failure{BP_OUT_OF_MEMORY, "this process has " + std::to_string(ContextTable::capacity) +
                                        " contexts, which is the limit; destroy one first"};
  }
  Reserved(const Reserved&) = delete;
  Reserved& operator=(const Reserved&) = delete;
  ~Reserved() {
    if (handle_.id != 0) context_table().release(handle_);
  }
  bp_context handle() const noexcept { return handle_; }
  bp_context publish(std::unique_ptr<Endpoint> endpoint) noexcept {
    context_table().publish(handle_, std::move(endpoint));
    return std::exchange(handle_, {0});
  }

 private:
  bp_context handle_;
};

bp_status give_io(bp_result* why, const char* what) noexcept try {
  return set_result(why, BP_IO, std::string("cannot create a context: ") + what);
} catch (const std::bad_alloc&) {
  return set_result(why, BP_IO, "cannot create a context: no thread or descriptor is available");
}

// Publishes the endpoint that `make` returns, which must be ready for calls. `make` throws if it cannot create one. The
// handle is reserved first, so that nothing can fail after `make` has started threads.
template <class Make>
bp_status add(bp_context* out, bp_result* why, Make make) noexcept {
  ForkGuard use;
  if (!use) return set_result(why, BP_NOT_SUPPORTED, forked_text);
  try {
    Reserved place;
    std::unique_ptr<Endpoint> endpoint = make(place.handle(), use);
    *out = place.publish(std::move(endpoint));
    use.keep_for_good();
    return set_result(why, BP_OK, std::string_view());
  } catch (const Failure& failure) {
    return set_result(why, failure);
  } catch (const std::bad_alloc&) {
    return set_result(why, BP_OUT_OF_MEMORY, "out of memory for a context");
  } catch (const std::exception& error) {
    return give_io(why, error.what());
  }
}

Host& host_of(ForkGuard& use) {
  Host& host = Host::get();
  use.keep_for_good();
  return host;
}

// A resting context with the same configuration, or a new one. Started.
std::unique_ptr<Endpoint> started_context(Host& host, const ContextConfig& config, bp_context handle) {
  std::unique_ptr<Context> context = host.resting(config);
  const bool rested = context != nullptr;
  if (rested) {
    context->renew();
  } else {
    context = std::make_unique<Context>(host, config);
  }
  context->set_handle(handle);
  try {
    context->start();
  } catch (...) {
    if (rested) host.keep(std::move(context));
    throw;
  }
  return context;
}

// A handler or a listener does not return. Frees the endpoint when it has returned.
void quarantine(bp_context ctx, Endpoint& endpoint) {
  log::warn("host",
            "a context cannot stop, because a handler or a listener has not returned; the context will be freed when "
            "that has returned");
  std::thread([ctx, &endpoint] {
    constexpr std::uint32_t round_ms = 60'000;
    while (endpoint.stop(round_ms) != BP_OK) {
    }
    context_table().reap(ctx);
    context_ends().gone(ctx);
  }).detach();
}

}  // namespace

extern "C" {

bp_context bp_host_context(void) {
  static constinit Mutex mutex;
  static constinit bp_context handle BP_GUARDED_BY(mutex){0};
  const ForkGuard during;  // must be counted before the mutex is locked
  if (!during) return {0};
  const MutexLock lock(mutex);
  if (handle.id != 0) return handle;
  add(&handle, nullptr, [](bp_context, ForkGuard& use) { return std::make_unique<HostEndpoint>(host_of(use)); });
  return handle;
}

bp_status bp_context_create(const bp_context_options* options, bp_context* out, bp_result* why) {
  if (out == nullptr) return set_result(why, BP_INVALID_ARGUMENT, "out is null");
  *out = {0};
  if (options != nullptr && options->struct_size == 0) return set_result(why, BP_INVALID_ARGUMENT, wrong_size);
  const bp_context_options chosen = options == nullptr ? bp_context_options{} : widened(*options);
  const auto make = [&](bp_context handle, ForkGuard& use) {
    if (std::string wrong = wrong_option(chosen); !wrong.empty()) throw Failure{BP_INVALID_ARGUMENT, std::move(wrong)};
    Host& host = host_of(use);
    if (host.on_own_thread()) {
      throw Failure{BP_REENTRANT, "a context cannot be created on a thread of the host; use another thread"};
    }
    return started_context(host, config_of(chosen), handle);
  };
  return add(out, why, make);
}

bp_status bp_context_connect(const bp_connect_options* options, bp_context* out, bp_result* why) {
  if (out == nullptr) return set_result(why, BP_INVALID_ARGUMENT, "out is null");
  *out = {0};
  if (options != nullptr && options->struct_size == 0) return set_result(why, BP_INVALID_ARGUMENT, wrong_size);
  const bp_connect_options chosen = options == nullptr ? bp_connect_options{} : widened(*options);
  const auto make = [&](bp_context handle, ForkGuard&) {
    if (std::string wrong = wrong_option(chosen); !wrong.empty()) throw Failure{BP_INVALID_ARGUMENT, std::move(wrong)};
    std::unique_ptr<Endpoint> endpoint;
    Failure failure;
    if (connect(chosen, endpoint, failure) != BP_OK) throw failure;
    endpoint->set_handle(handle);
    return endpoint;
  };
  return add(out, why, make);
}

bp_status bp_context_close(bp_context ctx) {
  return with_endpoint(ctx, [](Endpoint& endpoint) { return endpoint.close(); });
}

bp_status bp_context_stop(bp_context ctx, uint32_t timeout_ms) {
  const bp_status may = with_endpoint(ctx, [](Endpoint& endpoint) -> bp_status {
    if (!endpoint.can_stop()) return BP_NOT_SUPPORTED;
    return endpoint.on_own_thread() || runs_stop_request ? BP_REENTRANT : BP_OK;
  });
  if (may != BP_OK) return may;
  // Outside the border: another thread's destroy of the context waits for those inside.
  if (!context_ends().stopping(ctx)) return BP_REENTRANT;
  return with_endpoint(ctx, [&](Endpoint& endpoint) { return endpoint.stop(timeout_ms); });
}

bp_status bp_context_destroy(bp_context ctx) {
  const bp_status stopped = bp_context_stop(ctx, 0);
  if (stopped == BP_INVALID_HANDLE || stopped == BP_REENTRANT || stopped == BP_NOT_SUPPORTED) return stopped;
  Endpoint* const endpoint = context_table().retire(ctx);
  if (endpoint == nullptr) return BP_INVALID_HANDLE;  // another thread has destroyed it first
  if (stopped == BP_OK) {
    context_table().reap(ctx);
    context_ends().gone(ctx);
    return BP_OK;
  }
  try {
    quarantine(ctx, *endpoint);
  } catch (const std::exception&) {
    // No thread or no memory to wait for the endpoint, so it stays until the process ends.
  }
  return stopped;
}

bp_status bp_context_then(bp_context ctx, uint32_t state, bp_context_fn reached, void* user) {
  if (reached == nullptr || (state != BP_CONTEXT_STOPPING && state != BP_CONTEXT_GONE)) return BP_INVALID_ARGUMENT;
  const ForkGuard during;
  if (!during) return BP_INVALID_HANDLE;
  try {
    return context_ends().add(ctx, state, reached, user);
  } catch (const std::bad_alloc&) {
    return BP_OUT_OF_MEMORY;
  } catch (const std::exception&) {
    return BP_ERROR;
  }
}

}  // extern "C"
