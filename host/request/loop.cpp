// SPDX-License-Identifier: Apache-2.0
//
// The turn of a request thread, stage by stage, and the steps of its stop that use several parts.
#include "request/loop.hpp"

#include <new>
#include <optional>

#include "fiber/overflow.hpp"
#include "support/forked_child.hpp"
#include "support/running_code.hpp"

namespace backplane::host {
namespace {

constexpr const char* stopping_text = "the context is stopping";

}  // namespace

RequestLoop::RequestLoop(const LoopOptions& options, const Registry& registry, Workers& workers, Watchdog& watchdog,
                         InstanceHost& host)
    : watchdog_(watchdog),
      thread_{inbox_, backlog_, runner_, sources_, streams_, emitters_, replies_, pending_, waits_, dispatcher_},
      stop_(inbox_, options.spin),
      sources_(thread_, inbox_),
      streams_(options, inbox_, counts_),
      emitters_(inbox_, options.stalled_listener),
      limits_(options, counts_),
      backlog_(options.queue_depth, registry, thread_, inbox_, counts_, limits_, heartbeat_),
      runner_(options, counts_.fibers, heartbeat_, Dispatcher::fiber_body, Dispatcher::sized_fiber_body, &dispatcher_),
      idle_wait_(inbox_, backlog_, runner_, timers_, heartbeat_, options.spin),
      instances_(host, inbox_, stop_, idle_wait_, methods_, workers, heartbeat_, options.spin),
      replies_(options, inbox_, backlog_, timers_, instances_, counts_, limits_, heartbeat_),
      pending_(thread_, registry, inbox_, runner_, timers_, instances_, counts_, heartbeat_),
      waits_(registry, inbox_, backlog_, runner_, timers_, streams_, emitters_, replies_, pending_, idle_wait_, workers,
             limits_),
      dispatcher_(options, inbox_, stop_, backlog_, runner_, instances_, methods_, replies_, workers, limits_,
                  heartbeat_) {}

RequestLoop::~RequestLoop() {
  inbox_.wait_for_senders();
  sources_.clear();
}

void RequestLoop::run() {
  on_request_thread.assume();
  RequestThread::current = &thread_;
  const OverflowWatch overflows(Runner::find_overflow);
  heartbeat_.begin_here();
  running_code_of_thread.find_client = client_of_this_thread;
  running_code_of_thread.find_state = run_state_of_this_thread;
  heartbeat_.busy();
  watchdog_.active();  // it may have looked before this thread began, and the first turn may be one without end
  while (stop_.phase() != Phase::finished) {
    if (!turn()) wait();
  }
  inbox_.wait_for_senders();  // of those that were still on their way out
  while (take_tasks()) {
  }
  heartbeat_.idle();
  RequestThread::current = nullptr;
}

bool RequestLoop::turn() {
  leave_to_parent();
  heartbeat_.beat();
  bool worked = take_tasks();
  worked |= take_ingress();
  worked |= fire_timers();
  worked |= run_handlers();
  worked |= replies_.deliver();
  worked |= idle_wait_.poll();
  worked |= instances_.end_idle();
  if (closed()) go_on_stopping();
  return worked;
}

bool RequestLoop::take_tasks() {
  Task* task = inbox_.take_all();
  if (task == nullptr) return false;
  while (task != nullptr) {
    Task* const next = task->next;  // apply() may free the task
    task->apply(*task);
    heartbeat_.beat();
    task = next;
  }
  return true;
}

bool RequestLoop::take_ingress() {
  const auto admit = [this](Request& request) {
    on_request_thread.assume();
    replies_.admit(request);
    heartbeat_.beat();  // a long backlog is not a stall
  };
  const bool any = backlog_.take_shared(admit);
  backlog_.look_for_urgent(admit);
  return any;
}

bool RequestLoop::fire_timers() { return timers_.next() != 0 && timers_.fire_due(now()); }

// In turns a handler that goes on and one that begins, so that neither kind waits for all of the other.
bool RequestLoop::run_handlers() {
  dispatcher_.begin_turn();
  bool begins = false;
  for (bool any = false;; any = true) {
    Request* request = begins ? dispatcher_.next_new() : nullptr;
    Fiber* const fiber = request == nullptr ? dispatcher_.next_ready() : nullptr;
    if (request == nullptr && fiber == nullptr) request = dispatcher_.next_new();
    if (request == nullptr && fiber == nullptr) return any;
    begins = fiber != nullptr;
    Request* const suspended = fiber != nullptr ? runner_.resume(*fiber) : dispatcher_.run(*request);
    if (suspended != nullptr) backlog_.link(*suspended);
  }
}

void RequestLoop::wait() {
  heartbeat_.idle();
  idle_wait_.wait();
  heartbeat_.busy();
  watchdog_.active();
}

bp_status RequestLoop::complete(bp_token token, const bp_answer& answer) {
  const bp_status status = PendingTable::answer(token, answer, &thread_);
  if (status == BP_STALE_TOKEN) counts_.tokens_refused.fetch_add(1, std::memory_order_relaxed);
  return status;
}

// A thread without calls is not woken.
std::shared_ptr<OldestCallQuery> RequestLoop::ask_oldest_call() {
  if (counts_.open.load(std::memory_order_relaxed) == 0 && waiting() == 0) return nullptr;
  auto query = std::make_shared<OldestCallQuery>();
  const bool asked = post([this, query] {
    on_request_thread.assume();
    try {
      query->answer(oldest_call(backlog_));
    } catch (const std::bad_alloc&) {
      query->answer(std::nullopt);
    }
  });
  return asked ? query : nullptr;
}

// Null: not of this context. The record may be another call's by now.
Request* RequestLoop::find(bp_request handle) const noexcept {
  Request* const request = Request::slab().find(handle.id);
  return request != nullptr && request->thread.load(std::memory_order_relaxed) == &thread_ ? request : nullptr;
}

bp_status RequestLoop::cancel(bp_request handle) {
  Request* const request = find(handle);
  return request == nullptr ? BP_INVALID_HANDLE : replies_.cancel(*request, handle.id);
}

bp_status RequestLoop::credit(bp_request handle, std::uint64_t bytes) {
  Request* const request = find(handle);
  return request == nullptr ? BP_INVALID_HANDLE : streams_.credit(*request, handle.id, bytes);
}

bp_status RequestLoop::send_part(bp_request handle, bp_bytes payload, std::uint32_t flags) {
  Request* const request = find(handle);
  return request == nullptr ? BP_INVALID_HANDLE : streams_.receive(*request, handle.id, payload, flags);
}

// Ends all that is open, once.
void RequestLoop::cancel_open() {
  take_ingress();  // what was submitted before the close is canceled too
  do {
    if (backlog_.lacks_memory()) replies_.refuse_inline();
    const auto admit = [this](Request& request) {
      on_request_thread.assume();
      replies_.admit(request);
    };
    while (Request* const request = backlog_.take_from_lane(admit)) {
      backlog_.link(*request);
      backlog_.push(*request);
    }
  } while (backlog_.lacks_memory());
  // Tokens first, so that no handler can wait for an answer that never comes.
  pending_.fail_all(stopping_text);
  // A handler may have replied and go on awaiting: that wait ends too.
  for (Request* request = backlog_.first_open(); request != nullptr; request = request->open_next) {
    replies_.end_unwanted(*request, request->token(), BP_CANCELED);
    bp_status none = BP_OK;
    request->cause.compare_exchange_strong(none, BP_CANCELED, std::memory_order_release);
    if (Waiter* const awaited = request->awaited()) awaited->fail(BP_CANCELED, stopping_text);
  }
  dispatcher_.end_held();
}

void RequestLoop::go_on_stopping() {
  const Phase phase = stop_.phase();
  if (phase == Phase::draining || phase == Phase::ending_instances) {
    // A claimed token comes back as a task, and may be of an instance here. The ingress is closed, so
    // nothing will be open once nothing is.
    const bool open = counts_.open.load(std::memory_order_relaxed) != 0 || !pending_.none_open();
    if (open || !backlog_.nothing_new()) return;
    stop_.idle();
    if (phase == Phase::ending_instances) end_all_instances();
  } else if (phase == Phase::settling && inbox_.empty()) {
    stop_.all_done();
  }
}

void RequestLoop::end_all_instances() {
  if (!instances_.end_all()) return;
  stop_.instances_end();
  give_back();
  idle_wait_.expect_more();  // the next life often comes at once
  inbox_.settle();           // tasks posted before this turn are done
  stop_.instances_gone();
}

// What a context that rests does not keep.
void RequestLoop::give_back() noexcept {
  idle_wait_.drop_poller();
  runner_.give_back();
  backlog_.free_spares();
  pending_.free_spares();
  instances_.clear();
  methods_.forget();
  methods_.release_stats();
}

void RequestLoop::renew() noexcept {
  counts_.reset();
  backlog_.refuse_for_events(false);
  stop_.reopen();
  backlog_.open();
}

}  // namespace backplane::host
