// SPDX-License-Identifier: Apache-2.0
//
// The whole way of a call whose handler replies before it returns, from its inline call to its reply: in one unit, so
// that the compiler makes one path of it. What only some calls need is in the other files of this room.
#include <utility>

#include "request/loop.hpp"
#include "request/submission.hpp"
#include "support/views.hpp"

namespace backplane::host {
namespace {

std::string returned_text(const Request& request) {
  return "the entry of fiber " + std::to_string(request.returned_fiber) + " of \"" + request.method->name +
         "\" returned, and nobody asked which it was; a fiber switches to another before it ends, or its handler "
         "asks with `ended`";
}

}  // namespace

void set_up(Request& request, RequestLoop* loop) {
  request.loop.store(loop, std::memory_order_relaxed);
  request.method = nullptr;
  request.on_reply = nullptr;
  request.user = nullptr;
  request.deadline = 0;
  request.waited = 0;
  request.wants_stale = request.shared_way = request.quick = false;
  request.handler = nullptr;
  request.instance = nullptr;
  request.stats = nullptr;
  request.run_weight = 0;
  request.awaiting = nullptr;
  request.cause.store(BP_OK, std::memory_order_relaxed);
  request.environment.store(nullptr, std::memory_order_relaxed);
  request.entry_returned = false;
  request.held = request.ended = request.leaving = request.delivered = false;
  request.partials.store(0, std::memory_order_relaxed);
  request.began = request.when = 0;
}

// The request thread's: a record set up and with a fresh token. Null if memory cannot be had.
Request* RequestLoop::new_request() noexcept {
  Request* request = spare_requests_;
  if (request != nullptr) [[likely]] {
    spare_requests_ = request->next;
    --spare_request_count_;
    return request;
  }
  request = Request::slab().allocate();
  if (request != nullptr) set_up(*request, this);
  return request;
}

// The request thread's. The last one's memory is the next one's: it stays in this core's cache. One that was on its
// quick way all the time has little to be set up again.
void RequestLoop::free_request(Request& request) noexcept {
  if (spare_request_count_ >= spare_records_kept || !Request::slab().reuse(request)) {
    return Request::slab().free(&request);
  }
  if (request.quick) {
    request.handler = nullptr;
    request.instance = nullptr;
    request.stats = nullptr;
    request.run_weight = 0;
    request.quick = request.ended = request.leaving = request.delivered = false;
  } else {
    set_up(request, this);
  }
  request.next = std::exchange(spare_requests_, &request);
  ++spare_request_count_;
}

inline Request* RequestLoop::read_inline_call(const InlineCall& inline_call) noexcept {
  Request* const request = new_request();
  if (request == nullptr) [[unlikely]]
    return nullptr;
  request->method = inline_call.method;
  request->on_reply = inline_call.on_reply;
  request->user = inline_call.user;
  request->waited = inline_call.submitted;
  request->wants_stale = inline_call.wants_stale;
  request->quick = true;
  if (inline_call.in_buffer) {
    request->payload.adopt(inline_call.buffer);
  } else {
    request->payload.copy_inline(inline_call.bytes, inline_call.size);
  }
  request->arm_owned();
  return request;
}

Request* RequestLoop::next_request() noexcept {
  if (next_ != nullptr) return std::exchange(next_, nullptr);
  if (budget_ <= 0 || !ready_.empty() || begin_none_.load(std::memory_order_relaxed)) return nullptr;
  --budget_;
  return take_next();
}

// The queue and the lanes have their turns one after the other.
Request* RequestLoop::take_next() noexcept {
  from_lane_ = queue_.empty() || !from_lane_;
  if (from_lane_) {
    if (Request* const request = take_from_lane()) return request;
  }
  return take_queued();
}

Request* RequestLoop::take_queued() noexcept {
  Request* const request = queue_.pop();
  if (request != nullptr && request->shared_way) ingress_.taken_shared();
  return request;
}

Request* RequestLoop::take_from_lane() noexcept {
  auto* const entry = ingress_.front();
  if (entry == nullptr) return nullptr;
  Request* request = nullptr;
  if (entry->is_inline) [[likely]] {
    request = read_inline_call(entry->inline_call);
    no_memory_ = request == nullptr;
    if (no_memory_) return nullptr;
    LoopCounts::add(counts_.accepted);
    LoopCounts::add(counts_.open);
  } else {
    request = entry->made;
    if (!is_linked(*request)) admit(*request);
  }
  ingress_.pop();
  return request;
}

// A fiber runs one request after another, and is left in the middle of one only if that suspends: so
// a handler that never suspends costs no switch of its own.
void RequestLoop::fiber_body(Fiber& self, void* argument) noexcept {
  auto& loop = *static_cast<RequestLoop*>(argument);
  for (;;) {
    while (Request* const request = loop.next_request()) {
      self.user = request;
      self.stack().label = request->method == nullptr ? nullptr : request->method->name.c_str();
      loop.handle(*request);
      self.user = nullptr;
    }
    self.stack().label = nullptr;  // nobody's: it rests
    self.suspend();
  }
}

// Whether the handler of a request that was one before its turn is to run; else it is ended here.
bool RequestLoop::still_wanted(Request& request) {
  // Its timer has had no chance to fire if the deadline passed while a handler before it ran.
  if (request.deadline != 0 && request.deadline <= now()) end_unwanted(request, request.token(), BP_DEADLINE);
  if (!request.open()) {  // nobody waits for it any more; that reply is on its way or delivered
    if (request.method != nullptr) request.method->refused.fetch_add(1, std::memory_order_relaxed);
    end(request);
    return false;
  }
  if (request.method == nullptr) {  // an unknown name: the answer says so already
    if (request.claim(request.token())) answered(request);
    end(request);
    return false;
  }
  return true;
}

void RequestLoop::handle(Request& request) {
  heartbeat_.beat();
  if (!request.quick && !still_wanted(request)) return;
  const Generation* const running = Registry::running(*request.method);
  const CachedRoute* const route = request.method->index < routes_.size() ? &routes_[request.method->index] : nullptr;
  if (route != nullptr && route->generation == running && running != nullptr) [[likely]] {
    return begin(request, *route);
  }
  find_route(request, running);
}

// By the way that all calls of a method took before.
inline void RequestLoop::begin(Request& request, const CachedRoute& route) {
  request.handler = route.handler;
  request.instance = route.instance;
  request.stats = route.stats;
  request.run_weight = static_cast<std::uint8_t>(route.stats->weight_of_next());
  LoopCounts::add(route.instance->in_flight);
  CallStats::add(route.stats->calls);
  CallStats::add(route.stats->bytes_in, request.payload.size());
  run_here(request);
}

void RequestLoop::find_route(Request& request, const Generation* running) {
  const Handler* const handler = running == nullptr ? nullptr : running->handler(*request.method);
  if (handler == nullptr) {
    std::string why;
    const bp_status status = no_handler(*request.method, running != nullptr, why);
    return refuse(request, status, why);
  }
  bp_instance* const instance = instance_of(*handler->generation);
  const bool is_static = (handler->flags & BP_HANDLER_STATIC) != 0;
  if (instance == nullptr || (!instance->failure.empty() && !is_static)) {
    return refuse(request, BP_INSTANCE_FAILED,
                  "the module \"" + handler->generation->manifest.name + "\" could not start in this context: " +
                      (instance == nullptr ? "it has no instance here" : instance->failure));
  }
  request.handler = handler;
  request.instance = instance;
  LoopCounts::add(instance->in_flight);
  CachedRoute* const route = route_of(*request.method);
  if (route != nullptr && route->stats != nullptr) {
    request.stats = route->stats;
    request.run_weight = static_cast<std::uint8_t>(request.stats->weight_of_next());
    CallStats::add(request.stats->calls);
    CallStats::add(request.stats->bytes_in, request.payload.size());
  }
  if ((handler->flags & BP_HANDLER_BLOCKING) != 0) return run_on_worker(request);
  if (request.stats != nullptr && instance->failure.empty()) {
    route->handler = handler;
    route->instance = instance;
    route->generation = running;
  }
  run_here(request);
}

inline void RequestLoop::run_here(Request& request) {
  heartbeat_.running(request.method, request.handler->generation->number);
  const bool measured = request.run_weight != 0 || request.waited != 0;
  if (measured) request.gets_thread(ticks());
  const bp_handled handled = call_handler(request);
  // What handler_ended() comes to when the handler has replied and needs nothing more.
  const bool replied = request.quick && request.leaving && !request.delivered;
  if (replied && !measured && request.environment.load(std::memory_order_relaxed) == nullptr) [[likely]] {
    request.ended = true;
    return;
  }
  if (request.run_weight != 0) request.leaves_thread(ticks());
  handler_ended(request, handled == BP_LATER);
}

void RequestLoop::handler_ended(Request& request, bool later) {
  if (request.environment.load(std::memory_order_relaxed) != nullptr) end_environment(request);
  if (request.stats != nullptr) {
    if (request.waited != 0) request.stats->wait.record(request.waited, CallStats::sample);
    if (request.run_weight != 0) request.stats->ran(request.time_ran(), request.run_weight);
  }
  const bool is_static = (request.handler->flags & BP_HANDLER_STATIC) != 0;
  if (later && !is_static && !request.entry_returned) {
    if (request.open()) watch_time(request);
  } else if (request.open() && claim_here(request)) {
    request.answer.fail(BP_NO_REPLY, no_reply_text(request));
    answered(request);
  }
  end(request);
}

// Whoever claimed the request has filled in its answer. Behind parts that are still on their way it takes
// the way of the task queue, as they may have: an answer must not overtake them.
void RequestLoop::answered(Request& request) {
  if (on_thread() && request.partials.load(std::memory_order_acquire) == 0) return deliver_soon(request);
  Delivery& delivery = request;
  delivery.apply = [](Task& task) { Request::of(task).loop.load(std::memory_order_relaxed)->deliveries_.push(&task); };
  send(delivery);
}

// In this turn of the loop.
void RequestLoop::deliver_soon(Request& request) noexcept {
  request.leaving = true;
  deliveries_.push(static_cast<Delivery*>(&request));
}

// The handler replies from where it runs, so the loop cannot go away, and the record need not be looked for.
inline bp_status RequestLoop::answer_running(Request& request, const bp_answer& answer) noexcept {
  if (!is_terminal(answer.status)) return BP_INVALID_ARGUMENT;
  if (!claim_here(request)) {
    stale_answers_.fetch_add(1, std::memory_order_relaxed);
    return BP_STALE_TOKEN;
  }
  request.answer.assign(answer);
  answered(request);
  return BP_OK;
}

bp_status RequestLoop::answer(bp_token token, const bp_answer& answer) {
  if (current_loop != nullptr && current_loop->running_fiber_ != nullptr && answer.status != BP_PARTIAL) {
    auto* const running = static_cast<Request*>(current_loop->running_fiber_->user);
    if (running != nullptr && running->token() == token) [[likely]]
      return current_loop->answer_running(*running, answer);
  }
  bp_status status = BP_STALE_TOKEN;
  if (token::kind(token) == request_kind) status = answer_request(token, answer);
  if (token::kind(token) == pending_kind) status = answer_pending(token, answer, nullptr);
  if (status == BP_STALE_TOKEN) stale_answers_.fetch_add(1, std::memory_order_relaxed);
  return status;
}

// No handler runs for the request, or will.
void RequestLoop::end(Request& request) {
  request.ended = true;
  if (request.leaving && !request.delivered) return;
  if (!request.leaving) link(request);
  release_if_done(request);
}

void RequestLoop::release_if_done(Request& request) {
  if (!request.ended || !request.delivered || request.partials.load(std::memory_order_acquire) != 0) return;
  timers_.cancel(request);
  if (is_linked(request)) unlink_open(request);
  bp_instance* const instance = request.instance;
  if (request.stats != nullptr) CallStats::add(request.stats->ended);
  request.payload.clear();
  request.answer.clear();
  free_request(request);
  LoopCounts::drop(counts_.open);
  if (instance == nullptr) return;
  LoopCounts::drop(instance->in_flight);
  end_if_idle(*instance);
}

bool RequestLoop::deliver_replies() {
  if (no_memory_) refuse_inline_call();
  if (deliveries_.empty()) return false;
  // A callback may cancel another request, and so add to the list.
  while (Task* const task = deliveries_.pop()) {
    auto& delivery = static_cast<Delivery&>(*task);
    if (delivery.is_part) {
      deliver_part(static_cast<Part&>(delivery));
    } else {
      deliver_terminal(static_cast<Request&>(delivery));
    }
    heartbeat_.beat();
  }
  heartbeat_.running_nothing();
  return true;
}

// Of a request that was on its quick way all the time: nothing has been set for it that is to be undone.
inline void RequestLoop::deliver_quickly(Request& request) {
  CallStats& stats = *request.stats;
  CallStats::add(stats.bytes_out, request.answer.payload().size());
  LoopCounts::add(counts_.replied);
  if (request.answer.status != BP_OK) {
    CallStats::add(stats.errors);
    LoopCounts::add(counts_.errors);
  }
  const bp_answer answer = request.answer.view();
  heartbeat_.replying(request.method);
  request.on_reply(request.user, &answer);
  CallStats::add(stats.ended);
  request.payload.clear();
  request.answer.clear();
  bp_instance& instance = *request.instance;
  free_request(request);
  LoopCounts::drop(counts_.open);
  LoopCounts::drop(instance.in_flight);
  if (instance.retirement != nullptr) end_if_idle(instance);
}

void RequestLoop::deliver_terminal(Request& request) {
  if (request.quick && request.ended && request.stats != nullptr) [[likely]] {
    return deliver_quickly(request);
  }
  const bool unwanted = request.cause.load(std::memory_order_relaxed) != BP_OK;
  if (request.environment.load(std::memory_order_relaxed) != nullptr &&
      !unwanted) {  // end_environment() brings it here again
    request.held = true;
    if (request.when != 0 && !request.is_set()) timers_.set(request, request.when);  // it was due meanwhile
    return;
  }
  if (request.entry_returned && !unwanted) {
    request.answer.fail(BP_ENTRY_RETURNED, returned_text(request));
  }
  request.delivered = true;
  timers_.cancel(request);
  if (request.stats != nullptr) {
    CallStats::add(request.stats->bytes_out, request.answer.payload().view().size);
    if (request.answer.status != BP_OK) CallStats::add(request.stats->errors);
  }
  if (request.from_outside()) {
    LoopCounts::add(counts_.replied);
    if (request.answer.status != BP_OK) LoopCounts::add(counts_.errors);
  }
  if (request.on_reply != nullptr) {
    const bp_answer answer = request.answer.view();
    heartbeat_.replying(request.method);
    request.on_reply(request.user, &answer);
  } else if (Waiter* const waiter = request.waiter()) {
    request.forget_waiter();
    waiter->call = nullptr;
    waiter->answer = std::move(request.answer);
    complete_wait(*waiter);
  }
  if (Waiter* const awaited = request.awaited(); awaited != nullptr && !request.ended) {
    const bp_status cause = request.cause.load(std::memory_order_relaxed);
    if (cause != BP_OK) fail_wait(*awaited, cause, "the request is not wanted any more");
  }
  release_if_done(request);
}

}  // namespace backplane::host
