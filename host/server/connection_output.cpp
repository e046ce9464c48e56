// SPDX-License-Identifier: Apache-2.0
//
// Encodes replies and events for the peer, on any thread, and sends the output.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <backplane/cbor/utf8.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <utility>

#include "server/connection.hpp"
#include "support/deadline_text.hpp"
#include "support/views.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

/// Payloads up to this size fit into a frame of every peer.
constexpr std::size_t noted_payload_max = wire::least_max_frame - wire::frame_overhead;

}  // namespace

void Connection::on_reply(void* user, const bp_answer* answer) {
  auto& entry = *static_cast<OpenCalls::Entry*>(user);
  Connection& self = *entry.value.connection;
  if (answer->status == BP_OK && answer->payload.size <= noted_payload_max && self.core_->poller.on_polling_thread()) {
    const SocketPoller::Noting noting(self.core_->poller);
    if (!self.closed_.load(std::memory_order_relaxed) && self.noted_.add(entry, view(answer->payload))) {
      return self.core_->poller.send_with_next_look(self);
    }
  }
  self.reply_to_call(entry, *answer);
}

/// The handler has taken parts of the request.
void Connection::on_credit(void* user, std::uint64_t bytes) {
  auto& entry = *static_cast<OpenCalls::Entry*>(user);
  Connection& self = *entry.value.connection;
  try {
    const MutexLock lock(self.mutex_);
    self.calls_.drop_bytes(entry, bytes);
    if (self.closed_ || entry.value.answered || !self.takes_more(wire::frame_overhead)) return;
    self.out_.add(wire::Credit{entry.id, bytes});
    if (!self.flushing_) self.send_soon();
  } catch (const std::exception&) {
    self.give_up();
  }
}

void Connection::take_notes() {
  const auto last = noted_.end_calls(calls_);  // not the last pointer to this connection: the caller has one
  if (!closed_ && takes_more(noted_.frames().size())) out_.add_answers(noted_.frames());
  OutputBuffer::clear(noted_.frames());
}

void Connection::flush_notes() {
  if (!noted_.empty()) {
    const MutexLock lock(mutex_);
    take_notes();
    flushing_ = !out_.empty();
  }
  if (!socket_.wants_room()) flush();
}

/// Out of memory, the call ends all the same, and the connection with it.
void Connection::reply_to_call(OpenCalls::Entry& entry, const bp_answer& answer) noexcept {
  wire::Reply whole{entry.id, answer.status, view(answer.payload), view(answer.message), view(answer.detail)};
  const bool terminal = wire::is_terminal(answer.status);
  const bp_context context = core_->context;
  std::string message;
  std::string deadline;
  std::shared_ptr<Connection> last;  // released after the lock, because it may free this connection
  bp_request too_large{};
  {
    const MutexLock lock(mutex_);
    const bool answered = entry.value.answered;
    const bp_request request = entry.value.request;
    if (canceled_ && whole.status == BP_CANCELED) whole.message = "the host stopped before the call ended";
    const bool by_default =
        answer.status == BP_DEADLINE && entry.value.default_deadline && whole.message == deadline_text;
    if (terminal) last = calls_.end(entry);
    try {
      if (by_default) {
        core_->limits.hit(Limit::default_deadline);
        deadline = "no answer within " + std::to_string(core_->options.default_deadline.count()) +
                   " ms (default_deadline_ms); a call may set its own timeout";
        whole.message = deadline;
      }
      const wire::Reply fit = out_.fitting(whole, message);
      if (!terminal && wire::is_terminal(fit.status)) {
        entry.value.answered = true;
        too_large = request;
      }
      if (closed_) return;
      if (!answered) {
        if (!takes_more(OutputBuffer::size_of(fit))) return;
        out_.add_answer(fit);
        if (hold_parts() && !terminal) core_->limits.hit(Limit::part_output);
        if (!flushing_) send_soon();
      }
    } catch (const std::exception&) {
      give_up_locked();
    }
    if (draining_) idle_.notify_all();
  }
  if (too_large.id != 0) bp_cancel(context, too_large);
}

/// Whether more answers may wait for the peer. If not, ends the connection.
bool Connection::takes_more(std::size_t size) {
  const bool fits = out_.holds_answer(size);
  if (fits && out_.waiting() <= core_->options.max_answer_output) return true;
  if (fits) core_->limits.hit(Limit::answer_output);
  close_soon("it does not read its answers: " + std::to_string(out_.waiting()) + " bytes wait" +
             (fits ? "" : "; " + memory_.why()));
  return false;
}

/// While much output waits, no part is to be added to it. Under the lock, so that the last call has the last word; the
/// source only takes a note. Returns whether the source is held from now on.
bool Connection::hold_parts() {
  const std::size_t most = core_->options.max_part_output;
  const bool held = source_.is_held();
  if (out_.waiting() > most ? held : !held || out_.waiting() > most / 4) return false;
  source_.hold(core_->context, !held);
  return !held;
}

void Connection::reply(const wire::Reply& reply) {
  std::string message;
  const MutexLock lock(mutex_);
  if (closed_) return;
  const wire::Reply fit = out_.fitting(reply, message);
  if (!takes_more(OutputBuffer::size_of(fit))) return;
  out_.add_answer(fit);
  if (!flushing_) send_soon();
}

void Connection::reply(std::uint64_t id, bp_status status, const std::string& message) {
  reply({id, status, {}, message, {}});
}

void Connection::on_event(void* user, const bp_event* event) {
  auto& listener = *static_cast<PeerListener*>(user);
  try {
    listener.connection->send_event(listener, *event);
  } catch (const std::exception&) {
    listener.connection->give_up();
  }
}

/// A peer that does not read never holds up the event thread: what it cannot take is lost to it, and it will be told.
/// What emitters have waited for is bounded by the window of its listener.
void Connection::send_event(PeerListener& listener, const bp_event& event) {
  const std::size_t size = event.name.size + event.payload.size + wire::frame_overhead;
  const bool lossless = (event.flags & BP_EVENT_LOSSLESS) != 0;
  bool can_be_sent = false;
  {
    const MutexLock lock(mutex_);
    if (closed_) return;
    can_be_sent = size <= out_.max_frame() && cbor::valid_utf8(view(event.name));
    const bool has_room = lossless || out_.waiting() <= core_->options.max_event_output;
    const bool holds = can_be_sent && has_room && out_.holds_event(size);
    if (can_be_sent && lossless && !holds) close_soon("an event that it must not lose found no room: " + memory_.why());
    if (holds) {
      gaps_.tell(listener, out_);
      out_.add(wire::Event{listener.id, event.flags, view(event.name), view(event.payload)});
      if (!flushing_) send_soon();
      return;
    }
    if (can_be_sent && !has_room) core_->limits.hit(Limit::event_output);
    gaps_.add(listener, event);
    if (!flushing_) send_soon();
  }
  bp_event_drop(&event);
  // The peer cannot say that it is done with it.
  if (lossless) bp_listener_credit(core_->context, event.listener, event.name.size + event.payload.size);
  if (can_be_sent) return;
  core_->log(BP_LOG_ERROR, [&] {
    return "the event \"" + std::string(view(event.name)) + "\" of " + std::to_string(size) +
           " bytes was dropped, because no frame of process " + std::to_string(peer_.pid) + " can carry it";
  });
}

/// Tells all listeners what they have lost. Returns false if there was nothing to tell. Out of memory, it ends the
/// connection.
bool Connection::send_gaps() noexcept {
  if (gaps_.empty()) return false;
  try {
    gaps_.tell_all(out_);
  } catch (const std::bad_alloc&) {
    gaps_.forget_all();
    ::shutdown(socket_.fd(), SHUT_RDWR);
  }
  return true;
}

/// Runs under the lock, so that nothing is posted after close(): the io context may then be destroyed.
void Connection::send_soon() noexcept {
  flushing_ = true;
  if (core_->poller.on_polling_thread()) {
    return core_->poller.send_with_next_look(*this);
  }
  try {
    boost::asio::post(core_->io, [self = shared_from_this()] {
      const MutexLock reading(self->core_->poller.reading);
      self->flush();
    });
  } catch (const std::exception&) {
    give_up_locked();  // the end of the socket leads to close(), in place of flush()
  }
}

void Connection::close_soon(std::string reason) {
  if (!reason_.empty()) return;
  reason_ = std::move(reason);
  ::shutdown(socket_.fd(), SHUT_RDWR);  // the next event of the socket then leads to close()
}

/// Out of memory for an answer or an event. Ends the connection, so that the peer knows that it misses one.
void Connection::give_up() noexcept {
  const MutexLock lock(mutex_);
  give_up_locked();
}
void Connection::give_up_locked() noexcept {
  if (!closed_) ::shutdown(socket_.fd(), SHUT_RDWR);
}

void Connection::flush() {
  if (closed_) return;
  int error = 0;
  std::uint64_t taken = 0;
  {
    const MutexLock lock(mutex_);
    error = out_.send(socket_.fd());
    if (error == 0 && !closed_ && send_gaps()) error = out_.send(socket_.fd());
    hold_parts();
    if (error == 0) {
      flushing_ = false;
      if (draining_) idle_.notify_all();
    }
    taken = out_.taken();
  }
  listeners_.hear_now(core_->context, taken);
  if (error == 0) {
    socket_.want_room(false, *this);
    resume_reading();
  } else if (error == EAGAIN) {
    socket_.want_room(true, *this);
    watch_progress();
  } else {
    std::array<char, 128> why{};
    std::snprintf(why.data(), why.size(), "sending failed: %s", std::strerror(error));
    close(why.data());
  }
}

/// The socket is full. Sees to it that a peer which takes nothing for too long is disconnected.
void Connection::watch_progress() {
  if (watched_) return;
  {
    const MutexLock lock(mutex_);
    watched_ = out_.taken();
  }
  try {
    timer_.expires_after(core_->options.stalled_client);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (error || self == nullptr) return;
      const MutexLock reading(self->core_->poller.reading);
      self->on_no_progress();
    });
  } catch (const std::bad_alloc&) {
    watched_.reset();  // the next full socket tries again
  }
}

void Connection::on_no_progress() {
  const std::uint64_t taken_before = watched_.value_or(0);
  watched_.reset();
  if (closed_ || !socket_.wants_room()) return;
  bool stalled = false;
  {
    const MutexLock lock(mutex_);
    // A peer that only listens loses events, and nobody waits for it.
    stalled = out_.taken() == taken_before && out_.owes_answer() && out_.waiting() != 0;
    if (stalled) out_.drop_whole_frames();
  }
  if (!stalled) return watch_progress();
  core_->limits.hit(Limit::stalled_client);
  std::array<char, 96> why{};
  std::snprintf(why.data(), why.size(), "it has read none of its answers for %lld ms (stalled_client_ms)",
                static_cast<long long>(core_->options.stalled_client.count()));
  fail(BP_TIMEOUT, why.data());
}

void Connection::end_output(std::string_view why) noexcept {
  std::size_t dropped = 0;
  {
    const MutexLock lock(mutex_);
    dropped = out_.waiting();
    if (closed_ || dropped == 0) return;
    try {
      out_.drop_whole_frames();
      dropped -= out_.waiting();
      gaps_.forget_all();
      if (dropped != 0) out_.add(wire::Error{BP_CLOSED, why});
    } catch (const std::exception&) {
      // Then the end of the stream alone says it.
    }
  }
  if (dropped != 0) {
    core_->log(BP_LOG_WARN, [&] {
      return "process " + std::to_string(peer_.pid) + " has not read all of its answers: " + std::to_string(dropped) +
             " bytes are dropped, because " + std::string(why);
    });
  }
  flush();
}

void Connection::wait_sent(Clock::time_point until) {
  MutexLock lock(mutex_);
  draining_ = true;
  idle_.wait_until(lock, until, [this]() BP_REQUIRES(mutex_) { return closed_ || (out_.empty() && !flushing_); });
}

bool Connection::wait_idle(Clock::time_point until) {
  MutexLock lock(mutex_);
  draining_ = true;
  return idle_.wait_until(lock, until, [this]() BP_REQUIRES(mutex_) {
    return closed_ || (calls_.size() == 0 && out_.empty() && gaps_.empty() && !flushing_);
  });
}

}  // namespace backplane::host
