// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>
#include <backplane/ext/await.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "ingress/task_queue.hpp"
#include "modules/instance.hpp"
#include "reply/answer.hpp"
#include "request/submit_stamps.hpp"
#include "request/timer_heap.hpp"
#include "slab/slab.hpp"
#include "support/ticks.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

class Environment;
class Fiber;
class Waits;
struct RequestThread;
struct Request;
struct Stream;
struct Waiter;

/// Kinds of tokens; see slab/token.hpp.
inline constexpr unsigned request_kind = 1;
inline constexpr unsigned pending_kind = 2;
inline constexpr unsigned source_kind = 3;

/// A reply to deliver. It is the base of the object that has the reply, so that delivering needs no memory. An answer
/// from another thread travels as the task.
struct Delivery : Task {
  explicit Delivery(bool part) noexcept : is_part(part) {}
  const bool is_part;  ///< a Part; else a Request with its terminal reply
};

/// Tells the request thread that a blocking handler has returned.
struct WorkerDone : Task {};

/// A call on its way to the request thread, which makes a Request of it. It is written and read in place, in the
/// submitter's lane. A call that must be found before it begins is a Request from the first: it has a handle by which
/// it can be canceled, or a deadline.
struct InlineCall {
  const Method* method;
  bp_reply_fn on_reply;
  void* user;
  Ticks submitted;  ///< see SubmitStamps; 0: not measured
  std::uint32_t size;
  bool wants_stale;
  bool in_buffer;
  union {
    std::uint8_t bytes[Payload::inline_capacity];
    bp_buffer* buffer;  ///< owned
  };
};

/// How many calls of handlers a call is made below; 0: it is from outside. A base, because it fits behind the Timer.
struct CallDepth {
  std::uint16_t depth = 0;
};

/// One accepted call, from submit until both its terminal reply is delivered and its handler has ended. Its token can
/// be claimed once: by the handler, a cancel, the deadline or the host. The claimer fills in `answer` and calls
/// Replies::answered().
///
/// Millions may be open at once, so the layout has no hole. Each call that is answered at once passes through the
/// request thread's cache. So the fields that it needs lie together, from the Record on; the others lie behind them.
struct Request : WorkerDone, Timer, CallDepth, Record, Delivery {
  Request() noexcept : Delivery(false) {}
  static Request& of(Task& delivery) noexcept { return static_cast<Request&>(static_cast<Delivery&>(delivery)); }

  // Owned by the request thread. Bytes, not bits, here and below: other threads write some of them.
  bool quick = false;           ///< an inline call that no turn of the loop has left open; not linked
  bool leaving = false;         ///< the terminal reply is delivered in this turn of the loop
  bool ended = false;           ///< no handler runs or will run
  bool delivered = false;       ///< the terminal reply is delivered
  bool held = false;            ///< the terminal reply waits for the end of the environment
  bool entry_returned = false;  ///< the entry of a fiber returned, and the handler did not ask: the answer says so
  std::uint8_t run_weight = 0;  ///< see CallStats::weight_of_next()
  static_assert(CallStats::sample <= UINT8_MAX);

  Request* next = nullptr;  ///< in the ingress, the queue, an instance's waiting list, or among free ones

  // Set by the submitter, constant afterwards.
  const Method* method = nullptr;  ///< null: unknown name, and `answer` says so already
  bp_reply_fn on_reply = nullptr;  ///< null: the waiter gets the answer, if there still is one
  void* user = nullptr;            ///< for on_reply; or the waiter
  /// First the stamp of the submit, then, once a handler's thread has it, how long it waited: both with their weight,
  /// see SubmitStamps. 0: not measured.
  Ticks waited = 0;

  // Owned by the request thread.
  const Handler* handler = nullptr;
  bp_instance* instance = nullptr;
  CallStats* stats = nullptr;  ///< where it is counted; null if it is not

  [[no_unique_address]] Payload payload;  ///< the submitter's; with the next three in its padding
  bool wants_stale = false;               ///< the submitter's; then the request thread's: they have not begun to count
  bool shared_way = false;                ///< it came by the ingress's shared queue, where it still counts
  bool later = false;                     ///< what a blocking handler has returned: BP_LATER
  bool waits_for_worker = false;          ///< a blocking handler that has not begun; the request thread's
  bool credited_by_hand = false;          ///< the submitter's: bp_request_credit() makes room for parts
  std::uint8_t in_flight_as = 0;          ///< what it counts as, see RunLimits; 0: nothing; the request thread's

  Answer answer;  ///< the claimer's, then the request thread's

  /// Owned, from the first fiber to Runner::end_environment(). Atomic for other threads: they may only test it for
  /// null, and then post a task that looks again on the request thread.
  std::atomic<Environment*> environment{nullptr};
  /// Owned; null until a part is sent. Set under the record's lock, or before it is armed.
  std::atomic<Stream*> stream{nullptr};
  std::atomic<bp_status> cause{BP_OK};  ///< BP_CANCELED or BP_DEADLINE, once it is no longer wanted
  std::uint32_t source = 0;             ///< the submitter's or the caller's: Source::number(), counted in it; 0: none
  Nanos deadline = 0;                   ///< the submitter's

  // Not needed by a call that is answered at once.
  std::atomic<RequestThread*> thread{nullptr};  ///< the submitter's; null: a call without a context
  union {
    Waiter* awaiting = nullptr;    ///< what the handler waits for
    std::uint64_t returned_fiber;  ///< if entry_returned: the handler has ended
  };
  Ticks ran = 0;  ///< how long the handler had its thread; see gets_thread()
  /// When stale warnings began to count; until then, about when it came into the list of open requests. 0: neither.
  Nanos began = 0;
  Request* open_next = nullptr;  ///< in the list of open requests
  Request** open_link = nullptr;

  bool from_outside() const noexcept { return on_reply != nullptr; }
  /// A handler's await, until the request thread gives it up.
  Waiter* waiter() const noexcept { return on_reply == nullptr ? static_cast<Waiter*>(user) : nullptr; }
  void forget_waiter() noexcept { user = nullptr; }
  Waiter* awaited() const noexcept { return entry_returned ? nullptr : awaiting; }

  // Called by the thread that runs the handler: when the handler begins, suspends, and goes on. While it runs, `ran`
  // counts from the start of the slice, modulo 2^64.
  void gets_thread(Ticks time) noexcept {
    if (waited != 0) waited = SubmitStamps::waited(waited, time);
    ran = 0 - time;
  }
  void leaves_thread(Ticks time) noexcept { ran += time; }
  void is_back(Ticks time) noexcept { ran -= time; }
  /// Only after leaves_thread(). 0 if the clock of a core is a little behind that of another.
  Ticks time_ran() const noexcept { return ran <= INT64_MAX ? ran : 0; }

  /// Makes a record whose bytes are all zero as new. See Slab::trim().
  void restore() noexcept { place = not_set; }

  static Slab<Request, request_kind>& slab() noexcept;
};
// A call that waits for its answer takes this and eight bytes in the timer heap.
static_assert(sizeof(Request) <= 384, "a million open calls must take less than 400 bytes each");

/// Usable from the start of the process until it has exited, without an allocation.
extern constinit Slab<Request, request_kind> request_slab;
inline Slab<Request, request_kind>& Request::slab() noexcept { return request_slab; }

/// One call of a host function that awaits its completion: for a waiter, or for a callback.
struct Pending : Record, Timer, Task {
  // The timer is the bound of a call with a callback; the task tells the request thread of the answer.
  Pending* next = nullptr;  ///< among free ones
  std::atomic<RequestThread*> thread{nullptr};
  Answer answer;
  Waiter* waiter = nullptr;               ///< cleared by the request thread when it gives up
  bp_host_answer_fn on_answer = nullptr;  ///< constant while the token is open
  void* user = nullptr;                   ///< for on_answer
  const Handler* caller = nullptr;        ///< the handler that passed on_answer
  bp_instance* calling = nullptr;         ///< of the caller
  bool failed = false;                    ///< the host has answered it, for want of an answer
  bp_instance* provider = nullptr;        ///< null: the application's function
  std::uint64_t asked = 0;                ///< the serial of that function, if it is told when nobody waits any more
  Pending* open_next = nullptr;           ///< the list of open tokens
  Pending** open_link = nullptr;

  void restore() noexcept { place = not_set; }  ///< as in Request

  static Slab<Pending, pending_kind>& slab() noexcept;
};

extern constinit Slab<Pending, pending_kind> pending_slab;
inline Slab<Pending, pending_kind>& Pending::slab() noexcept { return pending_slab; }

/// What a handler waits for; lives on the stack of its fiber or worker. Completed on the request thread,
/// once. The timer is a sleep, or the bound of an fd wait or host call.
struct Waiter : Timer {
  explicit Waiter(Request& of) : request(of) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  Request& request;
  Waits* waits = nullptr;
  Fiber* fiber = nullptr;  ///< null: a worker thread waits
  bool done = false;
  Answer answer;

  /// Request thread: the answer is in place. It may be the last use of the waiter.
  void (*complete)(Waiter& self) = nullptr;
  bp_status on_timer = BP_OK;                 ///< what it means when the timer fires
  Request* call = nullptr;                    ///< a request made for this wait
  Pending* pending = nullptr;                 ///< a host function call made for this wait
  void (*stop_wait)(Waiter& self) = nullptr;  ///< ends anything else; called at completion
  void* wait_data = nullptr;

  // For a worker thread alone.
  struct Sleep {
    Mutex mutex;
    Condition changed;
  };
  bool starting = false;   ///< what it waits for is being set going; request thread
  bool over = false;       ///< the answer is in place; request thread
  Sleep* sleep = nullptr;  ///< guards `done`

  /// Request thread.
  void fail(bp_status status, std::string_view message) {
    answer.fail(status, message);
    complete(*this);
  }
};

/// A number for SubmitStamps::wish(). Each use of a record has another, and so has each record in its first use.
constexpr std::uint64_t number_of(bp_token token) noexcept { return token::generation(token) + token::index(token); }

/// Puts a fresh record into the state that a new call needs; null for a call without a context.
void set_up(Request& request, RequestThread* thread) noexcept;

/// Intrusive lists in which an element takes itself out.
template <class T>
void link_open(T*& head, T& item) noexcept {
  item.open_next = head;
  item.open_link = &head;
  if (head != nullptr) head->open_link = &item.open_next;
  head = &item;
}
template <class T>
bool is_linked(const T& item) noexcept {
  return item.open_link != nullptr;
}
template <class T>
void unlink_open(T& item) noexcept {
  *item.open_link = item.open_next;
  if (item.open_next != nullptr) item.open_next->open_link = item.open_link;
  item.open_link = nullptr;
  item.open_next = nullptr;
}

}  // namespace backplane::host
