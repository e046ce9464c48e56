// SPDX-License-Identifier: Apache-2.0
//
// Reads bytes, splits them into frames, and submits calls in batches. Everything here runs with `poller.reading`
// locked.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <span>
#include <string>
#include <utility>

#include "server/call_batch.hpp"
#include "server/connection.hpp"
#include "support/views.hpp"
#include "sync/mutex.hpp"
#include "wire/frame_quick.hpp"

namespace backplane::host {

namespace {

/// The largest window that a peer may ask for.
constexpr std::uint64_t most_window_bytes = std::uint64_t{16} << 20;
constexpr std::uint32_t most_window_parts = 65'536;

}  // namespace

void Connection::on_ready(std::uint32_t events) {
  if (closed_) return;  // an event of another connection has closed it
  if ((events & EPOLLOUT) != 0) flush();
  if (closed_ || (events & ~std::uint32_t{EPOLLOUT}) == 0) return;
  // Reading is paused, so this event means that the peer has closed. It would not read any more output.
  if (!socket_.wants_input()) return close("the peer has closed the connection");
  read();
}

bool Connection::only_reads() const noexcept { return socket_.wants_only_input(); }

bool Connection::read() {
  std::span<std::uint8_t> room;
  try {
    room = in_.room();
  } catch (const std::bad_alloc&) {
    if (memory_.refused()) {
      fail(BP_OVERLOADED, memory_.why());
    } else {
      fail(BP_OUT_OF_MEMORY, "the host has no memory for this frame; send less at once");
    }
    return true;
  }
  const ssize_t size = ::recv(socket_.fd(), room.data(), room.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return false;
  if (size <= 0) {
    close("the peer has closed the connection");
    return true;
  }
  in_.filled(static_cast<std::size_t>(size));
  take_frames();
  return true;
}

void Connection::take_frames() {
  try {
    take_some();
  } catch (const wire::FrameTooLarge& error) {
    core_->limits.hit(Limit::frame);
    return fail(BP_PROTOCOL, error.what());
  } catch (const wire::ProtocolError& error) {
    return fail(BP_PROTOCOL, error.what());
  } catch (const std::bad_alloc&) {
    return fail(BP_OUT_OF_MEMORY, "the host has no memory for these requests");
  }
  if (closed_) return;
  bool pause = false;
  {
    const MutexLock lock(mutex_);
    // Not for open calls: the peer's frames may be what ends them, such as credit.
    pause = out_.waiting() > core_->options.max_output;
    if (pause && !paused_) core_->limits.hit(Limit::output);
    paused_ = pause;
  }
  socket_.want_input(!pause, *this);
}

/// Handles all complete frames. If a frame is malformed, the calls before it are submitted first.
void Connection::take_some() {
  Batch batch;
  wire::View body;
  try {
    while (!closed_ && in_.next(body)) {
      if (admission_.may_call() && wire::quick_decode(body, batch.calls[batch.size])) {
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
    for (std::size_t i = 0; i < size; ++i) reply(batch.calls[i].id, BP_CLOSED, "the host is stopping");
    return;
  }
  std::size_t opened = 0;
  {
    const MutexLock lock(mutex_);
    opened = open(batch, size);
  }
  std::size_t next = 0;
  try {
    while (next < opened) {
      const wire::Call& call = batch.calls[next];
      OpenCalls::Entry* const entry = batch.entries[next++];
      if (entry != nullptr) {
        submit(call, *entry);
      } else {
        reply(call.id, BP_OVERLOADED, OpenCalls::text_of(batch.limits[next - 1], core_->options));
      }
    }
  } catch (const std::bad_alloc&) {  // the connection ends, and nothing will answer those that are left
    std::shared_ptr<Connection> last;
    const MutexLock lock(mutex_);
    for (; next < opened; ++next) {
      if (batch.entries[next] != nullptr) last = calls_.end(*batch.entries[next]);
    }
    throw;
  }
  if (batch.fault) std::rethrow_exception(std::exchange(batch.fault, nullptr));
}

/// Opens the calls. Returns how many can be submitted. If this is not all, `fault` has the error of the next one.
std::size_t Connection::open(Batch& batch, std::size_t size) {
  std::size_t opened = 0;
  try {
    for (; opened < size; ++opened) {
      const wire::Call& call = batch.calls[opened];
      batch.entries[opened] = nullptr;
      batch.limits[opened] = calls_.limit_hit(call.payload.size());
      if (batch.limits[opened] == Limit::count) batch.entries[opened] = &calls_.open(*this, call);
    }
  } catch (...) {
    batch.fault = std::current_exception();
  }
  calls_.count_opened();
  return opened;
}

void Connection::submit(const wire::Call& call, OpenCalls::Entry& entry) {
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.flags = call.flags;
  submission.method.id = call.target.method;
  submission.name = str(call.target.name);
  submission.payload = bytes(call.payload);
  submission.timeout_ms =
      call.timeout_ms != 0 ? call.timeout_ms : static_cast<std::uint64_t>(core_->options.default_deadline.count());
  entry.value.default_deadline = call.timeout_ms == 0 && submission.timeout_ms != 0;
  submission.on_reply = on_reply;
  submission.user = &entry;
  submission.source = source_.get();
  submission.window_bytes = std::min(call.window_bytes, most_window_bytes);
  submission.window_parts = std::min(call.window_parts, most_window_parts);
  submission.on_credit = on_credit;
  // bp_submit() writes the handle before the first reply can arrive. The terminal reply frees the entry. So the handle
  // is written directly into the entry, and not after the call.
  const bp_status status = bp_submit(core_->context, &submission, &entry.value.request);
  if (status == BP_OK) return;
  const std::string why = status == BP_OVERLOADED ? ConnectionMemory::overloaded() : bp_status_text(status);
  std::shared_ptr<Connection> last;
  {
    const MutexLock lock(mutex_);
    last = calls_.end(entry);
  }
  reply(call.id, status, why);
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
