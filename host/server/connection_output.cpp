// SPDX-License-Identifier: Apache-2.0
//
// Encodes replies and events for the peer, on any thread, and sends the output.
#include <sys/epoll.h>
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
#include "support/gap_event.hpp"
#include "support/views.hpp"
#include "sync/clock.hpp"
#include "sync/mutex.hpp"
#include "wire/frame_quick.hpp"

namespace backplane::host {
namespace {

/// A buffer larger than this is freed when it is empty.
constexpr std::size_t keep = std::size_t{1} << 20;
/// Payloads up to this size fit into a frame of every peer.
constexpr std::size_t noted_payload_max = wire::least_max_frame - wire::frame_overhead;
/// Answers of accepted calls may exceed max_output by this factor.
constexpr std::size_t answer_factor = 16;

std::size_t wire_size(const wire::Reply& reply) {
  return reply.payload.size() + reply.message.size() + reply.detail.size() + wire::frame_overhead;
}

void clear(wire::Bytes& bytes) {
  if (bytes.capacity() > keep) {
    wire::Bytes().swap(bytes);
  } else {
    bytes.clear();
  }
}

}  // namespace

void Connection::on_reply(void* user, const bp_answer* answer) {
  auto& entry = *static_cast<Calls::Entry*>(user);
  Connection& self = *entry.value.connection;
  if (answer->status == BP_OK && answer->payload.size <= noted_payload_max && self.core_->poller.on_polling_thread()) {
    const SocketPoller::Noting noting(self.core_->poller);
    if (!self.ended_.load(std::memory_order_relaxed) && self.note_ok(entry, view(answer->payload))) return;
  }
  self.reply_to_call(entry, *answer);
}

/// The handler has taken parts of the request.
void Connection::on_credit(void* user, std::uint64_t bytes) {
  auto& entry = *static_cast<Calls::Entry*>(user);
  Connection& self = *entry.value.connection;
  try {
    const MutexLock lock(self.mutex_);
    self.drop_bytes(entry, bytes);
    if (self.closed_ || entry.value.answered) return;
    wire::encode(self.out_, wire::Credit{entry.id, bytes});
    if (!self.flushing_) self.send_soon();
  } catch (const std::exception&) {
    self.give_up();
  }
}

/// Notes a reply with BP_OK, as nearly all are. The call stays open until the next look, which keeps the connection
/// alive. Out of memory, returns false and has noted nothing.
bool Connection::note_ok(Calls::Entry& entry, wire::View payload) noexcept {
  try {
    noted_.push_back(&entry);
  } catch (const std::bad_alloc&) {
    return false;
  }
  try {
    if (!entry.value.answered) wire::quick_encode_ok(notes_, entry.id, payload);
  } catch (const std::bad_alloc&) {  // before it has written anything
    noted_.pop_back();
    return false;
  }
  if (!std::exchange(to_flush_, true)) core_->poller.send_with_next_look(shared_from_this());
  return true;
}

void Connection::take_notes() {
  std::shared_ptr<Connection> last;
  for (Calls::Entry* const entry : noted_) last = take_call(*entry);
  noted_.clear();
  if (!closed_ && takes_more(notes_.size())) {
    owes_answer_ = true;
    if (out_.empty()) {
      out_.swap(notes_);
    } else {
      out_.insert(out_.end(), notes_.begin(), notes_.end());
    }
  }
  clear(notes_);
}

void Connection::flush_notes() {
  to_flush_ = false;
  if (!noted_.empty()) {
    const MutexLock lock(mutex_);
    take_notes();
    flushing_ = !out_.empty();
  }
  if ((wanted_ & EPOLLOUT) == 0) flush();
}

/// Out of memory, the call ends all the same, and the connection with it.
void Connection::reply_to_call(Calls::Entry& entry, const bp_answer& answer) noexcept {
  wire::Reply whole{entry.id, answer.status, view(answer.payload), view(answer.message), view(answer.detail)};
  const bool terminal = wire::is_terminal(answer.status);
  const bp_context context = core_->context;
  std::string message;
  std::shared_ptr<Connection> last;  // released after the lock, because it may free this connection
  bp_request too_large{};
  {
    const MutexLock lock(mutex_);
    const bool answered = entry.value.answered;
    const bp_request request = entry.value.request;
    if (canceled_ && whole.status == BP_CANCELED) whole.message = "the host stopped before the call ended";
    if (terminal) last = take_call(entry);
    try {
      const wire::Reply fit = fitting(whole, message);
      if (!terminal && wire::is_terminal(fit.status)) {
        entry.value.answered = true;
        too_large = request;
      }
      if (closed_) return;
      if (!answered) {
        if (!takes_more(wire_size(fit))) return;
        wire::encode(out_, fit);
        owes_answer_ = true;
        hold_parts();
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
  const bool fits = memory_.hold_output(std::max(out_.capacity(), out_.size() + size), waiting());
  if (fits && waiting() <= core_->options.max_output * answer_factor) return true;
  close_soon("it does not read its answers: " + std::to_string(waiting()) + " bytes wait" +
             (fits ? "" : "; " + memory_.why()));
  return false;
}

/// While much output waits, no part is to be added to it. Under the lock, so that the last call has the last word; the
/// source only takes a note.
void Connection::hold_parts() {
  const std::size_t most = core_->options.max_part_output;
  if (waiting() > most ? held_ : !held_ || waiting() > most / 4) return;
  held_ = !held_;
  bp_source_hold(core_->context, source_, held_ ? 1 : 0);
}

/// Makes a reply fit into a frame. A too large answer becomes an error. In a message that is not UTF-8, which a C
/// module may return, each byte beyond ASCII becomes '?'. `message` stores the new text.
wire::Reply Connection::fitting(const wire::Reply& reply, std::string& message) const {
  if (!cbor::valid_utf8(reply.message)) {
    message = reply.message;
    std::replace_if(
        message.begin(), message.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
    wire::Reply valid = reply;
    valid.message = message;
    if (wire_size(valid) <= max_frame_out_) return valid;
  }
  const std::size_t size = wire_size(reply);
  if (size <= max_frame_out_) return reply;
  message = "the answer needs a frame of " + std::to_string(size) + " bytes, but this connection allows at most " +
            std::to_string(max_frame_out_) + "; answer in parts, or write a file";
  return {reply.id, BP_NOT_SUPPORTED, {}, message, {}};
}

void Connection::reply(const wire::Reply& reply) {
  std::string message;
  const MutexLock lock(mutex_);
  if (closed_) return;
  wire::encode(out_, fitting(reply, message));
  owes_answer_ = true;
  if (!flushing_) send_soon();
}

void Connection::reply(std::uint64_t id, bp_status status, const std::string& message) {
  reply({id, status, {}, message, {}});
}

void Connection::on_event(void* user, const bp_event* event) {
  auto& listener = *static_cast<Listener*>(user);
  try {
    listener.connection->send_event(listener, *event);
  } catch (const std::exception&) {
    listener.connection->give_up();
  }
}

/// A peer that does not read never holds up the event thread: what it cannot take is lost to it, and it will be told.
void Connection::send_event(Listener& listener, const bp_event& event) {
  const std::size_t size = event.name.size + event.payload.size + wire::frame_overhead;
  const bool can_be_sent = size <= max_frame_out_ && cbor::valid_utf8(view(event.name));
  {
    const MutexLock lock(mutex_);
    if (closed_) return;
    if (can_be_sent && waiting() <= core_->options.max_event_output &&
        memory_.hold_output(out_.size() + size, waiting())) {
      send_gap(listener);
      wire::encode(out_, wire::Event{listener.id, event.flags, view(event.name), view(event.payload)});
      if (!flushing_) send_soon();
      return;
    }
    const bool is_gap = (event.flags & BP_EVENT_GAP) != 0;
    listener.lost.add(is_gap ? event.lost : 1, event.emitted_ms != 0 ? event.emitted_ms : unix_ms());
    behind_.insert(&listener);
    if (!flushing_) send_soon();
  }
  bp_event_drop(&event);
  if (can_be_sent) return;
  core_->log(BP_LOG_ERROR, [&] {
    return "the event \"" + std::string(view(event.name)) + "\" of " + std::to_string(size) +
           " bytes was dropped, because no frame of process " + std::to_string(peer_) + " can carry it";
  });
}

/// Tells a listener what it has lost, if anything.
void Connection::send_gap(Listener& listener) {
  if (listener.lost.events == 0) return;
  const GapEvent gap(listener.lost);
  const bp_event event = gap.native();
  wire::encode(out_, wire::Event{listener.id, event.flags, view(event.name), view(event.payload)});
  listener.lost = {};
  behind_.erase(&listener);
}

/// Tells all listeners what they have lost. Returns false if there was nothing to tell. Out of memory, it ends the
/// connection.
bool Connection::send_gaps() noexcept {
  if (behind_.empty()) return false;
  try {
    while (!behind_.empty()) send_gap(**behind_.begin());
  } catch (const std::bad_alloc&) {
    behind_.clear();
    ::shutdown(socket_.get(), SHUT_RDWR);
  }
  return true;
}

/// Removes a call. After the last call, returns the pointer that has kept the connection alive.
std::shared_ptr<Connection> Connection::take_call(Calls::Entry& entry) {
  const std::size_t size = calls_.take(&entry).size;
  memory_.drop_payload(size);
  core_->open_calls.fetch_sub(1, std::memory_order_relaxed);
  core_->open_bytes.fetch_sub(size, std::memory_order_relaxed);
  return calls_.size() == 0 ? std::move(alive_) : nullptr;
}

std::size_t Connection::waiting() const { return out_.size() - sent_; }

/// Runs under the lock, so that nothing is posted after close(): the io context may then be destroyed.
void Connection::send_soon() noexcept {
  flushing_ = true;
  if (core_->poller.on_polling_thread()) {
    if (!std::exchange(to_flush_, true)) core_->poller.send_with_next_look(shared_from_this());
    return;
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

/// Sends as much as the socket takes without waiting.
void Connection::send_last_words() { send_some(); }

void Connection::close_soon(std::string reason) {
  if (!reason_.empty()) return;
  reason_ = std::move(reason);
  ::shutdown(socket_.get(), SHUT_RDWR);  // the next event of the socket then leads to close()
}

/// Out of memory for an answer or an event. Ends the connection, so that the peer knows that it misses one.
void Connection::give_up() noexcept {
  const MutexLock lock(mutex_);
  give_up_locked();
}
void Connection::give_up_locked() noexcept {
  if (!closed_) ::shutdown(socket_.get(), SHUT_RDWR);
}

void Connection::flush() {
  if (ended_) return;
  int error = 0;
  {
    const MutexLock lock(mutex_);
    error = send_some();
    if (error == 0 && !closed_ && send_gaps()) error = send_some();
    hold_parts();
    if (error == 0) {
      flushing_ = false;
      if (draining_) idle_.notify_all();
    }
  }
  if (error == 0) {
    want(wanted_ & ~std::uint32_t{EPOLLOUT});
    resume_reading();
  } else if (error == EAGAIN) {
    want(wanted_ | EPOLLOUT);
    watch_progress();
  } else {
    std::array<char, 128> why{};
    std::snprintf(why.data(), why.size(), "sending failed: %s", std::strerror(error));
    close(why.data());
  }
}

/// Sends output. Returns 0 if all is sent, EAGAIN if the socket is full, or another errno if the connection is broken.
int Connection::send_some() {
  while (sent_ != out_.size()) {
    const ssize_t size = ::send(socket_.get(), out_.data() + sent_, out_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size >= 0) {
      sent_ += static_cast<std::size_t>(size);
      taken_ += static_cast<std::size_t>(size);
      continue;
    }
    if (errno == EINTR) continue;
    const int error = errno;
    // Erase the sent bytes only when they are the larger part, so that each byte is moved at most once on average.
    if (sent_ > out_.size() / 2) {
      border_ = next_border() - sent_;
      out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(sent_));
      sent_ = 0;
    }
    return error == EWOULDBLOCK ? EAGAIN : error;
  }
  clear(out_);
  memory_.shrink_output(out_.capacity());
  sent_ = border_ = 0;
  owes_answer_ = false;
  return 0;
}

/// Where the first frame begins of which nothing is sent, or the end of the output.
std::size_t Connection::next_border() {
  while (border_ < sent_) border_ += wire::frame_size(out_, border_);
  return border_;
}

/// The socket is full. Sees to it that a peer which takes nothing for too long is disconnected.
void Connection::watch_progress() {
  if (std::exchange(watching_, true)) return;
  {
    const MutexLock lock(mutex_);
    sent_then_ = taken_;
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
    watching_ = false;  // the next full socket tries again
  }
}

void Connection::on_no_progress() {
  watching_ = false;
  if (ended_ || (wanted_ & EPOLLOUT) == 0) return;
  bool stalled = false;
  {
    const MutexLock lock(mutex_);
    // A peer that only listens loses events, and nobody waits for it.
    if (taken_ == sent_then_ && owes_answer_ && out_.size() != sent_) {
      out_.resize(next_border());
      stalled = true;
    }
  }
  if (!stalled) return watch_progress();
  std::array<char, 96> why{};
  std::snprintf(why.data(), why.size(), "it has read none of its answers for %lld ms (stalled_client_ms)",
                static_cast<long long>(core_->options.stalled_client.count()));
  fail(BP_TIMEOUT, why.data());
}

bool Connection::wait_idle(Clock::time_point until) {
  MutexLock lock(mutex_);
  draining_ = true;
  return idle_.wait_until(lock, until, [this]() BP_REQUIRES(mutex_) {
    return closed_ || (calls_.size() == 0 && out_.empty() && behind_.empty() && !flushing_);
  });
}

}  // namespace backplane::host
