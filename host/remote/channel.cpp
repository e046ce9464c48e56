// SPDX-License-Identifier: Apache-2.0
//
// The functions that callers' threads use: they open calls, send frames, cancel, and end the connection. The reader
// thread is in channel_reader.cpp.
#include "remote/channel.hpp"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>

#include "support/result.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

/// With more open calls than this, no caller waits for a single call, so frames are collected before sending.
constexpr std::size_t few_calls = 4;
constexpr std::size_t send_now_max = std::size_t{64} << 10;
/// The limit of unsent bytes while the host does not read.
constexpr std::size_t max_output = std::size_t{64} << 20;
/// The host enforces deadlines. This side ends a call only if the host does not answer for this much longer.
constexpr std::chrono::milliseconds deadline_slack{250};
constexpr std::uint64_t max_timeout_ms = std::uint64_t{1000} * 60 * 60 * 24 * 365;

}  // namespace

UniqueFd make_eventfd() {
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) {
    throw Failure{BP_UNREACHABLE, std::string("cannot create an eventfd: ") + std::strerror(errno) +
                                      "; raise the limit of open files (ulimit -n)"};
  }
  return fd;
}

Channel::Channel(Dialed dialed, Receivers to, Place place)
    : socket_(std::move(dialed.socket)),
      wake_(make_eventfd()),
      host_{std::min<std::uint64_t>(dialed.max_frame, wire::default_max_frame), dialed.features, dialed.window},
      to_(std::move(to)),
      number_(place.number),
      in_(std::move(dialed.in)),
      state_(place.number == 1 ? State::open : State::restoring),
      last_id_(place.last_id) {}

void Channel::start() {
  thread_ = std::thread([self = shared_from_this()] { self->loop(); });
}

std::uint64_t Channel::last_id() {
  const MutexLock lock(mutex_);
  return last_id_;
}

void Channel::open_calls() {
  const MutexLock lock(mutex_);
  if (state_ == State::restoring) state_ = State::open;
}

void Channel::break_off() noexcept { ::shutdown(socket_.get(), SHUT_RDWR); }

void Channel::wait_ended() {
  MutexLock lock(mutex_);
  changed_.wait(lock, [this]() BP_REQUIRES(mutex_) { return ended_; });
}

std::string Channel::reason() noexcept try {
  const MutexLock lock(mutex_);  // after ended_, nobody writes it
  return ended_ ? why_ : std::string();
} catch (const std::bad_alloc&) {
  return {};
}

std::uint64_t Channel::broke_ms() {
  const MutexLock lock(mutex_);
  return broke_ms_;
}

template <class Frame>
bp_status Channel::open(Frame frame, std::size_t size, const Open& call, Use use, std::uint64_t* set_id) {
  const MutexLock lock(mutex_);
  const bp_status refused = check(size, use);
  if (refused != BP_OK) return refused;
  frame.id = ++last_id_;  // also if it fails: its deadline may stay
  try {
    calls_.insert(frame.id)->value = call;
    if (call.timeout_ms != 0) add_deadline(frame.id, call.timeout_ms);
    wire::encode(out_, frame);
  } catch (const std::bad_alloc&) {
    Open gone;
    calls_.take(frame.id, gone);
    return BP_OUT_OF_MEMORY;
  }
  if (set_id != nullptr) std::atomic_ref(*set_id).store(frame.id, std::memory_order_release);
  send(calls_.size() <= few_calls);
  return BP_OK;
}

template bp_status Channel::open(wire::Call, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Resolve, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Listen, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Unlisten, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Load, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Unload, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Reload, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::List, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Status, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Stop, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Log, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Begin, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Wait, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Undo, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Reconfigure, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Expect, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Provide, std::size_t, const Open&, Use, std::uint64_t*);
template bp_status Channel::open(wire::Withdraw, std::size_t, const Open&, Use, std::uint64_t*);

bp_status Channel::check(std::size_t size, Use use) const {
  if (state_ == State::closed && use != Use::service) return BP_CLOSED;
  if (state_ == State::restoring && use == Use::call) return BP_UNREACHABLE;
  if (state_ == State::broken) return finishing_ ? BP_CLOSED : BP_UNREACHABLE;
  if (size + wire::frame_overhead > host_.max_frame) return BP_INVALID_ARGUMENT;
  if (out_.size() > max_output) return BP_OVERLOADED;
  return BP_OK;
}

void Channel::add_deadline(std::uint64_t id, std::uint64_t timeout_ms) {
  if (deadlines_.size() > 64 + 2 * calls_.size()) drop_dead_deadlines();
  const auto at = Clock::now() + std::chrono::milliseconds(std::min(timeout_ms, max_timeout_ms)) + deadline_slack;
  deadlines_.push_back({at, id});
  std::push_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
  if (at < wakes_at_) wake();
}

void Channel::drop_dead_deadlines() {
  std::erase_if(deadlines_,
                [this](const Deadline& deadline) BP_REQUIRES(mutex_) { return calls_.find(deadline.id) == nullptr; });
  std::make_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
}

/// Sends out_, or lets the reader thread send it. While the reader thread is sending, out_ must wait for it.
void Channel::send(bool at_once) {
  if (state_ == State::broken || sends_itself_) return;
  if (at_once && out_.size() <= send_now_max) return send_now();
  wake();
}

void Channel::send_now() {
  const ssize_t size = ::send(socket_.get(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (size == static_cast<ssize_t>(out_.size())) return out_.clear();
  // The reader thread sends the rest when there is room. It also detects a broken connection.
  if (size > 0) out_.erase(out_.begin(), out_.begin() + size);
  wake();
}

/// Wakes the reader thread if it sleeps. While awake, it checks everything again before it sleeps.
void Channel::wake() {
  if (!asleep_) return;
  asleep_ = false;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

bp_status Channel::cancel(std::uint64_t id) {
  const MutexLock lock(mutex_);
  if (calls_.find(id) == nullptr) return BP_INVALID_HANDLE;
  if (state_ == State::broken) return BP_OK;  // the reader thread is about to end the call
  try {
    wire::encode(out_, wire::Cancel{id});
  } catch (const std::bad_alloc&) {
    return BP_OUT_OF_MEMORY;
  }
  send(true);
  return BP_OK;
}

bp_status Channel::credit(std::uint64_t id, std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  const auto* const entry = calls_.find(id);
  if (entry == nullptr) return BP_INVALID_HANDLE;
  if (!entry->value.by_hand) return BP_INVALID_ARGUMENT;
  if (!entry->value.credited || state_ == State::broken) return BP_OK;  // a host that needs none
  if (out_.size() > max_output) return BP_OVERLOADED;
  try {
    wire::encode(out_, wire::Credit{id, bytes});
  } catch (const std::bad_alloc&) {
    return BP_OUT_OF_MEMORY;
  }
  send(true);
  return BP_OK;
}

void Channel::heard(std::uint64_t listener, std::uint64_t bytes) noexcept {
  const MutexLock lock(mutex_);
  if (state_ == State::broken) return;
  try {
    wire::encode(out_, wire::Heard{listener, bytes});
  } catch (const std::bad_alloc&) {
    ::shutdown(socket_.get(), SHUT_RDWR);  // emitters would wait for this news
    return;
  }
  send(true);
}

bp_status Channel::answer(const wire::Answer& answer) noexcept {
  const std::size_t size = answer.payload.size() + answer.message.size() + answer.detail.size() + wire::frame_overhead;
  const MutexLock lock(mutex_);
  if (state_ == State::broken) return BP_UNREACHABLE;
  try {
    if (size <= host_.max_frame) {
      wire::encode(out_, answer);
    } else {
      const std::string why = "the answer needs a frame of " + std::to_string(size) +
                              " bytes, but this connection allows at most " + std::to_string(host_.max_frame);
      wire::encode(out_, wire::Answer{answer.token, BP_NOT_SUPPORTED, {}, why, {}});
    }
  } catch (const std::bad_alloc&) {
    return BP_OUT_OF_MEMORY;
  }
  send(true);
  return BP_OK;
}

bp_status Channel::send_part(std::uint64_t id, bp_bytes payload, std::uint32_t flags) {
  const MutexLock lock(mutex_);
  const auto* const entry = calls_.find(id);
  if (entry == nullptr) return BP_INVALID_HANDLE;
  SentParts* const sent = entry->value.sent.get();
  if (sent == nullptr || sent->last_sent) return BP_INVALID_ARGUMENT;
  if (payload.size + wire::frame_overhead > host_.max_frame) return BP_INVALID_ARGUMENT;
  if (state_ == State::broken) return BP_UNREACHABLE;
  const bool is_part = (flags & BP_PART_END) == 0;
  const std::uint64_t cost = Window::cost_of(payload.size);
  if (is_part && !sent->window.fits(cost)) return BP_WOULD_BLOCK;
  if (is_part && out_.size() > max_output) return BP_OVERLOADED;
  bool added = false;
  try {
    if (is_part) sent->add(cost);
    added = is_part;
    wire::encode(out_, wire::Part{id, {payload.data, payload.size}, flags});
  } catch (const std::bad_alloc&) {
    if (added) sent->take_back();
    return BP_OUT_OF_MEMORY;
  }
  sent->last_sent = flags != 0;
  send(true);
  return BP_OK;
}

bool Channel::forget(std::uint64_t id) {
  Open gone;
  const MutexLock lock(mutex_);
  const bool found = calls_.take(id, gone);
  if (calls_.size() == 0) changed_.notify_all();
  return found;
}

void Channel::close() {
  const MutexLock lock(mutex_);
  if (state_ == State::open || state_ == State::restoring) state_ = State::closed;
}

bool Channel::wait_answered(Clock::time_point until) {
  MutexLock lock(mutex_);
  return changed_.wait_until(lock, until,
                             [this]() BP_REQUIRES(mutex_) { return calls_.size() == 0 || state_ == State::broken; });
}

void Channel::cancel_all() noexcept {
  const MutexLock lock(mutex_);
  if (state_ == State::broken) return;
  wire::Bytes* const out = &out_;
  try {
    calls_.for_each([out](const auto& entry) { wire::encode(*out, wire::Cancel{entry.id}); });
  } catch (const std::bad_alloc&) {
    // The host cancels the others when the connection ends, which comes next.
  }
  send(false);
}

bool Channel::finish(Clock::time_point until) {
  MutexLock lock(mutex_);
  finishing_ = true;
  asleep_ = true;  // forces a wake-up, so that the reader thread checks finishing_
  wake();
  return changed_.wait_until(lock, until, [this]() BP_REQUIRES(mutex_) { return ended_; });
}

void Channel::join_or_detach() {
  if (!thread_.joinable()) return;
  bool ended = false;
  {
    const MutexLock lock(mutex_);
    ended = ended_;
  }
  if (ended && !is_this_thread()) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

}  // namespace backplane::host
