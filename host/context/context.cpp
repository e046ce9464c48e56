// SPDX-License-Identifier: Apache-2.0
//
// Creates, starts, stops, recycles and deletes one context, and forwards the Endpoint functions to its parts.
#include "context/context.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "context/host.hpp"
#include "context/liveness_news.hpp"
#include "support/names.hpp"
#include "support/signal_stack.hpp"
#include "support/views.hpp"
#include "sync/host_thread.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

std::uint64_t next_id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

std::chrono::milliseconds left_of(std::chrono::steady_clock::time_point until) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      std::max(until - std::chrono::steady_clock::now(), std::chrono::steady_clock::duration::zero()));
}

LosslessListeners::Options lossless_options_of(const bp_subscription& subscription) {
  LosslessListeners::Options options;
  if (subscription.window_bytes != 0) options.window_bytes = subscription.window_bytes;
  options.by_hand = (subscription.flags & BP_LISTEN_CREDIT) != 0;
  return options;
}

}  // namespace

EventLogOptions events_of(const bp_context_options& options) {
  EventLogOptions events;
  events.refuses = options.on_event_overflow == BP_OVERFLOW_REFUSE;
  if (events.refuses) events.events = options.event_queue_depth != 0 ? options.event_queue_depth : 1'024;
  if (!events.refuses && options.event_log_events != 0) events.events = options.event_log_events;
  if (options.event_log_bytes != 0) events.bytes = options.event_log_bytes;
  if (options.listener_patterns != 0) events.patterns = options.listener_patterns;
  return events;
}

ContextConfig config_of(const bp_context_options& options) {
  ContextConfig config;
  if (options.queue_depth != 0) config.loop.queue_depth = options.queue_depth;
  if (options.window_bytes != 0) config.loop.window_bytes = options.window_bytes;
  if (options.window_parts != 0) config.loop.window_parts = options.window_parts;
  if (options.cpu_warning_ms != 0) {
    config.loop.cpu_warning = options.cpu_warning_ms < 0 ? 0 : options.cpu_warning_ms * nanos_per_ms;
  }
  if (options.stale_interval_ms != 0) config.loop.stale_interval = options.stale_interval_ms * nanos_per_ms;
  if (options.fiber_stack_size != 0) config.loop.fiber_stack_size = options.fiber_stack_size;
  if (options.fiber_limit != 0) config.loop.fiber_limit = static_cast<std::uint64_t>(std::max(options.fiber_limit, 0));
  if (options.call_depth != 0) config.loop.call_depth = options.call_depth;
  if (options.suspended_limit != 0) config.loop.suspended_limit = options.suspended_limit;
  if (options.suspended_per_name != 0) config.loop.suspended_per_name = options.suspended_per_name;
  if (options.calls_per_name != 0) config.loop.calls_per_name = options.calls_per_name;
  if (options.request_window_bytes != 0) config.loop.request_window_bytes = options.request_window_bytes;
  if (options.request_window_parts != 0) config.loop.request_window_parts = options.request_window_parts;
  if (options.spin_us != 0) config.loop.spin = options.spin_us < 0 ? 0 : static_cast<Nanos>(options.spin_us) * 1'000;
  // On one core, spinning keeps the other thread from running. Ask only once, because the answer comes from a file.
  static const bool one_core = std::thread::hardware_concurrency() == 1;
  if (one_core) config.loop.spin = 0;
  config.events = events_of(options);
  if (options.stop_timeout_ms != 0) config.stop_timeout_ms = options.stop_timeout_ms;
  if (options.context_memory != 0) config.loop.context_memory = options.context_memory;
  if (options.stalled_listener_ms != 0) config.loop.stalled_listener = options.stalled_listener_ms * nanos_per_ms;
  return config;
}

Context::Context(Host& host, const ContextConfig& config)
    : host_(host),
      config_(config),
      id_(next_id()),
      bus_(config.events, host.watchdog(),
           {[this](bool stuck) {
              loop_.refuse_for_events(stuck);
              try {
                const Liveness liveness{!stuck, "event", bus_.stuck_culprit(), 0};
                host_.watchdog().post(event_watch_, [this, liveness] { tell_liveness(liveness); });
              } catch (const std::bad_alloc&) {
                // Only the event is lost.
              }
            },
            [this](std::uint64_t place, std::uint64_t bytes) { loop_.emitters().tell_room(place, bytes); }},
           config.loop.stalled_listener, config.loop.spin),
      loop_(config.loop, host.registry(), host.workers(), host.watchdog(), *this) {
  loop_.emitters().set_bus(
      {[this](const EmitTry& attempt) { bus_.waits(attempt); }, [this](EmitTry& attempt) { bus_.leave(attempt); }});
}

Context::~Context() {
  loop_.finish();
  bus_.close();
  for (std::thread* const thread : {&request_thread_, &event_thread_}) {
    if (thread->joinable()) thread->join();
  }
}

void Context::set_handle(bp_context handle) {
  handle_ = handle;
  loop_.set_context(handle);
}

// Each thread runs until the context is deleted. It sleeps while the context rests.
void Context::start_threads() {
  if (!event_thread_.joinable()) {
    event_thread_ = std::thread([this] {
      HostThread host_thread("bp-event");
      const SignalStack signal_stack;
      bus_.run();
    });
  }
  if (!request_thread_.joinable()) {
    threads_since_ = now();
    request_thread_ = std::thread([this] {
      HostThread host_thread("bp-request");
      loop_.run();
    });
  }
}

void Context::start() {
  try {
    start_threads();
    const auto tell = [this](const Liveness& liveness) { tell_liveness(liveness); };
    request_watch_ = host_.watchdog().watch(loop_.heartbeat(), "request", tell);
    event_watch_ = host_.watchdog().watch(bus_.heartbeat(), "event", tell, [this] { return bus_.culprit(); });
    host_.attach(*this);
  } catch (...) {
    abandon_start();
    throw;
  }
}

// Ends everything that has started, even if a module's instance takes long.
void Context::abandon_start() noexcept {
  constexpr std::chrono::hours as_long_as_it_takes{24};
  const MutexLock lock(stop_mutex_);
  loop_.close();
  while (request_thread_.joinable() && !loop_.end_instances(as_long_as_it_takes)) {
  }
  while (!leave_host(as_long_as_it_takes)) {
  }
  while (!settle(as_long_as_it_takes)) {
  }
  stage_ = Stage::stopped;
}

Nanos Context::rest() noexcept {
  loop_.rest();
  bus_.rest();
  return threads_since_;
}

void Context::renew() noexcept {
  id_ = next_id();
  loop_.renew();
  bus_.renew();
  silent_.clear();
  const MutexLock lock(stop_mutex_);
  stage_ = Stage::running;
  leaving_ = false;
  left_.close();
}

void Context::dispose(std::unique_ptr<Endpoint> self) noexcept {
  self.release();
  host_.keep(std::unique_ptr<Context>(this));
}

bool Context::on_own_thread() const noexcept { return host_.on_own_thread(); }

bp_status Context::close() {
  loop_.close();
  return BP_OK;
}

// Open requests may use the first `timeout`. All later stages share a second one. After a timeout, the next call
// continues at the stage where this one stopped.
bp_status Context::stop(std::uint32_t timeout_ms) {
  if (on_own_thread()) return BP_REENTRANT;
  const std::chrono::milliseconds timeout(timeout_ms == 0 ? config_.stop_timeout_ms : timeout_ms);
  const MutexLock lock(stop_mutex_);
  loop_.close();
  loop_.end_when_idle();
  if (stage_ == Stage::running && loop_.wait_until_idle(timeout)) stage_ = Stage::drained;
  const auto until = std::chrono::steady_clock::now() + timeout;
  const auto left = [until] { return left_of(until); };
  if (stage_ == Stage::running) {
    loop_.cancel_all();
    if (!loop_.wait_until_idle(left())) return BP_TIMEOUT;
    stage_ = Stage::drained;
  }
  if (stage_ == Stage::drained) {
    if (!loop_.end_instances(left())) return BP_TIMEOUT;
    stage_ = Stage::instances_gone;
  }
  // Leave the host only now. Until then, the host waits for this context before it unmaps a module.
  if (stage_ == Stage::instances_gone) {
    if (!leave_host(left())) return BP_TIMEOUT;
    stage_ = Stage::detached;
  }
  if (stage_ == Stage::detached) {
    if (!settle(left())) return BP_TIMEOUT;
    stage_ = Stage::stopped;
  }
  return BP_OK;
}

bool Context::leave_host(std::chrono::milliseconds timeout) {
  if (!std::exchange(leaving_, true) && !host_.control().try_here([this] { leave_.run(); })) {
    host_.control().post(leave_);
  }
  return left_.wait(timeout, config_.loop.spin);
}

void Context::Leave::run() {
  context.host_.detach(context);
  context.left_.open();
}

bool Context::settle(std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  Watchdog& watchdog = host_.watchdog();
  return loop_.settle(left_of(until)) && bus_.settle(left_of(until)) &&
         watchdog.unwatch(request_watch_, left_of(until)) && watchdog.unwatch(event_watch_, left_of(until));
}

bp_status Context::submit(const bp_submission& submission, bp_request* request) {
  return loop_.submit(submission, request);
}

bp_status Context::cancel(bp_request request) { return loop_.cancel(request); }

bp_status Context::open_source(bp_source& out) {
  return loop_.closed() ? bp_status{BP_CLOSED} : loop_.sources().open(out);
}

bp_status Context::find_method(bp_str name, bp_method& out) { return host_.registry().resolve(view(name), out); }

bp_status Context::listen(const bp_subscription& subscription, bp_listener& out) {
  if (loop_.closed()) return BP_CLOSED;
  try {
    out.id = bus_.listen({view(subscription.pattern), subscription.on_event, subscription.user,
                          view(subscription.label), (subscription.flags & BP_LISTEN_OWN_THREAD) != 0,
                          (subscription.flags & BP_LISTEN_LOSSLESS) != 0, lossless_options_of(subscription)});
  } catch (const std::system_error&) {
    return BP_OUT_OF_MEMORY;  // no thread
  } catch (const PatternTable::Full&) {
    return BP_OVERLOADED;
  }
  return BP_OK;
}

bp_status Context::credit_listener(bp_listener listener, std::uint64_t bytes) {
  return bus_.credit(listener.id, bytes);
}

bp_status Context::unlisten(bp_listener listener) { return bus_.unlisten(listener.id) ? BP_OK : BP_INVALID_HANDLE; }

bp_status Context::change_function(const FunctionChange& change) {
  if (!is_wire_name(change.name)) return BP_INVALID_ARGUMENT;
  Functions& functions = loop_.functions();
  if (change.only == FunctionChange::Only::of_user) {
    return functions.withdraw(change.name, change.user, loop_.on_thread());
  }
  const Functions::Function function{change.call, change.user, 0, change.ask, change.unask};
  return functions.provide(change.name, function, change.only == FunctionChange::Only::absent, loop_.on_thread());
}

bp_status Context::set_poller(const bp_poller* poller) {
  return loop_.set_poller(poller) || poller != nullptr ? BP_OK : BP_NOT_FOUND;
}

bp_status Context::complete(bp_token token, const bp_answer& answer) { return loop_.complete(token, answer); }

ModuleEndpoint& Context::modules() noexcept { return host_; }

std::shared_ptr<InstanceStart> Context::begin_instance(Generation& generation, bool keep_failed) {
  return loop_.instances().begin(generation, keep_failed);
}

void Context::retire_instance(Generation& generation) { loop_.instances().retire(generation); }

void Context::release_held() noexcept { loop_.release_held(); }

void Context::prepare_instance(Generation& generation) { loop_.instances().prepare(generation); }

std::string Context::keep_instance(Generation& generation, std::chrono::milliseconds timeout) {
  return loop_.instances().keep(generation, timeout);
}

void Context::count_work(const Generation& generation, std::chrono::steady_clock::time_point until,
                         std::uint64_t& requests, std::uint64_t& tokens) {
  loop_.instances().count_work(generation, until, requests, tokens);
}

bp_status Context::emit(std::string_view name, bp_bytes payload, std::uint32_t flags, EmitTry* attempt) {
  return attempt == nullptr ? bus_.emit(name, payload, flags) : bus_.emit_lossless(name, payload, flags, *attempt);
}

// Runs on the watchdog thread, because the reader of the event log may be stuck itself.
void Context::tell_liveness(const Liveness& liveness) {
  silent_.tell(liveness);
  log_liveness(std::string("the ") + liveness.thread + " thread of context " + std::to_string(id_), false, liveness);
  bus_.deliver_now(event_of(liveness), bytes(event_payload(liveness)), BP_EVENT_TYPED);
}

void Context::tell(const char* event, const std::vector<std::uint8_t>& payload, bool to_any) {
  host_.watchdog().post(event_watch_, [this, event, payload, to_any] {
    to_any ? bus_.deliver_now(event, bytes(payload), BP_EVENT_TYPED)
           : bus_.tell_now(event, bytes(payload), BP_EVENT_TYPED);
  });
}

}  // namespace backplane::host
