// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <cstdint>
#include <string_view>

#include "ingress/task_queue.hpp"
#include "request/record.hpp"
#include "request/request_thread.hpp"
#include "request/task_inbox.hpp"
#include "slab/slab.hpp"
#include "support/running_code.hpp"
#include "support/short_text.hpp"
#include "sync/fair_queue.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

struct Stream;

/// One of several parties whose calls share a context; see bp_source_open(). The token is open until it is closed. The
/// record is freed when it is closed and has no call.
struct Source : Record {
  Source* next = nullptr;  ///< among free ones
  std::atomic<RequestThread*> thread{nullptr};
  std::atomic<std::uint32_t> coming{0};      ///< calls that other threads have accepted, until they are taken in
  std::atomic<bool> held{false};             ///< its calls get no partial replies
  std::atomic<std::uint64_t> on_the_way{0};  ///< bytes of partial replies that its receivers have not got yet

  ShortText name;  ///< see bp_source_name()

  // Owned by the request thread.
  std::uint32_t calls = 0;  ///< taken in, and not freed
  bool closed = false;
  FairQueue<Request>::Line line;  ///< its calls that wait to begin
  Stream* waiting = nullptr;      ///< of its calls: those whose handlers wait until it is released

  Source* open_next = nullptr;  ///< in Sources::open_
  Source** open_link = nullptr;

  ReusableTask release{wake_waiting, this};
  ReusableTask close{end, this};

  static Slab<Source, source_kind>& slab() noexcept;
  /// What Request::source stands for. 0: none.
  static Source* at(std::uint32_t number) noexcept {
    return number == 0 ? nullptr : slab().find(token::make(0, number - 1, source_kind));
  }
  /// Whether it has a call, or one is on its way.
  bool has_calls() const noexcept BP_REQUIRES(on_request_thread) {
    return calls != 0 || coming.load(std::memory_order_acquire) != 0;
  }
  std::uint32_t number() const noexcept { return static_cast<std::uint32_t>(token::index(token())) + 1; }

  /// Tasks: lets the handlers go on that wait for it; and ends it.
  static void wake_waiting(void* source);
  static void end(void* source);
  /// Request thread: it is closed, and has no call.
  void free() noexcept BP_REQUIRES(on_request_thread);
};

/// Whose call a request is, for people. Any thread for which the request is open; async-signal-safe.
std::string_view client_of(const Request& request, ShortText::Buffer& buffer) noexcept;
/// The same of the source with that number, which has a call.
std::string_view client_of(std::uint32_t source, ShortText::Buffer& buffer) noexcept;
/// The same of the call that the calling thread handles; empty if it handles none. Async-signal-safe.
std::string_view client_of_this_thread(ShortText::Buffer& buffer) noexcept;
/// For RunningCodeOfThread::find_state.
RunState run_state_of_this_thread() noexcept;

extern constinit Slab<Source, source_kind> source_slab;
inline Slab<Source, source_kind>& Source::slab() noexcept { return source_slab; }

/// What a request costs its line: a turn, and its payload.
inline std::uint64_t cost_in_line(const Request& request) noexcept {
  return FairQueue<Request>::turn + request.payload.size();
}

/// The sources of one context.
class Sources {
 public:
  Sources(RequestThread& thread, TaskInbox& inbox) noexcept : thread_(thread), inbox_(inbox) {}
  Sources(const Sources&) = delete;
  Sources& operator=(const Sources&) = delete;

  // ---- Any thread ----
  /// Behind bp_source_open(), bp_source_hold(), bp_source_name() and bp_source_close().
  bp_status open(bp_source& out) noexcept;
  bp_status hold(bp_source source, bool hold) noexcept;
  bp_status name(bp_source source, std::string_view name) noexcept;
  bp_status close(bp_source source) noexcept;
  /// The source of this context that the handle names, or null. It may be closed at any time. The record stays until
  /// the request thread has seen that.
  Source* find(bp_source handle) const noexcept {
    Source* const source = Source::slab().find(handle.id);
    const bool found = source != nullptr && source->open() && source->token() == handle.id &&
                       source->thread.load(std::memory_order_relaxed) == &thread_;
    return found ? source : nullptr;
  }
  struct Counts {
    std::uint64_t open = 0;
    std::uint64_t held = 0;
  };
  Counts counts() noexcept;
  /// Counts a call that nothing refuses any more, until take_in(). Returns Request::source for it; 0 if the source was
  /// closed meanwhile.
  std::uint32_t announce(bp_source source) noexcept;

  /// The owner, when the context is settled and no call is inside: closes what the application left open.
  void clear() noexcept;

  // ---- Request thread ----
  /// Counts a call until leave().
  static void enter(Source& source) noexcept BP_REQUIRES(on_request_thread) { ++source.calls; }
  /// The same for one that was announced.
  static void take_in(Source& source) noexcept BP_REQUIRES(on_request_thread) {
    ++source.calls;
    source.coming.fetch_sub(1, std::memory_order_relaxed);
  }
  /// A counted call is freed.
  static void leave(Source& source) noexcept BP_REQUIRES(on_request_thread) {
    if (--source.calls == 0 && source.closed && !source.has_calls()) source.free();
  }

 private:
  Source* lock(bp_source source) noexcept;

  RequestThread& thread_;
  TaskInbox& inbox_;
  Mutex mutex_;
  Source* open_ BP_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace backplane::host
