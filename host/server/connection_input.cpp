// SPDX-License-Identifier: Apache-2.0
//
// The way in: bytes, frames, and calls, which are taken together as they come together. All holding `poller.reading`.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <exception>

#include "server/connection.hpp"
#include "support/views.hpp"
#include "sync/mutex.hpp"
#include "wire/frame_quick.hpp"

namespace backplane::host {

/// As many as one lock is taken for.
struct Connection::Batch {
  static constexpr std::size_t most = 64;
  std::array<wire::Call, most> calls;
  std::array<Calls::Entry*, most> entries;  ///< null: one too many
  std::size_t size = 0;
  std::exception_ptr fault;  ///< of the call that would be the next
};

void Connection::on_ready(std::uint32_t events) {
  if (ended_) return;  // by another one's event
  if ((events & EPOLLOUT) != 0) flush();
  if (ended_ || (events & ~std::uint32_t{EPOLLOUT}) == 0) return;
  // One that is not read from tells of its end all the same, and what it would still take is of no use.
  if ((wanted_ & EPOLLIN) == 0) return close("the peer has closed the connection");
  read();
}

bool Connection::only_reads() const noexcept { return wanted_ == EPOLLIN; }

bool Connection::read() {
  const auto room = in_.room();
  const ssize_t size = ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return false;
  if (size <= 0) {
    close("the peer has closed the connection");
    return true;
  }
  in_.filled(static_cast<std::size_t>(size));
  take_frames();
  return true;
}

void Connection::want(std::uint32_t events) {
  if (events == wanted_) return;
  wanted_ = events;
  core_->poller.change(socket_.get(), wanted_, *this);
}

void Connection::take_frames() {
  try {
    take_some();
  } catch (const wire::ProtocolError& error) {
    return fail(BP_PROTOCOL, error.what());
  } catch (const std::bad_alloc&) {
    return close("memory for its requests could not be had");
  }
  if (ended_) return;
  bool pause = false;
  {
    const MutexLock lock(mutex_);
    // What is being worked on counts as well: its answers may be as large.
    pause = paused_ = waiting() + open_size_ > core_->options.max_output;
  }
  want(pause ? wanted_ & ~std::uint32_t{EPOLLIN} : wanted_ | EPOLLIN);
}

/// Whatever is wrong with a frame, the calls before it have been made.
void Connection::take_some() {
  Batch batch;
  wire::View body;
  try {
    while (!ended_ && in_.next(body)) {
      if (greeted_ && wire::quick_decode(body, batch.calls[batch.size])) {
        if (++batch.size == Batch::most) submit(batch);
      } else {
        submit(batch);
        take(wire::decode(body));
      }
    }
  } catch (const wire::ProtocolError&) {
    submit(batch);
    throw;
  }
  submit(batch);
}

void Connection::submit(Batch& batch) {
  if (batch.size == 0) return;
  const std::size_t size = batch.size;
  batch.size = 0;
  if (core_->draining) {
    for (std::size_t i = 0; i < size; ++i) reply(batch.calls[i].id, BP_CLOSED, "the host is about to end");
    return;
  }
  std::size_t opened = 0;
  {
    const MutexLock lock(mutex_);
    opened = open(batch, size);
  }
  for (std::size_t i = 0; i < opened; ++i) {
    const wire::Call& call = batch.calls[i];
    if (batch.entries[i] != nullptr) {
      submit(call, *batch.entries[i]);
    } else {
      reply(call.id, BP_OVERLOADED,
            "this connection has " + std::to_string(core_->options.max_calls) + " open calls; wait for answers");
    }
  }
  if (batch.fault) std::rethrow_exception(std::exchange(batch.fault, nullptr));
}

/// Returns how many of them can be made; what is wrong with the next one is in `fault`.
std::size_t Connection::open(Batch& batch, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    const wire::Call& call = batch.calls[i];
    batch.entries[i] = nullptr;
    if (calls_.size() >= core_->options.max_calls) continue;
    try {
      Calls::Entry* const entry = calls_.insert(call.id);
      if (entry == nullptr) throw wire::ProtocolError("a call whose id " + std::to_string(call.id) + " is in use");
      entry->value.connection = this;
      entry->value.size = call.payload.size();
      batch.entries[i] = entry;
    } catch (...) {
      batch.fault = std::current_exception();
      return i;
    }
    if (alive_ == nullptr) alive_ = shared_from_this();
    open_size_ += call.payload.size();
  }
  return size;
}

// A call that does not look like the others.
void Connection::on_frame(const wire::Call& call) {
  Batch batch;
  batch.calls[0] = call;
  batch.size = 1;
  submit(batch);
}

void Connection::submit(const wire::Call& call, Calls::Entry& entry) {
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.flags = call.flags;
  submission.method.id = call.target.method;
  submission.name = str(call.target.name);
  submission.payload = bytes(call.payload);
  submission.timeout_ms = call.timeout_ms;
  submission.on_reply = on_reply;
  submission.user = &entry;
  // The handle is there before the first reply can come, and with the last reply the entry goes back:
  // so it is written in place, and never afterwards.
  const bp_status status = bp_submit(core_->context, &submission, &entry.value.request);
  if (status == BP_OK) return;
  std::shared_ptr<Connection> last;
  {
    const MutexLock lock(mutex_);
    last = take_call(entry);
  }
  reply(call.id, status, bp_status_text(status));
}

void Connection::resume_reading() {
  {
    const MutexLock lock(mutex_);
    if (!paused_) return;
    paused_ = false;
  }
  take_frames();
}

}  // namespace backplane::host
