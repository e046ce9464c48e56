// SPDX-License-Identifier: Apache-2.0
//
// The keeper of a connection: waits for its end, connects again after a back-off, and tells the application.
#include "remote/link.hpp"

#include <unistd.h>

#include <exception>
#include <new>
#include <utility>

#include "remote/questions.hpp"
#include "remote/restorer.hpp"
#include "support/views.hpp"
#include "sync/clock.hpp"
#include "wire/id_table.hpp"

namespace backplane::host {
namespace {

/// How long after a comparison without a verdict the next one comes.
constexpr std::chrono::milliseconds compare_again{500};
constexpr const char* no_memory = "this application has no memory for a connection";

/// Without memory the text is empty.
template <class... Parts>
std::string joined(const Parts&... parts) noexcept try {
  std::string out;
  (out.append(parts), ...);
  return out;
} catch (const std::bad_alloc&) {
  return {};
}

std::uint64_t random_bits() noexcept {
  // It only has to differ between processes and between attempts.
  std::uint64_t bits = now() * secret_odd_number();
  bits ^= bits >> 29;
  return bits * 0x9e3779b97f4a7c15u >> 16;
}

}  // namespace

Link::Link(LinkOptions options, Kept kept) : options_(std::move(options)), kept_(std::move(kept)) {
  if (!options_.reconnects) return;
  stop_ = make_eventfd();
  static_cast<void>(secret_odd_number());  // it may throw, but only the first time
}

void Link::start(Dialed dialed) {
  const std::shared_ptr<Channel> first = begin(std::move(dialed));
  if (!options_.reconnects) return;
  try {
    const MutexLock lock(mutex_);
    keeper_ = std::thread([self = shared_from_this()] { self->loop(); });
    ended_ = false;
  } catch (...) {
    first->finish(Clock::time_point::max());
    first->join_or_detach();
    throw;
  }
}

bool Link::is_this_thread() const noexcept {
  if (thread_id_.load(std::memory_order_relaxed) == std::this_thread::get_id()) return true;
  const MutexLock lock(mutex_);
  return channel_ != nullptr && channel_->is_this_thread();
}

Channel::Receivers Link::receivers() {
  Channel::Receivers to{kept_.events, kept_.functions};
  if (options_.reconnects) {
    to.on_end = [weak = weak_from_this()](std::uint32_t number) {
      if (const auto self = weak.lock()) self->ended(number);
    };
  }
  return to;
}

std::shared_ptr<Channel> Link::begin(Dialed dialed) {
  const std::uint64_t last_id = last_number_ == 0 ? 0 : channel()->last_id();
  ++last_number_;
  auto next = std::make_shared<Channel>(std::move(dialed), receivers(), Channel::Place{last_number_, last_id});
  if (last_number_ > 1) {
    channel()->join_or_detach();
    kept_.events->hold(last_number_);
  }
  const MutexLock lock(mutex_);
  if (stopping_) return nullptr;
  next->start();
  if (closed_) next->close();
  channel_ = next;
  lost_ = false;
  return next;
}

void Link::ended(std::uint32_t number) noexcept {
  const MutexLock lock(mutex_);
  if (channel_->number() != number || given_up_) return;  // after giving up, nobody connects again
  lost_ = true;
  changed_.notify_all();
}

void Link::look_again() noexcept {
  const MutexLock lock(mutex_);
  look_ = true;
  changed_.notify_all();
}

void Link::close() {
  const MutexLock lock(mutex_);
  closed_ = true;
  channel_->close();
}

bool Link::finish(Clock::time_point until) {
  std::shared_ptr<Channel> last;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    last = channel_;
    changed_.notify_all();
  }
  if (stop_) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
  }
  if (!last->finish(until)) return false;
  MutexLock lock(mutex_);
  return changed_.wait_until(lock, until, [this]() BP_REQUIRES(mutex_) { return ended_; });
}

void Link::join_or_detach() {
  if (!keeper_.joinable()) return channel()->join_or_detach();
  bool ended = false;
  {
    const MutexLock lock(mutex_);
    ended = ended_;
    stopping_ = true;
    changed_.notify_all();
  }
  if (ended && thread_id_.load() != std::this_thread::get_id()) {
    keeper_.join();
  } else {
    keeper_.detach();
  }
}

bool Link::is_stopping() const {
  const MutexLock lock(mutex_);
  return stopping_;
}

bool Link::sleep(std::chrono::milliseconds duration) {
  MutexLock lock(mutex_);
  return !changed_.wait_for(lock, duration, [this]() BP_REQUIRES(mutex_) { return stopping_; });
}

void Link::loop() noexcept {
  thread_id_ = std::this_thread::get_id();
  MutexLock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this]() BP_REQUIRES(mutex_) { return stopping_ || lost_ || look_; });
    if (stopping_) break;
    const bool lost = lost_;
    look_ = false;
    const std::shared_ptr<Channel> current = channel_;
    lock.unlock();
    if (lost) {
      connect_again();
    } else {
      std::string absent;
      try {
        if (!compare(*current, false, absent)) undecided_ = true;
      } catch (const std::bad_alloc&) {
        undecided_ = true;
        bp_log_write(BP_LOG_ERROR, 0, BP_STR("remote"), BP_STR("no memory to compare interfaces again"));
      }
      if (std::exchange(undecided_, false) && sleep(compare_again)) look_again();
    }
    lock.lock();
  }
  const std::shared_ptr<Channel> last = channel_;
  lock.unlock();
  last->wait_ended();
  last->join_or_detach();
  lock.lock();
  thread_id_ = std::thread::id();
  ended_ = true;
  changed_.notify_all();
}

/// Returns when there is a connection again, or none will come.
void Link::connect_again() {
  const std::uint64_t broke_ms = channel()->broke_ms();
  {
    const std::string why = joined("the connection to the host is lost: ", channel()->reason());
    tell(BP_CONNECTION_LOST, BP_UNREACHABLE, why);
  }
  for (std::uint32_t number = 1; sleep(options_.back_off.wait(number, random_bits())); ++number) {
    Failure why;
    if (attempt(number, broke_ms, why)) return;
    if (is_stopping()) return;
    const std::string text = joined("no connection to the host: ", why.message);
    if (number == options_.back_off.attempts) {
      given_up_ = true;
      {
        const MutexLock lock(mutex_);
        lost_ = false;
      }
      return tell(BP_CONNECTION_GIVEN_UP, why.status, text, number);
    }
    tell(BP_CONNECTION_WAITING, why.status, text, number, options_.back_off.longest(number + 1));
  }
}

bool Link::attempt(std::uint32_t number, std::uint64_t broke_ms, Failure& why) {
  std::shared_ptr<Channel> next;
  try {
    next = begin(dial(options_.path, options_.timeout, stop_.get()));
    if (next != nullptr && restore(*next, number, broke_ms, why)) return true;
  } catch (Failure& failure) {
    why = std::move(failure);
  } catch (const std::bad_alloc&) {
    why.status = BP_OUT_OF_MEMORY;
    why.message = joined(no_memory);
  } catch (const std::exception& error) {  // no thread
    why.status = BP_UNREACHABLE;
    why.message = joined("cannot start the thread of a connection: ", error.what());
  }
  if (next != nullptr) {
    next->break_off();
    next->wait_ended();
  }
  kept_.events->drop();
  return false;
}

bool Link::restore(Channel& next, std::uint32_t attempt, std::uint64_t broke_ms, Failure& why) {
  Restorer restorer(next, kept_, [this](std::chrono::milliseconds duration) { return sleep(duration); });
  const bool told = restorer.tell_all() && compare(next, true, restorer.refused());
  if (!told) {
    next.break_off();  // if the host does not answer, it is not broken yet
    next.wait_ended();
    why = {BP_UNREACHABLE, joined("the new connection broke at once: ", next.reason())};
    return false;
  }
  next.open_calls();
  kept_.events->release(broke_ms);
  tell(BP_CONNECTION_BACK, BP_OK, restorer.refused(), attempt);
  if (std::exchange(undecided_, false)) look_again();
  return true;
}

/// Asks the host about each interface that the application relies on. `tell_all`: tells also what is known to break.
/// Returns false if there is no answer. An answer that is no verdict leaves what was known of that module.
bool Link::compare(Channel& channel, bool tell_all, std::string& absent) {
  for (const Expectations::Expected& each : kept_.expected->all()) {
    OwnedResult answer;
    bp_result& result = answer.raw;
    const ExpectedInterface expected{each.module, each.hash, each.cddl};
    const bp_status status = ask_for_interface(channel, expected, Channel::Use::service, result);
    if (is_no_answer(status)) return false;
    if (status == BP_OVERLOADED || status == BP_OUT_OF_MEMORY) {
      undecided_ = true;
      continue;
    }
    const bool breaks = status == BP_INTERFACE_CHANGED;
    const bool is_news = kept_.expected->judge(each, breaks);
    if (breaks && (is_news || tell_all)) {
      tell(BP_CONNECTION_INTERFACE, status, view(result.message), 0, {}, each.module);
      bp_log_write(BP_LOG_ERROR, 0, BP_STR("remote"), result.message);
    } else if (!breaks && status != BP_OK) {
      add_refusal(absent, each.module, view(result.message));
    }
  }
  return true;
}

void Link::tell(std::uint32_t kind, bp_status status, std::string_view message, std::uint32_t attempt,
                std::chrono::milliseconds wait, std::string_view module) const noexcept {
  if (options_.on_state == nullptr || is_stopping()) return;
  bp_connection_state state{};
  state.struct_size = sizeof state;
  state.kind = kind;
  state.status = status;
  state.attempt = attempt;
  state.wait_ms = static_cast<std::uint64_t>(wait.count());
  state.message = str(message);
  state.module = str(module);
  options_.on_state(options_.user, &state);
}

}  // namespace backplane::host
