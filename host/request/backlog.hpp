// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "ingress/ingress.hpp"
#include "modules/registry.hpp"
#include "request/loop_counts.hpp"
#include "request/record.hpp"
#include "request/request_thread.hpp"
#include "request/run_limits.hpp"
#include "request/source.hpp"
#include "request/submit_stamps.hpp"
#include "request/task_inbox.hpp"
#include "sync/fair_queue.hpp"
#include "sync/mpsc.hpp"
#include "sync/single_writer_count.hpp"
#include "watchdog/heartbeat.hpp"

namespace backplane::host {

/// The requests of one context: those that wait to begin, those that are open, and the records kept for the next ones.
///
/// Most calls lie in the ingress as inline calls until their turn comes, and become requests then. Requests with a
/// deadline, and those that came by the shared queue, are taken in as soon as they are seen. Those of a source wait in
/// a line of its own, which take turns.
class Backlog {
 public:
  /// `queue_depth`: how many submitted calls may wait.
  Backlog(std::uint32_t queue_depth, const Registry& registry, RequestThread& thread, TaskInbox& inbox,
          LoopCounts& counts, RunLimits& limits, const Heartbeat& heartbeat)
      : registry_(registry),
        thread_(thread),
        inbox_(inbox),
        counts_(counts),
        limits_(limits),
        ingress_(queue_depth),
        heartbeat_(heartbeat) {}
  Backlog(const Backlog&) = delete;
  Backlog& operator=(const Backlog&) = delete;
  ~Backlog() {
    on_request_thread.assume();  // it has ended
    free_spares();
  }

  // ---- Any thread ----
  /// Behind bp_submit(). `out` gets the handle of the call, unless null. Not BP_OK: the call is not in, and its buffer
  /// stays the caller's.
  bp_status submit(const bp_submission& submission, bp_request* out);
  /// While true, calls are refused with BP_EVENT_QUEUE_STUCK.
  void refuse_for_events(bool refuse) noexcept { events_stuck_.store(refuse, std::memory_order_relaxed); }
  SubmitStamps& stamps() noexcept { return stamps_; }
  void close() noexcept { ingress_.close(); }
  void open() noexcept { ingress_.open(); }
  std::uint64_t waiting() const noexcept { return ingress_.waiting() + in_lines_.load(std::memory_order_relaxed); }

  // ---- Requests that wait to begin ----
  /// False: the ingress has something.
  bool nothing_new() noexcept BP_REQUIRES(on_request_thread) { return ingress_.empty(); }
  /// A source has no call any more, and may be freed.
  void forget_empty_line() noexcept BP_REQUIRES(on_request_thread) { lines_.forget_empty(); }
  bool any_in_line() const noexcept BP_REQUIRES(on_request_thread) { return !lines_.empty(); }
  bool queue_empty() const noexcept BP_REQUIRES(on_request_thread) { return queue_.empty() && lines_.empty(); }
  /// Takes all that came by the shared queue: gives each to `see`, then to the queue. False: there was none.
  template <class F>
  bool take_shared(F see) BP_REQUIRES(on_request_thread) {
    Request* request = ingress_.take_shared();
    const bool any = request != nullptr;
    while (request != nullptr) {
      Request* const next = request->next;
      if (request->source == 0) {
        request->shared_way = true;
      } else {
        ingress_.taken_shared();  // it counts in its line
        Sources::take_in(*Source::at(request->source));
      }
      see(*request);
      push(*request);
      request = next;
    }
    return any;
  }
  /// Gives `see` what waits in lanes and must be known before its turn: calls with a deadline.
  template <class F>
  void look_for_urgent(F see) BP_REQUIRES(on_request_thread) {
    ingress_.look_for_urgent(see);
  }
  /// The next one whose turn it is, from the lines, the queue and the lanes in turns; null if there is none, or no
  /// record for it. `admit` gets one that is seen for the first time, unless it is an inline call. `time` matters only
  /// if there is any_in_line().
  template <class F>
  Request* take(F admit, Ticks time) BP_REQUIRES(on_request_thread) {
    from_line_ = !lines_.empty() && !from_line_;
    if (from_line_) [[unlikely]]
      return take_from_line(time);
    from_lane_ = queue_.empty() || !from_lane_;
    if (from_lane_) {
      if (Request* const request = take_from_lane(admit)) return request;
    }
    if (Request* const request = take_queued()) return request;
    return take_from_line(time);
  }
  template <class F>
  Request* take_from_lane(F admit) BP_REQUIRES(on_request_thread);
  void push(Request& request) noexcept BP_REQUIRES(on_request_thread);
  /// Into the line of its source. The calls that a handler makes come before those that wait to begin: it holds a
  /// stack meanwhile, and what its source has sent since may be long.
  void push(Request& request, Source& source) noexcept BP_REQUIRES(on_request_thread) {
    add_single_writer(in_lines_);
    lines_.push(source.line, request, !request.from_outside());
  }
  /// Whether take_from_lane() found no memory for the inline call whose turn it is.
  bool lacks_memory() const noexcept BP_REQUIRES(on_request_thread) { return no_memory_; }
  /// Takes that inline call out instead, to be refused. False: there is none.
  bool take_without_record(InlineCall& call) noexcept BP_REQUIRES(on_request_thread);

  // ---- Open requests ----
  /// Before this turn of the loop leaves the request open: from now on it can be found. Once its handler has begun, or
  /// waits for a worker thread, it counts in its name's calls in flight.
  void link(Request& request) noexcept BP_REQUIRES(on_request_thread) {
    request.quick = false;
    request.disown();
    if (!is_linked(request)) append(request);
    limits_.is_in_flight(request);
  }
  void unlink(Request& request) noexcept BP_REQUIRES(on_request_thread) {
    if (request.open_next == nullptr) open_end_ = request.open_link;
    unlink_open(request);
  }
  /// The first one that was linked. The others follow in that order.
  Request* first_open() const noexcept BP_REQUIRES(on_request_thread) { return open_; }

  // ---- Records ----
  /// Set up, and with a fresh token. Null if memory cannot be had.
  Request* new_request() noexcept BP_REQUIRES(on_request_thread);
  /// A request that a handler makes for `waiter`, not armed before it returns. Null if memory cannot be had.
  Request* new_inner_request(const Method* method, std::string_view name, bp_bytes payload, Nanos deadline,
                             Waiter& waiter) BP_REQUIRES(on_request_thread);
  void free_request(Request& request) noexcept BP_REQUIRES(on_request_thread);
  void free_spares() noexcept BP_REQUIRES(on_request_thread);

  /// Gives `see` the oldest calls that wait in each lane; see Ingress::look_at_oldest().
  template <class F>
  void look_at_lanes(F see, std::size_t most) BP_REQUIRES(on_request_thread) {
    ingress_.look_at_oldest(see, most);
  }

 private:
  using Calls = Ingress<Request, InlineCall>;

  void append(Request& request) noexcept BP_REQUIRES(on_request_thread) {
    if (request.began == 0) request.began = heartbeat_.noted_time();
    request.open_link = open_end_;
    *open_end_ = &request;
    open_end_ = &request.open_next;
  }
  bp_status put(const Method* method, const bp_submission& submission, bp_request* out);
  bp_status send_inline(Calls::Lane& lane, const Method& method, const bp_submission& submission) noexcept;
  bp_status push_request(const Method* method, const bp_submission& submission, bp_request* out);
  Ticks stamp_in(Calls::Lane& lane, SubmitStamps::Wish wish) noexcept;
  Ticks stamp_of(const Request& request, bool in_line) noexcept;
  Request* record_here() noexcept;
  static void arm(Request& request, bp_request* out) noexcept;
  Calls::Push push_of_source(Request& request, bp_source handle, Source& source, bp_request* out);
  void get_spares() noexcept BP_REQUIRES(on_request_thread);
  Request* take_from_line(Ticks time) noexcept BP_REQUIRES(on_request_thread);
  bp_status pushed(Calls::Push result) noexcept;
  Request* read_inline(const InlineCall& call) noexcept BP_REQUIRES(on_request_thread);
  Request* take_queued() noexcept BP_REQUIRES(on_request_thread) {
    Request* const request = queue_.pop();
    if (request != nullptr && request->shared_way) ingress_.taken_shared();
    return request;
  }

  const Registry& registry_;
  RequestThread& thread_;
  TaskInbox& inbox_;
  LoopCounts& counts_;
  RunLimits& limits_;
  // Each submit reads these two. They share a cache line that is seldom written.
  std::atomic<bool> events_stuck_{false};
  SubmitStamps stamps_;
  Calls ingress_;
  // Beside what waits in lanes.
  FairQueue<Request> lines_ BP_GUARDED_BY(on_request_thread);  // of sources
  std::atomic<std::uint64_t> in_lines_{0};                     // for other threads
  Ticks line_began_ BP_GUARDED_BY(on_request_thread) = 0;      // when the turn of the current line began
  bool from_line_ BP_GUARDED_BY(on_request_thread) = false;    // who had the last turn
  Fifo<Request> queue_ BP_GUARDED_BY(on_request_thread);
  bool from_lane_ BP_GUARDED_BY(on_request_thread) = false;  // who had the last turn
  bool no_memory_ BP_GUARDED_BY(on_request_thread) = false;  // for the inline call whose turn it is
  Request* spares_ BP_GUARDED_BY(on_request_thread) = nullptr;
  std::size_t spare_count_ BP_GUARDED_BY(on_request_thread) = 0;
  Request* open_ BP_GUARDED_BY(on_request_thread) = nullptr;  // taken in, not freed, and not quick
  Request** open_end_ BP_GUARDED_BY(on_request_thread) = &open_;
  const Heartbeat& heartbeat_;
};

/// Spare records kept by one thread: as many as one turn of the loop has in hand.
inline constexpr std::size_t spare_records_kept = 96;
/// How many it gets at once when it has none.
inline constexpr std::size_t spare_records_at_once = 16;

// What follows is on the path of every call.

inline Request* Backlog::new_request() noexcept {
  if (spares_ == nullptr) [[unlikely]]
    get_spares();
  Request* const request = spares_;
  if (request == nullptr) [[unlikely]]
    return nullptr;
  spares_ = request->next;
  --spare_count_;
  return request;
}

// The last one's memory is the next one's: it stays in this core's cache. A record that was quick all the time has
// little to be set up again.
inline void Backlog::free_request(Request& request) noexcept {
  if (spare_count_ >= spare_records_kept || !Request::slab().reuse(request)) {
    return Request::slab().free(&request);
  }
  if (request.quick) {
    request.handler = nullptr;
    request.instance = nullptr;
    request.stats = nullptr;
    request.run_weight = 0;
    request.quick = request.ended = request.leaving = request.delivered = false;
  } else {
    set_up(request, &thread_);
  }
  request.next = std::exchange(spares_, &request);
  ++spare_count_;
}

inline Request* Backlog::read_inline(const InlineCall& call) noexcept {
  Request* const request = new_request();
  if (request == nullptr) [[unlikely]]
    return nullptr;
  request->method = call.method;
  request->on_reply = call.on_reply;
  request->user = call.user;
  request->waited = call.submitted;
  request->wants_stale = call.wants_stale;
  request->quick = true;
  if (call.in_buffer) {
    request->payload.adopt(call.buffer);
  } else {
    request->payload.copy_inline(call.bytes, call.size);
  }
  request->arm_owned();
  return request;
}

template <class F>
Request* Backlog::take_from_lane(F admit) {
  auto* const entry = ingress_.front();
  if (entry == nullptr) return nullptr;
  Request* request = nullptr;
  if (entry->is_inline) [[likely]] {
    request = read_inline(entry->inline_call);
    no_memory_ = request == nullptr;
    if (no_memory_) return nullptr;
    LoopCounts::add(counts_.accepted);
    LoopCounts::add(counts_.open);
  } else {
    request = entry->made;
    if (!is_linked(*request)) admit(*request);
  }
  ingress_.pop();
  return request;
}

}  // namespace backplane::host
