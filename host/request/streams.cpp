// SPDX-License-Identifier: Apache-2.0
#include "request/streams.hpp"

#include <algorithm>
#include <memory>
#include <new>
#include <utility>

#include "request/replies.hpp"
#include "request/runner.hpp"
#include "request/source.hpp"

namespace backplane::host {
namespace {

// The caller of a call in parts is told of the room when so much of the window is free again, or all that came is
// taken. More often would cost a frame for each part.
constexpr std::uint64_t told_at = 4;

// What a partial reply of so many bytes takes before it is delivered: its record and its frame, too.
constexpr std::uint64_t on_the_way_cost(std::uint64_t size) noexcept { return size + sizeof(Part) + 64; }

}  // namespace

Stream::~Stream() {
  while (Task* const task = uncredited.pop()) delete static_cast<Part*>(task);
  const MutexLock lock(mutex);
  while (Input* const part = inputs.pop()) delete part;
}

void Stream::wake_writer() {
  if (writer != nullptr) writer->complete(*writer);
}

void Stream::wake_reader(void* stream) {
  on_request_thread.assume();
  auto& self = *static_cast<Stream*>(stream);
  if (self.reader != nullptr) self.reader->complete(*self.reader);
  self.undelivered.fetch_sub(1, std::memory_order_release);
  self.request.thread.load(std::memory_order_relaxed)->replies.release_if_done(self.request);
}

void Stream::tell_room(void* stream) {
  on_request_thread.assume();
  auto& self = *static_cast<Stream*>(stream);
  std::uint64_t bytes = 0;
  {
    const MutexLock lock(self.mutex);
    bytes = std::exchange(self.taken, 0);
  }
  Request& request = self.request;
  if (!request.delivered) self.on_credit(request.user, bytes);
  self.undelivered.fetch_sub(1, std::memory_order_release);
  request.thread.load(std::memory_order_relaxed)->replies.release_if_done(request);
}

Stream* Streams::of(Request& request) const noexcept {
  Stream* stream = request.stream.load(std::memory_order_relaxed);
  if (stream != nullptr) return stream;
  stream = new (std::nothrow) Stream(request);
  if (stream == nullptr) return nullptr;
  stream->replies.most_bytes = window_bytes_;
  stream->replies.most_parts = window_parts_;
  request.stream.store(stream, std::memory_order_release);
  return stream;
}

bool Streams::begin_stream(Request& request, const bp_submission& submission) const noexcept {
  const bool in_parts = (submission.flags & BP_SUBMIT_PARTS) != 0;
  Stream* const stream = of(request);
  if (stream == nullptr) return false;
  if (submission.window_bytes != 0) stream->replies.most_bytes = submission.window_bytes;
  if (submission.window_parts != 0) stream->replies.most_parts = submission.window_parts;
  if (in_parts) {
    const MutexLock lock(stream->mutex);
    stream->input.most_bytes = request_window_bytes_;
    stream->input.most_parts = request_window_parts_;
  }
  stream->comes_in_parts = in_parts;
  stream->on_credit = submission.on_credit;
  return true;
}

// Held, or so much is on its way that its receiver could not hold it up in time.
bool Streams::source_takes(const Request& request, std::uint64_t size) noexcept {
  const Source* const source = Source::at(request.source);
  if (source == nullptr) return true;
  if (source->held.load(std::memory_order_relaxed)) return false;
  const std::uint64_t before = source->on_the_way.load(std::memory_order_relaxed);
  return before == 0 || before + on_the_way_cost(size) <= Window::default_bytes;
}

bool Streams::reserve(const Request& request, Stream& stream, std::uint64_t size) noexcept {
  if (source_takes(request, size) && stream.replies.fits(size)) {
    stream.replies.add(size);
    if (Source* const source = Source::at(request.source)) {
      source->on_the_way.fetch_add(on_the_way_cost(size), std::memory_order_relaxed);
    }
    return true;
  }
  counts_.parts_blocked.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void Streams::disown_running(Request& request, bp_token token) noexcept {
  if (RequestThread::current == nullptr) return;
  on_request_thread.assume();
  if (RequestThread::current->runner.running_request() != &request || request.token() != token) return;
  request.quick = false;
  request.disown();
}

// ---- Partial replies ----------------------------------------------------------------------------------

// The receiver may give the credit while it gets the part.
void Streams::delivers(Part& part) noexcept {
  part.is_read = true;
  if (part.request->credited_by_hand) part.request->stream.load(std::memory_order_relaxed)->uncredited.push(&part);
}

void Streams::delivered(Part& part) {
  Request& request = *part.request;
  Stream& stream = *request.stream.load(std::memory_order_relaxed);
  part.is_read = false;
  Source* const source = Source::at(request.source);
  // When half or all of it has arrived, those go on that found no room.
  bool room = false;
  if (source != nullptr) {
    constexpr std::uint64_t half = Window::default_bytes / 2;
    const std::uint64_t cost = on_the_way_cost(part.size);
    const std::uint64_t before = source->on_the_way.fetch_sub(cost, std::memory_order_relaxed);
    room = before == cost || (before >= half && before - cost < half);
  }
  if (!request.credited_by_hand) {
    const std::uint64_t size = part.size;
    delete &part;
    make_room(stream, 1, size);
  } else if (part.credited) {
    delete &part;
  } else {
    part.answer.clear();
  }
  if (room) Source::wake_waiting(source);
  stream.undelivered.fetch_sub(1, std::memory_order_release);
}

void Streams::make_room(Stream& stream, std::uint64_t parts, std::uint64_t bytes) {
  Request& request = stream.request;
  const bp_token token = request.token();
  if (!request.lock(token)) return stream.wake_writer();  // it has its answer, and no part follows
  stream.replies.parts -= parts;
  stream.replies.bytes -= bytes;
  request.unlock(token);
  stream.wake_writer();
}

bp_status Streams::credit(Request& request, bp_token token, std::uint64_t bytes) {
  if (!request.lock(token)) return BP_INVALID_HANDLE;
  const bool by_hand = request.credited_by_hand;
  request.unlock(token);
  if (!by_hand) return BP_INVALID_ARGUMENT;
  const auto apply = [&request, token, bytes] {
    on_request_thread.assume();
    // The record may be another call's by now.
    if (request.token() != token || !request.open()) return;
    if (Stream* const stream = request.stream.load(std::memory_order_relaxed)) use_credit(*stream, bytes);
  };
  if (request.thread.load(std::memory_order_relaxed) == RequestThread::current) {
    apply();
    return BP_OK;
  }
  return inbox_.post(apply) ? BP_OK : BP_OUT_OF_MEMORY;
}

void Streams::use_credit(Stream& stream, std::uint64_t bytes) {
  std::uint64_t left = bytes + std::min(stream.credited, UINT64_MAX - bytes);
  stream.credited = 0;
  std::uint64_t parts = 0;
  std::uint64_t done = 0;
  while (Task* const task = stream.uncredited.front()) {
    auto* const part = static_cast<Part*>(task);
    if (part->size > left) {
      stream.credited = left;
      break;
    }
    left -= part->size;
    done += part->size;
    ++parts;
    stream.uncredited.pop();
    part->credited = true;
    if (!part->is_read) delete part;
  }
  if (parts != 0) make_room(stream, parts, done);
}

bool Streams::wait_for_room(Waiter& waiter, std::uint64_t size) {
  Request& request = waiter.request;
  const bp_token token = request.token();
  if (!request.lock(token)) return false;  // it has its answer; sending the part says so
  Stream* const stream = of(request);
  const bool ready = stream == nullptr || (source_takes(request, size) && stream->replies.fits(size));
  request.unlock(token);
  if (ready) return false;  // without memory, sending the part says so
  stream->writer = &waiter;
  if (Source* const source = Source::at(request.source)) link_open(source->waiting, *stream);
  waiter.wait_data = stream;
  waiter.stop_wait = [](Waiter& self) {
    auto& from = *static_cast<Stream*>(self.wait_data);
    from.writer = nullptr;
    if (is_linked(from)) unlink_open(from);
  };
  return true;
}

// ---- Parts of a request ---------------------------------------------------------------------------------

// Locked, the record keeps its stream. The task then keeps the record until it is applied.
bool Streams::send(Stream& stream, ReusableTask& task, TaskInbox& inbox) noexcept {
  if (!task.claim()) return false;
  stream.undelivered.fetch_add(1, std::memory_order_relaxed);
  inbox.send(static_cast<Task&>(task));
  return true;
}

bp_status Streams::receive(Request& request, bp_token token, bp_bytes payload, std::uint32_t flags) {
  std::unique_ptr<Stream::Input> part(new (std::nothrow) Stream::Input);
  if (part == nullptr || !part->payload.copy(payload)) return BP_OUT_OF_MEMORY;
  part->size = Window::cost_of(payload.size);
  if (!request.lock(token)) return BP_INVALID_HANDLE;
  const TaskInbox::Sender sender(inbox_);
  Stream* const stream = request.stream.load(std::memory_order_relaxed);
  bp_status status = BP_INVALID_ARGUMENT;
  if (stream != nullptr && stream->comes_in_parts) {
    const MutexLock lock(stream->mutex);
    const bool is_part = (flags & BP_PART_END) == 0;
    if (!stream->last_came) {
      status = !is_part || stream->input.fits(part->size) ? BP_OK : BP_WOULD_BLOCK;
      if (status == BP_OK && is_part) {
        stream->input.add(part->size);
        stream->inputs.push(part.release());
      }
      if (status == BP_OK) {
        stream->last_came = flags != 0;
        send(*stream, stream->came, inbox_);
      }
    }
  }
  request.unlock(token);
  return status;
}

bp_status Streams::take(Request& request, Payload& out) {
  Stream* const stream = request.stream.load(std::memory_order_acquire);
  if (stream == nullptr || !stream->comes_in_parts) return BP_OK;
  std::unique_ptr<Stream::Input> part;
  {
    const MutexLock lock(stream->mutex);
    part.reset(stream->inputs.pop());
    if (part == nullptr) return stream->last_came ? BP_OK : BP_WOULD_BLOCK;
    stream->input.remove(part->size);
    stream->taken += part->size;
    const bool tell = stream->inputs.empty() || stream->taken >= stream->input.most_bytes / told_at;
    if (tell && stream->on_credit != nullptr) send(*stream, stream->room, inbox_);
  }
  counts_.parts_received.fetch_add(1, std::memory_order_relaxed);
  out = std::move(part->payload);
  return BP_PARTIAL;
}

void Streams::drop_input(Request& request) noexcept {
  request.payload.clear();
  Stream* const stream = request.stream.load(std::memory_order_relaxed);
  if (stream == nullptr) return;
  const MutexLock lock(stream->mutex);
  while (Stream::Input* const part = stream->inputs.pop()) delete part;
}

bool Streams::wait_for_part(Waiter& waiter) {
  Stream* const stream = waiter.request.stream.load(std::memory_order_acquire);
  {
    const MutexLock lock(stream->mutex);
    if (!stream->inputs.empty() || stream->last_came) return false;
  }
  stream->reader = &waiter;
  waiter.wait_data = stream;
  waiter.stop_wait = [](Waiter& self) { static_cast<Stream*>(self.wait_data)->reader = nullptr; };
  return true;
}

}  // namespace backplane::host
