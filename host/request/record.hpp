// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>
#include <backplane/ext/await.h>

#include <atomic>
#include <cstdint>

#include "ingress/mailbox.hpp"
#include "modules/instance.hpp"
#include "reply/answer.hpp"
#include "request/timers.hpp"
#include "support/mutex.hpp"
#include "support/slab.hpp"
#include "support/ticks.hpp"

namespace backplane {

class Environment;
class Fiber;
class RequestLoop;
struct Request;
struct Waiter;

/// Kinds of tokens; see support/slab.hpp.
inline constexpr unsigned request_kind = 1;
inline constexpr unsigned pending_kind = 2;

/// One reply to hand out. Part of what it is about, so that delivering needs no memory.
struct Delivery {
  Delivery* next = nullptr;
  Request* request = nullptr;
  bool is_part = false;  ///< a partial reply; else the terminal one, which lies in the request
};

/// A call on its way to the request thread, which makes a Request of it: written and read in place, in the submitter's
/// lane. One that is to be found before it begins (to be canceled, or for its deadline) is a Request from the first.
struct Letter {
  const Method* method;
  bp_reply_fn on_reply;
  void* user;
  Ticks submitted;  ///< 0: not measured
  std::uint32_t size;
  bool wants_stale;
  bool in_buffer;
  union {
    std::uint8_t bytes[Payload::inline_capacity];
    bp_buffer* buffer;  ///< owned
  };
};

/// One accepted call, from submit until both its terminal reply is delivered and its handler has
/// ended. Its token may be claimed once, by whoever answers it first: the handler, a cancel, the
/// deadline, the host. Who has claimed it fills in `answer` and tells the loop.
struct Request : Record {
  // Set by the submitter, constant afterwards.
  std::atomic<RequestLoop*> loop{nullptr};  ///< atomic for stale lookups alone
  const Method* method = nullptr;           ///< null: `answer` says already what is wrong
  Payload payload;
  bp_reply_fn on_reply = nullptr;  ///< null: `waiter` gets the answer
  void* user = nullptr;
  Waiter* waiter = nullptr;  ///< a handler's await, cleared by the request thread when it gives up
  Nanos deadline = 0;
  Ticks submitted = 0;  ///< 0: not measured
  bool wants_stale = false;
  bool from_outside = false;

  Request* next = nullptr;  ///< in the ingress, the queue, or an instance's waiting list

  // The claimer's, then the request thread's.
  Answer answer;
  MailFrom<Request> answered;  ///< tells the request thread of an answer from elsewhere
  Delivery delivery;

  // The request thread's.
  const Handler* handler = nullptr;
  bp_instance* instance = nullptr;
  Tally* tally = nullptr;               ///< where it is counted; null if it is not
  Waiter* awaiting = nullptr;           ///< what the handler waits for
  std::atomic<bp_status> cause{BP_OK};  ///< BP_CANCELED or BP_DEADLINE once it is no longer wanted
  /// Owned, from the first fiber to end_environment(). Atomic for other threads, which may only ask whether there
  /// is one, and then have the request thread look with the token.
  std::atomic<Environment*> environment{nullptr};
  std::uint64_t returned_fiber = 0;        ///< whose entry returned, which nobody asked about: the answer says so
  bool held = false;                       ///< the terminal reply waits for the end of the environment
  bool ended = false;                      ///< no handler runs or will run
  bool leaving = false;                    ///< the terminal reply is delivered in this turn of the loop
  bool quick = false;                      ///< a letter that no turn of the loop has left open: not linked
  bool shared_way = false;                 ///< it came by the ingress's shared queue, where it still counts
  bool delivered = false;                  ///< the terminal reply has been
  std::atomic<std::uint32_t> partials{0};  ///< partial replies on their way
  MailFrom<Request> worker_done;           ///< a blocking handler has returned
  bp_handled handled = BP_DONE;            ///< what it returned

  // Of whichever thread runs the handler.
  Ticks began_to_run = 0;        ///< when it first got its thread
  Ticks slice = 0;               ///< when it last did
  Ticks ran = 0;                 ///< how long it had it before that
  std::uint32_t run_weight = 0;  ///< see Tally::weight_of_next()

  // The request thread's.
  Nanos began = 0;  ///< when it was first seen to take long
  Nanos next_stale = 0;
  Timer timer;                   ///< the deadline or the next stale warning, whichever is earlier
  Request* open_next = nullptr;  ///< the list of open requests, for those that one turn of the loop does not finish
  Request** open_link = nullptr;

  static Slab<Request, request_kind>& slab() noexcept;
};

/// There from the first, without memory that might not be had, and still there while the process exits.
extern constinit Slab<Request, request_kind> request_slab;
inline Slab<Request, request_kind>& Request::slab() noexcept { return request_slab; }

/// One call of a host function that awaits its completion: for a waiter, or for a callback.
struct Pending : Record {
  std::atomic<RequestLoop*> loop{nullptr};
  Answer answer;
  MailFrom<Pending> answered;
  Waiter* waiter = nullptr;               ///< cleared by the request thread when it gives up
  bp_host_answer_fn on_answer = nullptr;  ///< constant while the token is open
  void* user = nullptr;                   ///< for on_answer
  const Handler* caller = nullptr;        ///< whose on_answer it is
  bp_instance* calling = nullptr;         ///< of the caller
  Timer timer;                            ///< the bound of a call with a callback
  bool failed = false;                    ///< the host has answered it, for want of an answer
  bp_instance* provider = nullptr;        ///< null: the application's function
  Pending* open_next = nullptr;           ///< the list of open tokens
  Pending** open_link = nullptr;

  static Slab<Pending, pending_kind>& slab() noexcept;
};

extern constinit Slab<Pending, pending_kind> pending_slab;
inline Slab<Pending, pending_kind>& Pending::slab() noexcept { return pending_slab; }

/// What a handler waits for; lives on the stack of its fiber or worker. Completed on the request thread,
/// once.
struct Waiter {
  explicit Waiter(Request& of) : request(of) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  Request& request;
  RequestLoop* loop = nullptr;
  Fiber* fiber = nullptr;  ///< null: a worker thread waits
  bool done = false;
  Answer answer;

  Timer timer;                                ///< sleep, or the bound of an fd wait or host call
  bp_status on_timer = BP_OK;                 ///< what it means when it fires
  Request* call = nullptr;                    ///< a request made for this wait
  Pending* pending = nullptr;                 ///< a host function call made for this wait
  void (*stop_wait)(Waiter& self) = nullptr;  ///< ends anything else; called at completion
  void* wait_data = nullptr;

  // For a worker thread alone.
  bool starting = false;  ///< what it waits for is being set going; request thread
  bool over = false;      ///< the answer is in place; request thread
  Mutex mutex;
  Condition changed;
};

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

}  // namespace backplane
