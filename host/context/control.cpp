// SPDX-License-Identifier: Apache-2.0
//
// The control threads: who has the turn, whose call is overdue, and which thread runs the next job.
#include "context/control.hpp"

#include <algorithm>

#include "modules/generation.hpp"
#include "support/log.hpp"
#include "support/signal_stack.hpp"
#include "sync/host_thread.hpp"

namespace backplane::host {
namespace {

[[gnu::tls_model("initial-exec")]] constinit thread_local bool runs_work = false;

// "the init of echo (generation 2)"
std::string words_of(const ModuleCall& call) {
  return std::string("the ") + call.what + " of " + call.generation->label();
}

}  // namespace

Control::Turn::Turn(Control& control) noexcept : control_(control), outer_(std::exchange(runs_work, true)) {}

Control::Turn::~Turn() {
  runs_work = outer_;
  const MutexLock lock(control_.mutex_);
  control_.taken_ = false;
  control_.notify_if_awaited();
}

Control::Control(Milliseconds module_timeout) : module_timeout_(module_timeout) {
  const MutexLock lock(mutex_);
  add_thread();
  try_add_thread();  // the stand-in; begin() tries again
}

Control::~Control() {
  std::vector<std::thread> threads;
  {
    const MutexLock lock(mutex_);
    stop_ = true;
    changed_.notify_all();
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

bool Control::on_thread() noexcept { return runs_work; }

void Control::post(Job& job) noexcept {
  const MutexLock lock(mutex_);
  short_.push(&job);
  if (!taken_) changed_.notify_all();
}

void Control::post_operation(Job& job) noexcept {
  const MutexLock lock(mutex_);
  operations_.push(&job);
  if (!taken_) changed_.notify_all();
}

// The main thread alone waits for the time.
void Control::post_operation_later(LaterJob& job, Milliseconds delay) noexcept {
  const auto due = Clock::now() + delay;
  const MutexLock lock(mutex_);
  if (job.queued) return;  // its time has come
  job.due = job.waits ? std::min(job.due, due) : due;
  if (!job.waits) job.next = std::exchange(later_, &job);
  job.waits = true;
  ++later_changes_;
  changed_.notify_all();
}

void Control::post_due() noexcept {
  const auto at = Clock::now();
  LaterJob* others = nullptr;
  while (LaterJob* const job = later_) {
    later_ = static_cast<LaterJob*>(job->next);
    if (job->due > at) {
      job->next = std::exchange(others, job);
    } else {
      job->waits = false;
      job->queued = true;
      operations_.push(job);
    }
  }
  later_ = others;
}

// An idle thread is woken only for work: contexts that come and go give the turn back often.
void Control::notify_if_awaited() noexcept {
  if (stop_ || waiting_ != 0 || !short_.empty() || (!operations_.empty() && operation_ == nullptr)) {
    changed_.notify_all();
  }
}

std::function<void()> Control::prepare(std::function<void()> job) {
  struct Prepared final : Job {
    explicit Prepared(std::function<void()> f) : body(std::move(f)) {}
    void run() override {
      const std::shared_ptr<Prepared> last = std::move(self);
      body();
    }
    std::function<void()> body;
    std::shared_ptr<Prepared> self;  // keeps the job alive from the post until it has run
  };
  return [this, job = std::make_shared<Prepared>(std::move(job))] {
    job->self = job;
    post_operation(*job);
  };
}

// Whether the thread may take a job from this queue now.
bool Control::takes(std::size_t self, const Fifo<Job>& queue) const {
  if (taken_ || queue.empty()) return false;
  if (&queue == &short_) return self == main_ || call_ != nullptr;
  return self == main_ && operation_ == nullptr && returning_ == 0;
}

void Control::serve(std::size_t self) noexcept {
  HostThread host_thread("bp-control");
  const SignalStack signal_stack;
  MutexLock lock(mutex_);
  for (;;) {
    const bool is_short = takes(self, short_);
    if (is_short || takes(self, operations_)) {
      Job* const job = is_short ? short_.pop() : operations_.pop();
      job->queued = false;
      if (!is_short) operation_ = job;
      --free_;
      taken_ = true;
      lock.unlock();
      {
        const Turn turn(*this);
        job->run();
      }
      lock.lock();
      if (!is_short) operation_ = nullptr;
      ++free_;
      notify_if_awaited();
    } else if (stop_ && short_.empty() && operations_.empty()) {
      return;
    } else if (ModuleCall* const overdue = wait(lock, self)) {
      lock.unlock();
      tell_overdue(*overdue);
      lock.lock();
      overdue->telling = false;  // it may go on from here
      changed_.notify_all();
    }
  }
}

// When a call is overdue. One that returns by itself never is.
Control::Clock::time_point Control::due_of(const ModuleCall& call) const noexcept {
  return call.bounded ? Clock::now() + std::chrono::hours(1) : call.began + module_timeout_;
}

// Returns a call that has become overdue meanwhile, or null.
ModuleCall* Control::wait(MutexLock& lock, std::size_t self) {
  const auto has_news = [this, self, call = call_]() BP_REQUIRES(mutex_) {
    if ((stop_ && short_.empty() && operations_.empty()) || call != call_) return true;
    return takes(self, short_) || takes(self, operations_);
  };
  if (call_ == nullptr) {
    const auto woken = [&has_news, this, before = later_changes_]()
                           BP_REQUIRES(mutex_) { return has_news() || later_changes_ != before; };
    if (self != main_ || later_ == nullptr) {
      changed_.wait(lock, woken);
    } else {
      auto due = Clock::time_point::max();
      for (const LaterJob* job = later_; job != nullptr; job = static_cast<const LaterJob*>(job->next)) {
        due = std::min(due, job->due);
      }
      if (!changed_.wait_until(lock, due, woken)) post_due();
    }
    return nullptr;
  }
  const auto due = due_of(*call_);
  return changed_.wait_until(lock, due, has_news) ? nullptr : leave_overdue(self);
}

// The main thread stays in its call. This one takes its place, and a new one stands in for it.
ModuleCall* Control::leave_overdue(std::size_t self) {
  ModuleCall* const call = call_;
  // Another call than the one waited for may run by now.
  if (call == nullptr || Clock::now() < due_of(*call)) return nullptr;
  call_ = nullptr;
  call->overdue = true;
  call->telling = true;
  call->next = overdue_;
  overdue_ = call;
  operation_ = nullptr;
  main_ = self;
  if (free_ < 2 && !stop_) try_add_thread();
  changed_.notify_all();
  return call;
}

void Control::tell_overdue(const ModuleCall& call) const noexcept try {
  const std::string what = words_of(call);
  log::error("modules", what + " has not returned within " + std::to_string(module_timeout_.count()) +
                            " ms (load_timeout_ms); its thread is left to it, and other module operations go on" +
                            (call.in_dynamic_loader ? ", except that no object can be mapped or unmapped" : ""));
  if (call.job != nullptr) call.job->overdue(what);
} catch (const std::bad_alloc&) {
  // status shows it, even if nobody is told.
}

void Control::add_thread() {
  threads_.reserve(threads_.size() + 1);
  threads_.emplace_back([this, self = threads_.size()] { serve(self); });
  ++free_;
}

// Without a free thread, nobody would see that the call is overdue, and nobody would do short work meanwhile.
void Control::try_add_thread() noexcept {
  try {
    add_thread();
  } catch (const std::exception&) {
    // No memory, or no thread: the call is not watched.
  }
}

void Control::begin(ModuleCall& call) noexcept {
  const MutexLock lock(mutex_);
  call.began = Clock::now();
  call.job = operation_;
  call_ = &call;
  taken_ = false;
  if (free_ == 0 && !stop_) try_add_thread();
  changed_.notify_all();
}

bool Control::end(ModuleCall& call) noexcept {
  MutexLock lock(mutex_);
  if (!call.overdue) {
    call_ = nullptr;
    changed_.notify_all();  // who watches the call need not wake when it would have been overdue
    ++waiting_;
    changed_.wait(lock, [this]() BP_REQUIRES(mutex_) { return !taken_; });
    --waiting_;
    taken_ = true;
    return true;
  }
  ++waiting_;
  ++returning_;
  changed_.wait(lock,
                [this, &call]() BP_REQUIRES(mutex_) { return !call.telling && !taken_ && operation_ == nullptr; });
  --returning_;
  --waiting_;
  operation_ = call.job;
  taken_ = true;
  ModuleCall** place = &overdue_;
  while (*place != &call) place = &(*place)->next;
  *place = call.next;
  changed_.notify_all();
  return false;
}

std::vector<Control::Call> Control::copy_calls() const {
  const auto now = Clock::now();
  std::vector<Call> all;
  const auto add = [&](const ModuleCall& call) {
    all.push_back({words_of(call), call.generation->manifest.name, call.generation->number,
                   std::chrono::duration_cast<Milliseconds>(now - call.began), call.overdue, call.in_dynamic_loader});
  };
  if (call_ != nullptr) add(*call_);
  for (const ModuleCall* call = overdue_; call != nullptr; call = call->next) add(*call);
  return all;
}

std::vector<Control::Call> Control::calls() const {
  const MutexLock lock(mutex_);
  return copy_calls();
}

std::vector<Control::Call> Control::wait_for_calls(Milliseconds timeout) {
  MutexLock lock(mutex_);
  changed_.wait_for(lock, timeout, [this]() BP_REQUIRES(mutex_) { return call_ == nullptr && overdue_ == nullptr; });
  return copy_calls();
}

std::string Control::holder_of_dynamic_loader() const {
  const MutexLock lock(mutex_);
  std::string holder;  // the oldest: later ones wait for it
  for (const ModuleCall* call = overdue_; call != nullptr; call = call->next) {
    if (call->in_dynamic_loader) holder = words_of(*call);
  }
  return holder;
}

}  // namespace backplane::host
