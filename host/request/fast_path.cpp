// SPDX-License-Identifier: Apache-2.0
//
// The path of a call whose handler replies before it returns: from its turn to its reply callback. It crosses the
// dispatcher and the replies, and stands in one unit so that the compiler makes one path of it. What only some calls
// need is in replies.cpp, request_timers.cpp and blocking_handlers.cpp.
#include <utility>

#include "memory/budget.hpp"
#include "request/dispatcher.hpp"
#include "request/handler_errors.hpp"
#include "request/pending.hpp"
#include "request/reply_api.hpp"
#include "request/source.hpp"
#include "request/stream.hpp"
#include "request/submission.hpp"
#include "support/forked_child.hpp"

namespace backplane::host {
namespace {

std::string returned_text(const Request& request) {
  return text_or_none([&request] {
    return "the entry of fiber " + std::to_string(request.returned_fiber) + " of \"" + request.method->name +
           "\" returned, and nobody asked which it was; a fiber switches to another before it ends, or its handler "
           "asks with `ended`";
  });
}

std::atomic<std::uint64_t> stale_answers{0};

}  // namespace

std::uint64_t reply_api::stale_answers() noexcept { return host::stale_answers.load(std::memory_order_relaxed); }

Request* Dispatcher::next() noexcept {
  if (given_ != nullptr) return std::exchange(given_, nullptr);
  return runner_.any_ready() ? nullptr : next_new();
}

Request* Dispatcher::next_new() noexcept {
  if (budget_ <= 0 || !stop_.may_begin()) return nullptr;
  Ticks time = 0;
  if (backlog_.any_in_line()) [[unlikely]] {
    time = ticks();
    if (turn_began_ == 0) turn_began_ = time;
    static const Ticks longest = ticks_in(longest_turn);
    if (span(turn_began_, time) > longest) return nullptr;  // the sockets are looked at
  }
  --budget_;
  if (!held_.empty()) [[unlikely]] {
    if (Request* const held = held_.next()) return held;
  }
  const auto admit = [this](Request& request) {
    on_request_thread.assume();
    replies_.admit(request);
  };
  return backlog_.take(admit, time);
}

void Dispatcher::fiber_body(Fiber& self, void* dispatcher) noexcept {
  on_request_thread.assume();
  auto& here = *static_cast<Dispatcher*>(dispatcher);
  for (;;) {
    while (Request* const request = here.next()) {
      self.user = request;
      self.stack().label = request->method == nullptr ? nullptr : request->method->name.c_str();
      here.handle(*request);
      self.user = nullptr;
    }
    self.stack().label = nullptr;  // it has no request
    self.suspend();
  }
}

void Dispatcher::sized_fiber_body(Fiber& self, void* dispatcher) noexcept {
  on_request_thread.assume();
  auto& here = *static_cast<Dispatcher*>(dispatcher);
  for (;;) {
    Request& request = *std::exchange(here.given_, nullptr);
    self.user = &request;
    self.stack().label = request.method->name.c_str();
    here.run_on_this_stack(request);
    self.user = nullptr;
    self.stack().label = nullptr;
    self.suspend();
  }
}

Request* Dispatcher::run(Request& request) {
  Fiber* const idle = runner_.idle_fiber();
  if (idle == nullptr) {
    refuse_without_stack(request);
    return nullptr;
  }
  given_ = &request;
  return runner_.resume(*idle);
}

void Dispatcher::refuse_without_stack(Request& request) {
  if (memory_was_refused()) {
    replies_.refuse(request, BP_OVERLOADED, MemoryLimitText());
  } else {
    replies_.refuse(request, BP_OUT_OF_MEMORY, "no memory for the stack of a fiber to run the handler on");
  }
}

void Dispatcher::handle(Request& request) {
  heartbeat_.beat();
  if (!request.quick && !is_usual(request)) return;
  const Generation* const running = Registry::running(*request.method);
  if (const MethodCache::Entry* const entry = methods_.find(*request.method, running)) [[likely]] {
    return begin(request, *entry);
  }
  find_handler(request, running);
}

// Whether the handler of a request that was one before its turn is to run, and needs no closer look; else it is handled
// here.
bool Dispatcher::is_usual(Request& request) {
  // Its timer has had no chance to fire if the deadline passed while a handler before it ran.
  if (request.deadline != 0 && request.deadline <= now()) {
    replies_.end_unwanted(request, request.token(), BP_DEADLINE);
  }
  if (!request.open()) {  // its reply is on its way or delivered
    if (request.method != nullptr) request.method->refused.fetch_add(1, std::memory_order_relaxed);
    replies_.end(request);
    return false;
  }
  if (request.method == nullptr) {  // an unknown name: the answer says so already
    if (request.claim(request.token())) replies_.answered(request);
    replies_.end(request);
    return false;
  }
  if (!comes_in_parts(request)) return true;
  find_handler(request, Registry::running(*request.method));
  return false;
}

// As the call of this method before.
inline void Dispatcher::begin(Request& request, const MethodCache::Entry& entry) {
  if (limits_.full(entry.stats)) [[unlikely]]
    return refuse_full(request, entry.stats);
  request.handler = entry.handler;
  request.instance = entry.instance;
  request.stats = entry.stats;
  request.run_weight = static_cast<std::uint8_t>(entry.stats->weight_of_next());
  LoopCounts::add(entry.instance->in_flight);
  CallStats::add(entry.stats->calls);
  CallStats::add(entry.stats->bytes_in, request.payload.size());
  run_here(request);
}

void Dispatcher::find_handler(Request& request, const Generation* running) {
  if ((running == nullptr || !held_.empty()) && hold(request, running)) return;
  const Handler* const handler = running == nullptr ? nullptr : running->handler(*request.method);
  if (handler == nullptr) {
    std::string why;
    const bp_status status = no_handler(*request.method, running != nullptr, why);
    return replies_.refuse(request, status, why);
  }
  if (comes_in_parts(request) && (handler->flags & BP_HANDLER_PARTS) == 0) {
    return replies_.refuse(request, BP_NOT_SUPPORTED,
                           "\"" + request.method->name +
                               "\" does not take a request in parts; send it whole, or declare the handler with "
                               "BP_HANDLER_PARTS");
  }
  bp_instance* const instance = instances_.of(*handler->generation);
  const bool is_static = (handler->flags & BP_HANDLER_STATIC) != 0;
  if (instance == nullptr || (!instance->failure.empty() && !is_static)) {
    return replies_.refuse(request, BP_INSTANCE_FAILED, text_or_none([&] {
                             return "the module \"" + handler->generation->manifest.name +
                                    "\" could not start in this context: " +
                                    (instance == nullptr ? "it has no instance here" : instance->failure);
                           }));
  }
  MethodCache::Entry* const entry = methods_.entry_of(*request.method);
  CallStats* const stats = entry == nullptr ? nullptr : entry->stats;
  if (limits_.full(stats)) return refuse_full(request, stats);
  request.handler = handler;
  request.instance = instance;
  handler->method.store(request.method, std::memory_order_relaxed);
  LoopCounts::add(instance->in_flight);
  if (stats != nullptr) {
    request.stats = stats;
    request.run_weight = static_cast<std::uint8_t>(stats->weight_of_next());
    CallStats::add(stats->calls);
    CallStats::add(stats->bytes_in, request.payload.size());
  }
  if ((handler->flags & BP_HANDLER_BLOCKING) != 0) return run_on_worker(request);
  if (request.stats != nullptr && instance->failure.empty()) {
    entry->handler = handler;
    entry->instance = instance;
    entry->generation = running;
  }
  run_here(request);
}

void Dispatcher::refuse_full(Request& request, const CallStats* stats) {
  std::string text;
  replies_.refuse(request, BP_OVERLOADED, limits_.full_text(*request.method, stats, text));
}

inline void Dispatcher::run_here(Request& request) {
  if (request.handler->stack_size != 0) [[unlikely]]
    return run_on_sized_stack(request);
  run_on_this_stack(request);
}

// The fiber that has found the handler goes on when the handler has ended, or suspends for the first time.
[[gnu::noinline]] void Dispatcher::run_on_sized_stack(Request& request) {
  const std::size_t size = request.handler->stack_size;
  if (size == runner_.stack_size()) return run_on_this_stack(request);
  Fiber* const idle = runner_.idle_fiber(size);
  if (idle == nullptr) return refuse_without_stack(request);
  given_ = &request;
  if (Request* const suspended = runner_.resume(*idle)) backlog_.link(*suspended);
}

inline void Dispatcher::run_on_this_stack(Request& request) {
  heartbeat_.running(request.method, request.handler->generation->number, request.source);
  const bool measured = request.run_weight != 0 || request.waited != 0;
  if (measured) {
    request.gets_thread(ticks());
    if (request.run_weight == 1 && request.stats->may_be_slow()) backlog_.stamps().want_each();
  }
  const bp_handled handled = call_handler(request);
  leave_to_parent();
  // What handler_ended() comes to when the handler has replied and needs nothing more.
  const bool replied = request.quick && request.leaving && !request.delivered;
  if (replied && !measured && request.environment.load(std::memory_order_relaxed) == nullptr) [[likely]] {
    request.ended = true;
    return;
  }
  if (request.run_weight != 0) request.leaves_thread(ticks());
  handler_ended(request, handled == BP_LATER);
}

void Dispatcher::handler_ended(Request& request, bool later) {
  if (request.environment.load(std::memory_order_relaxed) != nullptr) {
    runner_.end_environment(request);
    replies_.release_held(request);
  }
  if (request.stats != nullptr) {
    if (request.waited != 0) {
      const bool blocking = (request.handler->flags & BP_HANDLER_BLOCKING) != 0;
      backlog_.stamps().record(*request.stats, request.waited, request.run_weight, blocking);
    }
    if (request.run_weight != 0) {
      const Ticks ran = request.time_ran();
      request.stats->ran(ran, request.run_weight);
      cpu_warning_.look(request, ran);
    }
  }
  const bool is_static = (request.handler->flags & BP_HANDLER_STATIC) != 0;
  if (later && !is_static && !request.entry_returned) {
    if (request.open()) replies_.watch_time(request);
  } else if (request.open() && Replies::claim_here(request)) {
    request.answer.fail(BP_NO_REPLY, no_reply_text(request));
    replies_.answered(request);
  }
  replies_.end(request);
}

// In this turn of the loop.
inline void Replies::deliver_soon(Request& request) noexcept {
  request.leaving = true;
  deliveries_.push(static_cast<Delivery*>(&request));
}

inline bp_status Replies::answer_running(Request& request, const bp_answer& answer) noexcept {
  if (!is_terminal(answer.status)) return BP_INVALID_ARGUMENT;
  if (!claim_here(request)) {
    host::stale_answers.fetch_add(1, std::memory_order_relaxed);
    return BP_STALE_TOKEN;
  }
  request.answer.assign(answer);
  if (request.stream.load(std::memory_order_acquire) == nullptr) [[likely]] {
    deliver_soon(request);
  } else {
    answered(request);
  }
  return BP_OK;
}

bp_status reply_api::answer(bp_token token, const bp_answer& answer) {
  if (RequestThread* const here = RequestThread::current; here != nullptr && answer.status != BP_PARTIAL) {
    on_request_thread.assume();
    Request* const running = here->runner.running_request();
    if (running != nullptr && running->token() == token) [[likely]]
      return here->replies.answer_running(*running, answer);
  }
  if (is_forked_child.load(std::memory_order_relaxed)) return BP_NOT_SUPPORTED;
  bp_status status = BP_STALE_TOKEN;
  if (token::kind(token) == request_kind) status = Replies::answer(token, answer);
  if (token::kind(token) == pending_kind) status = PendingTable::answer(token, answer, nullptr);
  if (status == BP_STALE_TOKEN) host::stale_answers.fetch_add(1, std::memory_order_relaxed);
  return status;
}

// An answer must not overtake the parts of the request. While parts are on their way, it goes through the inbox, as
// they may have done.
void Replies::answered(Request& request) {
  RequestThread* const thread = request.thread.load(std::memory_order_relaxed);
  const Stream* const stream = request.stream.load(std::memory_order_acquire);
  if (thread == RequestThread::current) {
    on_request_thread.assume();
    if (stream == nullptr) return deliver_soon(request);
    request.quick = false;  // its end has a stream to free
    if (stream->undelivered.load(std::memory_order_acquire) == 0) return deliver_soon(request);
  }
  Delivery& delivery = request;
  delivery.apply = [](Task& task) {
    on_request_thread.assume();
    Request::of(task).thread.load(std::memory_order_relaxed)->replies.deliveries_.push(&task);
  };
  inbox_.send(delivery);
}

void Replies::end(Request& request) {
  request.ended = true;
  if (request.leaving && !request.delivered) return;
  if (!request.leaving) backlog_.link(request);
  release_if_done(request);
}

void Replies::release_if_done(Request& request) {
  if (!request.ended || !request.delivered) return;
  if (Stream* const stream = request.stream.load(std::memory_order_acquire)) [[unlikely]] {
    if (stream->undelivered.load(std::memory_order_acquire) != 0) return;
    request.stream.store(nullptr, std::memory_order_relaxed);
    delete stream;
  }
  if (request.source != 0) Sources::leave(*Source::at(request.source));
  timers_.cancel(request);
  if (is_linked(request)) backlog_.unlink(request);
  bp_instance* const instance = request.instance;
  if (request.stats != nullptr) CallStats::add(request.stats->ended);
  limits_.has_ended(request);
  request.payload.clear();
  request.answer.clear();
  backlog_.free_request(request);
  LoopCounts::drop(counts_.open);
  if (instance == nullptr) return;
  LoopCounts::drop(instance->in_flight);
  instances_.end_if_idle(*instance);
}

bool Replies::deliver() {
  if (backlog_.lacks_memory()) refuse_inline();
  if (deliveries_.empty()) return false;
  // A callback may cancel another request, and so add to the list.
  while (Task* const task = deliveries_.pop()) {
    auto& delivery = static_cast<Delivery&>(*task);
    if (delivery.is_part) {
      deliver_part(static_cast<Part&>(delivery));
    } else {
      deliver_terminal(static_cast<Request&>(delivery));
    }
    leave_to_parent();
    heartbeat_.beat();
  }
  heartbeat_.running_nothing();
  return true;
}

// Of a request that was quick all the time: nothing has been set for it that must be undone.
inline void Replies::deliver_quickly(Request& request) {
  CallStats& stats = *request.stats;
  CallStats::add(stats.bytes_out, request.answer.payload().size());
  LoopCounts::add(counts_.replied);
  if (request.answer.status != BP_OK) {
    CallStats::add(stats.errors);
    LoopCounts::add(counts_.errors);
    log_error(request);
  }
  const bp_answer answer = request.answer.view();
  heartbeat_.replying(request.method);
  request.on_reply(request.user, &answer);
  CallStats::add(stats.ended);
  request.payload.clear();
  request.answer.clear();
  bp_instance& instance = *request.instance;
  backlog_.free_request(request);
  LoopCounts::drop(counts_.open);
  LoopCounts::drop(instance.in_flight);
  if (instance.retirement != nullptr) instances_.end_if_idle(instance);
}

void Replies::deliver_terminal(Request& request) {
  if (request.quick && request.ended && request.stats != nullptr) [[likely]] {
    return deliver_quickly(request);
  }
  const bool unwanted = request.cause.load(std::memory_order_relaxed) != BP_OK;
  if (request.environment.load(std::memory_order_relaxed) != nullptr && !unwanted) {
    request.held = true;  // the end of the environment brings it here again: see release_held()
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
  if (request.answer.status != BP_OK) log_error(request);
  if (request.on_reply != nullptr) {
    const bp_answer answer = request.answer.view();
    heartbeat_.replying(request.method);
    request.on_reply(request.user, &answer);
  } else if (Waiter* const waiter = request.waiter()) {
    request.forget_waiter();
    waiter->call = nullptr;
    waiter->answer = std::move(request.answer);
    waiter->complete(*waiter);
  }
  // Until its turn comes only the record is needed.
  if (!request.ended && (request.handler == nullptr || request.waits_for_worker)) Streams::drop_input(request);
  if (Waiter* const awaited = request.awaited(); awaited != nullptr && !request.ended) {
    const bp_status cause = request.cause.load(std::memory_order_relaxed);
    if (cause != BP_OK) awaited->fail(cause, "the request is not wanted any more");
  }
  release_if_done(request);
}

}  // namespace backplane::host
