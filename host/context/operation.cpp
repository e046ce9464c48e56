// SPDX-License-Identifier: Apache-2.0
#include "context/operation.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "context/operation_news.hpp"

namespace backplane::host {
namespace {

// How long the instances of a refused generation may take to end before the refusal is told all the same.
constexpr std::chrono::seconds undo_timeout{5};

}  // namespace

Operation::State Operation::state() const {
  const MutexLock lock(mutex_);
  return state_;
}

const OperationOutcome* Operation::outcome() const {
  const MutexLock lock(mutex_);
  return state_ == State::ended ? &outcome_ : nullptr;
}

std::chrono::milliseconds Operation::duration() const {
  const MutexLock lock(mutex_);
  return std::chrono::duration_cast<std::chrono::milliseconds>((state_ == State::ended ? ended_ : Clock::now()) -
                                                               began_);
}

bool Operation::wait_until(Clock::time_point until) {
  MutexLock lock(mutex_);
  for (;;) {
    const auto over = [this]() BP_REQUIRES(mutex_) { return state_ == State::ended || state_ == State::undoing; };
    if (!changed_.wait_until(lock, until, over)) return false;
    if (state_ == State::ended) return true;
    const auto now = Clock::now();
    if (now >= undone_by_) {
      lock.unlock();
      end_if_undone(now);
      return true;
    }
    if (now >= until) return false;
    changed_.wait_until(lock, std::min(until, undone_by_),
                        [this]() BP_REQUIRES(mutex_) { return state_ == State::ended; });
  }
}

void Operation::wait() {
  while (!wait_until(Clock::now() + std::chrono::hours(1))) {
  }
}

void Operation::wait_for_drain() {
  MutexLock lock(mutex_);
  changed_.wait(lock, [this]() BP_REQUIRES(mutex_) {
    const bool holds = state_ == State::draining && draining_.held;
    return state_ != State::waiting && state_ != State::running && !holds;
  });
}

std::function<void(Operation&)> Operation::start() {
  const MutexLock lock(mutex_);
  if (state_ == State::draining || state_ == State::running) {
    if (next_) state_ = State::running;
    return std::move(next_);
  }
  if (state_ != State::waiting) return nullptr;
  state_ = State::running;
  return body_;
}

void Operation::set_next(std::function<void(Operation&)> body) noexcept {
  const MutexLock lock(mutex_);
  next_.swap(body);
}

void Operation::drain(const Loader::Ending& ending, std::vector<std::uint8_t> committed, bool held) {
  const MutexLock lock(mutex_);
  if (state_ == State::ended) return;
  state_ = State::draining;
  draining_ = {ending, std::move(committed), {}, held};
  changed_.notify_all();
}

void Operation::drain(std::vector<Loader::Changed> changed) {
  const MutexLock lock(mutex_);
  if (state_ == State::ended) return;
  state_ = State::draining;
  draining_ = {{}, {}, std::move(changed), false};
  changed_.notify_all();
}

void Operation::undo(OperationOutcome outcome) {
  const MutexLock lock(mutex_);
  if (state_ == State::ended) return;
  state_ = State::undoing;
  outcome_ = std::move(outcome);
  undone_by_ = Clock::now() + undo_timeout;
  changed_.notify_all();
}

void Operation::end(OperationOutcome outcome) {
  {
    const MutexLock lock(mutex_);
    if (state_ == State::ended) return;
    outcome_ = std::move(outcome);
    set_ended();
  }
  tell();
}

void Operation::end_if_undone(Clock::time_point now) {
  {
    const MutexLock lock(mutex_);
    if (state_ != State::undoing || now < undone_by_) return;
    set_ended();
  }
  tell();
}

void Operation::set_ended() {
  state_ = State::ended;
  ended_ = Clock::now();
  changed_.notify_all();
}

// The thread that has ended it, once.
void Operation::tell() {
  std::vector<std::function<void()>> then;
  {
    const MutexLock lock(mutex_);
    then.swap(then_);
  }
  for (const auto& f : then) f();
}

void Operation::then(std::function<void()> f) {
  {
    const MutexLock lock(mutex_);
    if (state_ != State::ended) return then_.push_back(std::move(f));
  }
  f();
}

std::string Operation::canceler() const {
  const MutexLock lock(mutex_);
  return canceler_;
}

Operation::State Operation::cancel(std::string requester) {
  {
    const MutexLock lock(mutex_);
    if (canceler_.empty()) canceler_ = requester.empty() ? std::string("this process") : std::move(requester);
  }
  OperationOutcome outcome = canceled_outcome(*this);
  canceled_ = true;
  State was;
  {
    const MutexLock lock(mutex_);
    was = state_;
    if (was != State::waiting) return was;
    outcome_ = std::move(outcome);
    set_ended();
  }
  tell();
  return was;
}

std::optional<Operation::Draining> Operation::draining() const {
  const MutexLock lock(mutex_);
  if (state_ != State::draining) return std::nullopt;
  return draining_;
}

bool Operation::drains(const Retirement& retirement) const noexcept {
  const MutexLock lock(mutex_);
  return state_ == State::draining && draining_.ending.retirement.get() == &retirement;
}

const Loader::Ending& Operation::drained() const {
  const MutexLock lock(mutex_);
  return draining_.ending;
}

const std::vector<Loader::Changed>& Operation::changed() const {
  const MutexLock lock(mutex_);
  return draining_.changed;
}

void Operation::run() {
  const std::shared_ptr<Operation> held = std::move(self_);
  if (const auto body = start()) body(*this);
}

void Operation::overdue(const std::string& what) noexcept try {
  bool old_first = false;
  {
    const MutexLock lock(mutex_);
    old_first = draining_.held;
  }
  end({BP_LOAD_REFUSED,
       what + " did not return in time (load_timeout_ms); a thread is left to that code. " +
           (old_first ? "Until it returns, no generation runs. If it is code of the new file, the old file is loaded "
                        "again then, unless the module is unloaded before"
                      : "If it returns, a load is undone"),
       {},
       {}});
} catch (const std::bad_alloc&) {
  end({BP_LOAD_REFUSED, {}, {}, {}});
}

}  // namespace backplane::host
