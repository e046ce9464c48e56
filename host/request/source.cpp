// SPDX-License-Identifier: Apache-2.0
#include "request/source.hpp"

#include <type_traits>

#include "request/backlog.hpp"
#include "request/runner.hpp"
#include "request/stream.hpp"

namespace backplane::host {

constinit Slab<Source, source_kind> source_slab;
static_assert(std::is_trivially_destructible_v<Slab<Source, source_kind>>);

void Source::wake_waiting(void* source) {
  on_request_thread.assume();
  auto& self = *static_cast<Source*>(source);
  if (self.held.load(std::memory_order_relaxed)) return;  // held again
  // Each leaves the list as its handler is woken.
  while (self.waiting != nullptr) self.waiting->wake_writer();
}

void Source::end(void* source) {
  on_request_thread.assume();
  auto& self = *static_cast<Source*>(source);
  self.held.store(false, std::memory_order_relaxed);
  wake_waiting(source);
  self.closed = true;
  if (!self.has_calls()) self.free();
}

std::string_view client_of(std::uint32_t number, ShortText::Buffer& buffer) noexcept {
  const Source* const source = Source::at(number);
  const std::string_view name = source == nullptr ? std::string_view() : source->name.read(buffer);
  return name.empty() ? "this process" : name;
}

std::string_view client_of(const Request& request, ShortText::Buffer& buffer) noexcept {
  return client_of(request.source, buffer);
}

namespace {

const Request* request_of_this_thread() noexcept {
  const Request* request = RequestThread::worker_request;
  if (request == nullptr && RequestThread::current != nullptr) {
    on_request_thread.assume();
    request = RequestThread::current->runner.running_request();
  }
  return request;
}

}  // namespace

RunState run_state_of_this_thread() noexcept {
  RunState state;
  const Request* const request = request_of_this_thread();
  if (request == nullptr) return state;
  bp_status cause = request->cause.load(std::memory_order_relaxed);
  if (cause == BP_OK && request->deadline != 0 && request->deadline <= now()) cause = BP_DEADLINE;
  if (cause == BP_CANCELED) state.unwanted = "Its call was canceled";
  if (cause == BP_DEADLINE) state.unwanted = "The deadline of its call had passed";
  if (const Environment* const environment = request->environment.load(std::memory_order_relaxed)) {
    state.fiber = environment->active();
    state.fiber_destroyed = environment->canceled();
  }
  return state;
}

std::string_view client_of_this_thread(ShortText::Buffer& buffer) noexcept {
  const Request* const request = request_of_this_thread();
  return request == nullptr ? std::string_view() : client_of(*request, buffer);
}

// Its line may be the one that had the last turn.
void Source::free() noexcept {
  thread.load(std::memory_order_relaxed)->backlog.forget_empty_line();
  slab().free(this);
}

bp_status Sources::open(bp_source& out) noexcept {
  Source* const source = Source::slab().allocate();
  if (source == nullptr) return BP_OUT_OF_MEMORY;
  source->thread.store(&thread_, std::memory_order_relaxed);
  source->coming.store(0, std::memory_order_relaxed);
  source->calls = 0;
  source->held.store(false, std::memory_order_relaxed);
  source->on_the_way.store(0, std::memory_order_relaxed);
  source->closed = false;
  source->name.clear();
  source->line.reset();  // the times of another queue mean nothing here
  source->arm();
  const MutexLock lock(mutex_);
  link_open(open_, *source);
  out.id = source->token();
  return BP_OK;
}

// Locked, it cannot be closed, so what is sent meanwhile is applied before its end.
Source* Sources::lock(bp_source handle) noexcept {
  Source* const source = Source::slab().find(handle.id);
  if (source == nullptr || !source->lock(handle.id)) return nullptr;
  if (source->thread.load(std::memory_order_relaxed) == &thread_) return source;
  source->unlock(handle.id);
  return nullptr;
}

bp_status Sources::hold(bp_source handle, bool hold) noexcept {
  Source* const source = lock(handle);
  if (source == nullptr) return BP_INVALID_HANDLE;
  source->held.store(hold, std::memory_order_relaxed);
  if (!hold) {
    inbox_.send(source->release);
    inbox_.mark_unsettled();
  }
  source->unlock(handle.id);
  return BP_OK;
}

bp_status Sources::name(bp_source handle, std::string_view name) noexcept {
  Source* const source = lock(handle);
  if (source == nullptr) return BP_INVALID_HANDLE;
  const bool first = source->name.set(name);
  source->unlock(handle.id);
  return first ? BP_OK : BP_INVALID_ARGUMENT;
}

bp_status Sources::close(bp_source handle) noexcept {
  Source* const source = lock(handle);
  if (source == nullptr) return BP_INVALID_HANDLE;
  source->claim_locked();
  {
    const MutexLock lock(mutex_);
    unlink_open(*source);
  }
  inbox_.send(source->close);
  inbox_.mark_unsettled();
  return BP_OK;
}

Sources::Counts Sources::counts() noexcept {
  Counts counts;
  const MutexLock lock(mutex_);
  for (const Source* source = open_; source != nullptr; source = source->open_next) {
    ++counts.open;
    counts.held += source->held.load(std::memory_order_relaxed) ? 1 : 0;
  }
  return counts;
}

std::uint32_t Sources::announce(bp_source handle) noexcept {
  Source* const source = lock(handle);
  if (source == nullptr) return 0;
  source->coming.fetch_add(1, std::memory_order_relaxed);
  source->unlock(handle.id);
  return source->number();
}

void Sources::clear() noexcept {
  on_request_thread.assume();  // it has nothing to do
  thread_.backlog.forget_empty_line();
  const MutexLock lock(mutex_);
  while (open_ != nullptr) {
    Source& source = *open_;
    unlink_open(source);
    if (source.claim(source.token())) Source::slab().free(&source);
  }
}

}  // namespace backplane::host
