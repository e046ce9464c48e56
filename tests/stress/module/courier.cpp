// SPDX-License-Identifier: Apache-2.0
//
// Answers and emits what the stress module's handlers produce, and marks each step for the audit.
#include "courier.hpp"

#include <unistd.h>

namespace stress {

bp_status say(const Shared& shared, bp_token token, Mark* mark, bp_status status, bp_bytes payload, bool as_buffer) {
  bp_answer answer{};
  answer.struct_size = sizeof answer;
  answer.status = status;
  const bool good = status == BP_OK || status == BP_PARTIAL;
  if (good) {
    answer.payload = payload;
  } else {
    answer.message = BP_STR("the stress module answers an error");
    answer.detail = payload.size == 0 ? payload : bp_bytes{reinterpret_cast<const std::uint8_t*>("\x18\x2a"), 2};
  }
  if (good && as_buffer && (answer.buffer = shared.host->buffer_new(payload.size)) != nullptr) {
    if (payload.size != 0) std::memcpy(answer.buffer->data, payload.data, payload.size);
    answer.buffer->size = payload.size;
    answer.payload = {nullptr, 0};
  }
  const bp_status taken = shared.host->reply(token, &answer);
  if (taken != BP_OK) {
    shared.host->buffer_free(answer.buffer);
    const bool full = taken == BP_WOULD_BLOCK && status == BP_PARTIAL;
    if (taken != BP_STALE_TOKEN && !full) ++shared.board->odd_status;
  } else if (mark != nullptr && status == BP_PARTIAL) {
    ++mark->parts;
  } else if (mark != nullptr) {
    mark->said_status = status;
    ++mark->said;
  }
  return taken;
}

void say_again(const Shared& shared, bp_token token, bp_status status) {
  if (say(shared, token, nullptr, status, {nullptr, 0}, false) == BP_OK) ++shared.board->second_replies;
}

void emit(const Shared& shared, State& state, bool typed, bool ordered, std::uint32_t size, bp_token waits) {
  CallStats* const stats = state.stats.load();
  if (stats == nullptr) return;
  EventHead head;
  head.source = state.source;
  head.number = ++state.emitted;
  head.size = size;
  head.ordered = ordered ? 1 : 0;
  const auto whole = static_cast<std::uint32_t>(sizeof head + size);
  // A CBOR byte string with a length of four bytes (RFC 8949, 3.1): what a typed event takes.
  constexpr std::size_t cbor_head = 5;
  std::vector<std::uint8_t> bytes(cbor_head + whole, static_cast<std::uint8_t>(head.number));
  const std::uint8_t cbor[cbor_head] = {0x5a, static_cast<std::uint8_t>(whole >> 24),
                                        static_cast<std::uint8_t>(whole >> 16), static_cast<std::uint8_t>(whole >> 8),
                                        static_cast<std::uint8_t>(whole)};
  std::memcpy(bytes.data(), cbor, cbor_head);
  std::memcpy(bytes.data() + cbor_head, &head, sizeof head);
  const std::size_t skipped = typed ? 0 : cbor_head;
  const bp_bytes payload{bytes.data() + skipped, bytes.size() - skipped};
  const bp_str name = typed ? BP_STR(STRESS_NAME ".typed") : BP_STR(STRESS_NAME ".raw");
  const std::uint32_t flags = typed ? BP_EVENT_TYPED : 0;
  constexpr std::uint64_t patience_ms = 30;
  const bp_status status = waits == 0 ? shared.events->emit(state.instance, name, payload, flags)
                                      : shared.events->emit_wait(waits, name, payload, flags, patience_ms);
  const bool gave_up = status == BP_TIMEOUT || status == BP_CANCELED || status == BP_DEADLINE;
  if (waits != 0 && gave_up) return;  // the host has not seen it
  ++stats->emit_tried;
  switch (status) {
    case BP_OK:
      if (waits != 0) ++stats->emit_waited;
      ++stats->emit_taken;
      break;
    case BP_OVERFLOW:
    case BP_CLOSED:
    case BP_OUT_OF_MEMORY:
      ++stats->emit_refused;
      break;
    default:
      ++shared.board->odd_status;
  }
}

Courier::Courier(const Shared& shared) : shared_(shared), thread_([this] { run(); }) {}

Courier::~Courier() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  thread_.join();
  // No instance is alive, so nobody waits for what is left.
  for (; !jobs_.empty(); jobs_.pop()) {
    if (jobs_.top().fd >= 0) ::close(jobs_.top().fd);
  }
}

void Courier::add(Job job) {
  const std::lock_guard lock(mutex_);
  jobs_.push(std::move(job));
  changed_.notify_all();
}

void Courier::run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (jobs_.empty()) {
      changed_.wait(lock);
    } else if (const auto due = jobs_.top().due; due > Clock::now()) {
      changed_.wait_until(lock, due);
    } else {
      Job job = jobs_.top();
      jobs_.pop();
      lock.unlock();
      work(job);
      lock.lock();
    }
  }
}

void Courier::work(Job& job) {
  if (job.kind == Job::Kind::signal_fd) {
    const std::uint64_t one = 1;
    if (::write(job.fd, &one, sizeof one) != sizeof one) ++shared_.board->odd_status;
    ::close(job.fd);
    return;
  }
  const std::lock_guard lock(job.state->mutex);
  if (job.state->alive) return work_alive(job);
  if (job.kind == Job::Kind::emit) return;
  if (say(shared_, job.token, nullptr, BP_OK, {nullptr, 0}, false) == BP_OK) ++shared_.board->reply_after_end;
}

void Courier::work_alive(Job& job) {
  const bp_bytes payload{job.payload.data(), job.payload.size()};
  switch (job.kind) {
    case Job::Kind::parts:
      for (std::uint32_t i = 0; i < job.count; ++i) say(shared_, job.token, job.mark, BP_PARTIAL, payload, i % 2 != 0);
      [[fallthrough]];
    case Job::Kind::reply:
    case Job::Kind::reply_twice:
      say(shared_, job.token, job.mark, BP_OK, payload, job.count % 2 != 0);
      if (job.kind != Job::Kind::reply) say_again(shared_, job.token, BP_OK);
      if (job.kind == Job::Kind::parts) say_again(shared_, job.token, BP_PARTIAL);
      break;
    case Job::Kind::answer_function:
      if (say(shared_, job.token, nullptr, BP_OK, payload, job.count % 2 != 0) == BP_OK) ++job.stats->offered_answered;
      say_again(shared_, job.token, BP_OK);
      break;
    case Job::Kind::emit:
      for (std::uint32_t i = 0; i < job.count; ++i) emit(shared_, *job.state, i % 2 != 0, false, 16);
      break;
    case Job::Kind::signal_fd:
      break;
  }
}

}  // namespace stress
