// SPDX-License-Identifier: Apache-2.0
#include "request/record.hpp"

#include <pthread.h>

#include <type_traits>

#include "request/request_thread.hpp"
#include "request/runner.hpp"
#include "support/forked_child.hpp"

namespace backplane::host {

constinit Slab<Request, request_kind> request_slab;
constinit Slab<Pending, pending_kind> pending_slab;
static_assert(std::is_trivially_destructible_v<Slab<Request, request_kind>>);

[[gnu::tls_model("initial-exec")]] constinit thread_local RequestThread* RequestThread::current = nullptr;
[[gnu::tls_model("initial-exec")]] constinit thread_local Request* RequestThread::worker_request = nullptr;
[[gnu::tls_model("initial-exec")]] constinit thread_local const bp_instance* RequestThread::worker_instance = nullptr;

namespace {

// The atfork handler. In a child of this thread, nothing belongs to a handler any more: each await, switch and reply is
// refused. Without this, they would go on in a copy of the request loop.
void forget_thread() noexcept {
  if (!RequestThread::runs_handlers()) return;
  is_forked_child.store(true);
  RequestThread::current = nullptr;
  RequestThread::worker_request = nullptr;
  RequestThread::worker_instance = nullptr;
  Runner::environment = nullptr;
}

// Registered when the library is loaded. No thread runs handlers yet, so no fork is missed.
[[maybe_unused]] const int registered = ::pthread_atfork(nullptr, nullptr, forget_thread);

}  // namespace

void set_up(Request& request, RequestThread* thread) noexcept {
  request.thread.store(thread, std::memory_order_relaxed);
  request.method = nullptr;
  request.on_reply = nullptr;
  request.user = nullptr;
  request.deadline = 0;
  request.waited = 0;
  request.wants_stale = request.shared_way = request.quick = false;
  request.credited_by_hand = request.waits_for_worker = false;
  request.source = 0;
  request.handler = nullptr;
  request.instance = nullptr;
  request.stats = nullptr;
  request.run_weight = 0;
  request.depth = 0;
  request.awaiting = nullptr;
  request.cause.store(BP_OK, std::memory_order_relaxed);
  request.environment.store(nullptr, std::memory_order_relaxed);
  request.entry_returned = false;
  request.held = request.ended = request.leaving = request.delivered = false;
  request.in_flight_as = 0;
  request.stream.store(nullptr, std::memory_order_relaxed);
  request.began = request.when = 0;
}

}  // namespace backplane::host
