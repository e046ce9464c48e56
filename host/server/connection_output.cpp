// SPDX-License-Identifier: Apache-2.0
//
// What a peer gets: replies and events, from whatever thread they come, and their way out.
#include <sys/socket.h>

#include <algorithm>
#include <backplane/cbor/utf8.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include "server/connection.hpp"
#include "support/mutex.hpp"
#include "support/views.hpp"

namespace backplane {
namespace {

/// More than this is left to the io thread even where it could be sent at once.
constexpr std::size_t send_at_once_max = std::size_t{64} << 10;
/// Buffers that grew beyond this go back when they are empty.
constexpr std::size_t keep = std::size_t{1} << 20;
/// Answers to accepted calls are always taken, but memory ends somewhere.
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
  const auto& entry = *static_cast<const Calls::Entry*>(user);
  // The entry may go back to its table in what follows, and with it the last reference to the connection.
  const auto self = entry.value.connection;
  try {
    self->reply_to_call(entry.id, *answer);
  } catch (const std::exception&) {
    self->give_up();
  }
}

void Connection::reply_to_call(std::uint64_t id, const bp_answer& answer) {
  wire::Reply whole{id, answer.status, view(answer.payload), view(answer.message), view(answer.detail)};
  const bool terminal = wire::is_terminal(answer.status);
  std::string message;
  OpenCall gone;  // let go when the lock has been released
  bp_request too_large{};
  {
    const MutexLock lock(mutex_);
    Calls::Entry* const entry = calls_.find(id);
    const bool answered = entry->value.answered;
    if (canceled_ && whole.status == BP_CANCELED) whole.message = "the host ended before the call did";
    const wire::Reply fit = fitting(whole, message);
    if (!terminal && wire::is_terminal(fit.status)) {
      entry->value.answered = true;
      too_large = entry->value.request;
    }
    if (terminal) take_call(id, gone);
    if (closed_) return;
    if (!answered) {
      if (waiting() > core_->options.max_output * (terminal ? answer_factor : 1)) {
        return close_soon("it does not take its answers: " + std::to_string(waiting()) + " bytes wait");
      }
      wire::encode(out_, fit);
    }
    if (!flushing_) calls_.size() == 0 ? send_at_once() : send_soon();
    if (draining_) idle_.notify_all();
  }
  if (too_large.id != 0) bp_cancel(core_->context, too_large);
}

/// An answer that no frame can carry becomes an error that says so, and a message that is not UTF-8, as
/// a module in C may give one, ASCII. `message` holds the text.
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
  message = "the answer takes " + std::to_string(size) + " bytes, and a frame of this connection at most " +
            std::to_string(max_frame_out_) + "; answer in parts, or in a file";
  return {reply.id, BP_NOT_SUPPORTED, {}, message, {}};
}

void Connection::reply(const wire::Reply& reply) {
  std::string message;
  const MutexLock lock(mutex_);
  if (closed_) return;
  wire::encode(out_, fitting(reply, message));
  if (!flushing_) send_soon();
}

void Connection::reply(std::uint64_t id, bp_status status, const std::string& message) {
  reply({id, status, {}, message, {}});
}

void Connection::on_event(void* user, const bp_event* event) {
  const auto& listener = *static_cast<const Listener*>(user);
  try {
    listener.connection->send_event(listener, *event);
  } catch (const std::exception&) {
    listener.connection->give_up();
  }
}

void Connection::send_event(const Listener& listener, const bp_event& event) {
  const std::size_t size = event.name.size + event.payload.size + wire::frame_overhead;
  {
    const MutexLock lock(mutex_);
    if (closed_) return;
    if (waiting() > core_->options.max_output) {
      return close_soon("it does not take its events: " + std::to_string(waiting()) + " bytes wait");
    }
    if (size <= max_frame_out_ && cbor::valid_utf8(view(event.name))) {
      wire::encode(out_, wire::Event{listener.id, event.flags, view(event.name), view(event.payload)});
      if (!flushing_) send_soon();
      return;
    }
  }
  core_->log(BP_LOG_ERROR, "the event \"" + std::string(view(event.name)) + "\" of " + std::to_string(size) +
                               " bytes fits no frame of process " + std::to_string(peer_) + "; it is dropped");
}

bool Connection::take_call(std::uint64_t id, OpenCall& gone) {
  if (!calls_.take(id, gone)) return false;
  open_size_ -= gone.size;
  return true;
}

std::size_t Connection::waiting() const { return out_.size() + sending_.size() - sent_; }

/// Under the lock, so that nothing is posted once close() has run: the io context may be gone then.
void Connection::send_soon() {
  flushing_ = true;
  boost::asio::post(core_->io, [self = shared_from_this()] { self->flush(); });
}

void Connection::send_at_once() {
  if (out_.size() > send_at_once_max || paused_) return send_soon();  // flush() also resumes the reading
  const ssize_t size = ::send(socket_.native_handle(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (size == static_cast<ssize_t>(out_.size())) return out_.clear();
  // The rest, or the error, is the io thread's.
  sending_.swap(out_);
  sent_ = size > 0 ? static_cast<std::size_t>(size) : 0;
  send_soon();
}

/// What the socket takes of it without waiting. flush() is on this thread, so it is not sending now.
void Connection::send_last_words() {
  const wire::View rest = wire::View(sending_).subspan(sent_);
  const int fd = socket_.native_handle();
  if (!rest.empty() &&
      ::send(fd, rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL) != static_cast<ssize_t>(rest.size())) {
    return;
  }
  [[maybe_unused]] const ssize_t size = ::send(fd, out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Connection::close_soon(std::string reason) {
  if (!reason_.empty()) return;
  reason_ = std::move(reason);
  ::shutdown(socket_.native_handle(), SHUT_RDWR);  // wakes the io thread, which closes
}

/// Memory for an answer or an event could not be had: a peer that misses one must know it.
void Connection::give_up() noexcept {
  const MutexLock lock(mutex_);
  if (!closed_) ::shutdown(socket_.native_handle(), SHUT_RDWR);
}

void Connection::flush() {
  for (;;) {
    {
      const MutexLock lock(mutex_);
      if (closed_) return;
      if (sent_ == sending_.size()) {
        clear(sending_);
        sent_ = 0;
        flushing_ = !out_.empty();
        if (!flushing_) {
          if (draining_) idle_.notify_all();
          break;
        }
        sending_.swap(out_);
      }
    }
    if (!send_some()) return;
  }
  resume_reading();
}

/// False if it has to wait, or the connection has ended.
bool Connection::send_some() {
  const ssize_t size =
      ::send(socket_.native_handle(), sending_.data() + sent_, sending_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (size >= 0) {
    const MutexLock lock(mutex_);  // waiting() reads it on other threads
    sent_ += static_cast<std::size_t>(size);
    return true;
  }
  if (errno == EINTR) return true;
  if (errno != EAGAIN && errno != EWOULDBLOCK) {
    close(std::string("sending failed: ") + std::strerror(errno));
    return false;
  }
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->flush();
  });
  return false;
}

void Connection::resume_reading() {
  {
    const MutexLock lock(mutex_);
    if (!paused_ || reading_) return;
    paused_ = false;
  }
  take_frames();
}

bool Connection::wait_idle(Clock::time_point until) {
  MutexLock lock(mutex_);
  draining_ = true;
  return idle_.wait_until(lock, until, [this]() BP_REQUIRES(mutex_) {
    return closed_ || (calls_.size() == 0 && out_.empty() && !flushing_);
  });
}

}  // namespace backplane
