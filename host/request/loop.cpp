// SPDX-License-Identifier: Apache-2.0
//
// The stages of the loop; what each does to a request is in dispatch.cpp, answering.cpp, awaiting.cpp.
#include "request/loop.hpp"

#include <sched.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "sync/adaptive_spin.hpp"

namespace backplane::host {
namespace {

// Requests begun in one turn: enough to make the other stages cheap per request, few enough that
// replies do not wait long for the handlers behind them.
constexpr int requests_per_turn = 64;

// Parked fibers kept for the next burst; the stacks of more are given back.
constexpr std::size_t parked_fibers_kept = 64;

// Environments kept for the next runs, with what they have grown to.
constexpr std::size_t environments_kept = 16;

constexpr Nanos shortest_spin = 1'000;

// Of a kernel; and for how long not to spin when others want the core for as long as that.
constexpr Nanos time_slice = 500'000;
constexpr Nanos spin_pause = 20'000'000;

// Of two times, of which 0 means never.
Nanos earlier(Nanos a, Nanos b) noexcept { return a == 0 || b == 0 ? a + b : std::min(a, b); }

}  // namespace

[[gnu::tls_model("initial-exec")]] constinit thread_local RequestLoop* RequestLoop::current_loop = nullptr;
[[gnu::tls_model("initial-exec")]] constinit thread_local Request* RequestLoop::current_worker_request = nullptr;

constinit Slab<Request, request_kind> request_slab;
constinit Slab<Pending, pending_kind> pending_slab;
static_assert(std::is_trivially_destructible_v<Slab<Request, request_kind>>);

RequestLoop::RequestLoop(const LoopOptions& options, const Registry& registry, Workers& workers, Watchdog& watchdog,
                         InstanceHost& site)
    : options_(options),
      registry_(registry),
      workers_(workers),
      watchdog_(watchdog),
      site_(site),
      ingress_(options.queue_depth),
      reactor_(waker_),
      spin_now_(options.spin) {
  environments_.reserve(environments_kept);  // so that the end of a run needs no memory
}

RequestLoop::~RequestLoop() {
  wait_for_senders();
  free_spare_records();
  release_stats();
  while (parked_ != nullptr) delete std::exchange(parked_, parked_->next);
}

void RequestLoop::run() {
  current_loop = this;
  const OverflowWatch overflows(find_overflow);
  heartbeat_.begin_here();
  heartbeat_.busy();
  watchdog_.active();  // it may have looked before this thread began, and the first turn may be one without end
  while (!finished_) {
    if (!turn()) wait();
  }
  wait_for_senders();  // of those that were still on their way out
  while (take_tasks()) {
  }
  heartbeat_.idle();
  current_loop = nullptr;
}

bool RequestLoop::turn() {
  heartbeat_.beat();
  bool worked = take_tasks();
  worked |= take_ingress();
  worked |= fire_timers();
  worked |= run_fibers();
  worked |= deliver_replies();
  if (poller_.any()) {
    worked |= poller_.look(queue_.empty() && ready_.empty() && ingress_.empty() ? 0 : BP_POLL_BUSY);
  }
  if (reactor_.waits_for_fds()) worked |= reactor_.poll();
  worked |= end_idle_instances();
  if (idle_wanted_) tell_if_idle();
  return worked;
}

bool RequestLoop::take_tasks() {
  Task* task = tasks_.take_all();
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
  Request* request = ingress_.take_shared();
  const bool any = request != nullptr;
  while (request != nullptr) {
    Request* const next = request->next;
    request->shared_way = true;
    admit(*request);
    queue_.push(request);
    heartbeat_.beat();  // a long backlog is not a stall
    request = next;
  }
  ingress_.look_for_urgent([this](Request& urgent) {
    admit(urgent);
    heartbeat_.beat();
  });
  return any;
}

bool RequestLoop::fire_timers() { return timers_.next() != 0 && timers_.fire_due(now()); }

bool RequestLoop::run_fibers() {
  bool any = false;
  for (budget_ = requests_per_turn;; any = true) {
    if (Fiber* const fiber = ready_.pop()) {
      resume(*fiber);
    } else if (Request* const request = next_request()) {
      run_next(*request);
    } else {
      return any;
    }
  }
}

// And, on the same fiber, what is next after it.
void RequestLoop::run_next(Request& request) {
  Fiber* const idle = idle_fiber();
  if (idle == nullptr) {
    return refuse(request, BP_OUT_OF_MEMORY, "no memory for the stack of a fiber to run the handler on");
  }
  next_ = &request;
  resume(*idle);
}

void RequestLoop::wait() {
  heartbeat_.idle();
  // Who woke this thread may be on this very core, and wait for what it has been given meanwhile.
  if (std::exchange(woken_, false)) give_way();
  if (!spin()) {
    const Nanos asleep_since = now();
    const Nanos until = earlier(timers_.next(), stacks_.trim(asleep_since));
    bool told_asleep = false;  // the poller, which has found nothing
    const auto may_sleep = [&] { return nothing_waits() && (told_asleep = !poller_.look(BP_POLL_SLEEPS)); };
    if (reactor_.waits_for_fds()) {
      poller_.watch_in(reactor_);
      waker_.about_to_poll();
      if (may_sleep()) reactor_.wait(until);
      waker_.drain();
    } else if (poller_.any() && waker_.fd() >= 0) {
      waker_.about_to_poll();
      if (may_sleep() && poller_.sleep(waker_.fd(), until)) waker_.drain();
    } else {
      waker_.about_to_sleep();
      if (nothing_waits()) waker_.sleep(until);
    }
    waker_.awake();
    if (told_asleep) poller_.look();  // before a handler may keep the thread: it is to know that this one is awake
    woken_ = true;
    // Traffic that comes at such short intervals is worth waiting for awake.
    const bool for_stacks = until != timers_.next() && nothing_waits();
    if (!for_stacks && now() - asleep_since < options_.spin) spin_now_ = options_.spin;
  }
  heartbeat_.busy();
  watchdog_.active();
}

// True if something came. Each vain spin halves the next one, each useful one restores it.
bool RequestLoop::spin() noexcept {
  if (poller_.any()) return spin_on_poller();
  if (spin_now_ < shortest_spin) return false;
  const Nanos begin = now();
  Nanos end = begin + spin_now_;
  const Nanos timer = timers_.next();
  if (timer != 0) end = std::min(end, timer);
  GiveWay give_way(begin);
  for (Nanos time = begin; time < end; time = now()) {
    give_way.at(time);
    for (int i = 0; i < 32; ++i) {
      if (!nothing_waits()) {
        spin_now_ = options_.spin;
        return true;
      }
      relax_core();
    }
  }
  spin_now_ /= 2;
  return timer != 0 && timer <= end;
}

// Who wrote to a socket may have been woken on this very core, where the kernel expects the thread that wakes it to
// sleep soon: so each turn lets others have it. A turn that comes so late that others have used up a time slice shows
// that they do more than answer; a thread that spins among them is itself the one that waits when something comes.
bool RequestLoop::spin_on_poller() noexcept {
  Nanos at = now();
  if (spin_now_ < shortest_spin || at < no_spin_until_) return false;
  Nanos end = at + spin_now_;
  const Nanos timer = timers_.next();
  if (timer != 0) end = std::min(end, timer);
  do {
    if (!nothing_waits() || poller_.look()) {
      spin_now_ = options_.spin;
      return true;
    }
    ::sched_yield();
    const Nanos before = std::exchange(at, now());
    if (at - before > time_slice) {
      no_spin_until_ = at + spin_pause;
      return false;
    }
  } while (at < end);
  spin_now_ /= 2;
  return timer != 0 && timer <= end;
}

void RequestLoop::send(Task& task) noexcept {
  tasks_.push(&task);  // never closed
  waker_.wake();
}

Fiber* RequestLoop::idle_fiber() {
  if (parked_ != nullptr) {
    --parked_count_;
    return std::exchange(parked_, parked_->next);
  }
  try {
    StackPool* const stacks = stacks_.of(options_.fiber_stack_size);
    return stacks == nullptr ? nullptr : new Fiber(*stacks, fiber_body, this);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void RequestLoop::resume(Fiber& fiber) {
  running_fiber_ = &fiber;
  if (fiber.user != nullptr) {
    auto& request = *static_cast<Request*>(fiber.user);
    if (request.run_weight != 0) request.is_back(ticks());
    heartbeat_.running(request.handler->method, request.handler->generation->number);
    enter_environment(request);
  }
  fiber.resume();
  leave_environment();
  heartbeat_.running_nothing();
  heartbeat_.beat();  // many that go on one after another are no stall either
  running_fiber_ = nullptr;
  if (fiber.user != nullptr) {  // suspended in a handler
    link(*static_cast<Request*>(fiber.user));
    return;
  }
  if (parked_count_ >= parked_fibers_kept) {
    delete &fiber;
    return;
  }
  fiber.next = std::exchange(parked_, &fiber);
  ++parked_count_;
}

// The inline call whose turn it is, for which no request can be made.
void RequestLoop::refuse_inline_call() {
  no_memory_ = false;
  auto* const entry = ingress_.front();
  if (entry == nullptr || !entry->is_inline) return;
  const InlineCall inline_call = entry->inline_call;
  ingress_.pop();
  if (inline_call.in_buffer) free_buffer(inline_call.buffer);
  LoopCounts::add(counts_.accepted);
  LoopCounts::add(counts_.replied);
  LoopCounts::add(counts_.errors);
  Answer answer;
  answer.fail(BP_OUT_OF_MEMORY, "no memory to begin the call");
  const bp_answer seen = answer.view();
  heartbeat_.replying(inline_call.method);
  inline_call.on_reply(inline_call.user, &seen);
  heartbeat_.running_nothing();
}

}  // namespace backplane::host
