// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fiber/environment.hpp"
#include "fiber/fiber.hpp"
#include "fiber/overflow.hpp"
#include "fiber/stack_pool.hpp"
#include "ingress/ingress.hpp"
#include "ingress/task_queue.hpp"
#include "ingress/waker.hpp"
#include "modules/registry.hpp"
#include "request/functions.hpp"
#include "request/loop_counts.hpp"
#include "request/poller.hpp"
#include "request/reactor.hpp"
#include "request/record.hpp"
#include "request/timers.hpp"
#include "request/workers.hpp"
#include "sync/latch.hpp"
#include "sync/mutex.hpp"
#include "watchdog/watchdog.hpp"

namespace backplane::host {

/// The request thread of one context: takes requests, runs handlers on fibers, delivers replies.
///
///   submit ─► ingress ─► run_fibers ─► deliver_replies ─► on_reply
///   reply, complete, cancel ─► task queue ─► take_tasks ─┘ (resumes fibers)
///
/// Most calls lie in the ingress as inline calls until their turn comes, and become requests then. Requests with a
/// deadline and those that came by the shared queue are taken in as soon as they are seen (take_ingress).
///
/// Rules that hold throughout:
///   1. Each request's token is claimed once; the claimer alone fills in the answer.
///   2. on_reply runs on the thread's own stack (not a fiber's): in deliver_replies, and in fire_timers
///      for stale warnings.
///   3. A record is freed when its terminal reply is delivered and its handler has ended.
class RequestLoop {
 public:
  /// Throws std::system_error or std::bad_alloc. `site` is what instances belong to.
  RequestLoop(const LoopOptions& options, const Registry& registry, Workers& workers, Watchdog& watchdog,
              InstanceHost& site);
  RequestLoop(const RequestLoop&) = delete;
  RequestLoop& operator=(const RequestLoop&) = delete;
  ~RequestLoop();

  /// The handle that host functions are told; before run().
  void set_context(bp_context context) noexcept { context_ = context; }

  /// The body of the request thread, for any number of lives of the context; returns after finish().
  void run();

  // ---- Any thread: submit.cpp ----
  bp_status submit(const bp_submission& submission, bp_request* request);
  void close() noexcept {
    ingress_.close();
    closed_.store(true, std::memory_order_release);
  }
  bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }
  /// While true, new requests get BP_EVENT_QUEUE_STUCK.
  void refuse_for_events(bool refuse) noexcept { events_stuck_.store(refuse, std::memory_order_relaxed); }

  // ---- Any thread: answering.cpp ----
  /// Behind bp_host_api.reply: both kinds of token.
  static bp_status answer(bp_token token, const bp_answer& answer);
  /// How many of those were refused as stale, in this process: whose they were is not known any more.
  static std::uint64_t stale_answers() noexcept { return stale_answers_.load(std::memory_order_relaxed); }
  bp_status complete(bp_token token, const bp_answer& answer);
  bp_status cancel(bp_request request);
  bp_status cancel_run(Request& request, bp_token token);

  // ---- Handlers: awaiting.cpp, behind bp.await/1 ----
  static bp_status await_sleep(bp_token call, std::uint64_t ms);
  static bp_status await_call(bp_token call, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms,
                              bp_result* out);
  static bp_status await_host_call(bp_token call, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms,
                                   bp_result* out);
  static bp_status await_fd(bp_token call, int fd, std::uint32_t events, std::uint64_t timeout_ms);
  static bp_status check(bp_token call, std::uint64_t* remaining_ms);
  static bp_status start_host_call(bp_token call, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms,
                                   bp_host_answer_fn on_answer, void* user);

  // ---- Handlers: fibers.cpp, behind bp.fiber/1 ----
  static bp_status fiber_open(bp_token call) noexcept;
  static bp_status fiber_close(bp_token call) noexcept;
  static bp_status fiber_create(bp_token call, const bp_fiber_desc* desc, std::uint64_t* id) noexcept;
  static bp_status fiber_switch(bp_token call, std::uint64_t id) noexcept;
  static bp_status fiber_destroy(bp_token call, std::uint64_t id) noexcept;
  static bp_status fiber_active(bp_token call, std::uint64_t* id) noexcept;
  static bp_status fiber_ended(bp_token call, std::uint64_t* id, bp_status* status) noexcept;

  // ---- Any thread ----
  bool on_thread() const noexcept { return current_loop == this; }
  /// Whether the calling thread runs a context's handlers: a request thread, or a worker in one of them.
  static bool on_any_thread() noexcept { return current_loop != nullptr || current_worker_request != nullptr; }
  Functions& functions() noexcept { return functions_; }
  /// Behind bp_poller_set(). False: there was none to take away.
  bool set_poller(const bp_poller* poller);
  /// Runs `task` on the request thread. False if memory cannot be had.
  template <class F>
  bool post(F task) {
    auto* const callable = new (std::nothrow) CallableTask<F>(std::move(task));
    if (callable == nullptr) return false;
    send(*callable);
    unsettled_.store(true, std::memory_order_release);
    return true;
  }
  const LoopCounts& counts() const noexcept { return counts_; }
  std::uint64_t waiting() const noexcept { return ingress_.waiting(); }
  Heartbeat& heartbeat() noexcept { return heartbeat_; }

  // ---- The owner's: life.cpp ----
  // One after another, but for finish() and close(); in each life of the context.
  /// After close(): as soon as nothing is open, all instances end; the two below wait for one half of it each.
  void end_when_idle() noexcept;
  /// After close(): waits until nothing is open; false at the timeout.
  bool wait_until_idle(std::chrono::milliseconds timeout);
  /// After close(): fails every token, then ends every request with BP_CANCELED.
  void cancel_all() noexcept;
  /// Ends every instance, and gives back what the next life need not find; false if that has not come to an end by
  /// then. Nothing may be open.
  bool end_instances(std::chrono::milliseconds timeout);
  /// After end_instances(), when nobody posts any more: waits until the request thread has nothing left to do; false
  /// at the timeout.
  bool settle(std::chrono::milliseconds timeout);
  /// After settle(), and with no call inside: lets go of what the application gave.
  void rest() noexcept { functions_.clear(); }
  /// After rest(): as new, for another life.
  void renew() noexcept;
  /// Lets run() return. Nothing may be open, and no instance be there.
  void finish() noexcept;

  // ---- The control thread: instances.cpp ----
  std::string start_instance(Generation& generation, std::chrono::milliseconds timeout, bool keep_failed);
  void retire_instance(Generation& generation);
  void count_work(const Generation& generation, std::uint64_t& requests, std::uint64_t& tokens);

 private:
  struct Part;

  // Where the calls of one method go, and what this thread counts them on.
  struct CachedRoute {
    const Generation* generation = nullptr;  // for which the next two hold; null: to be found
    const Handler* handler = nullptr;        // runs on this thread
    bp_instance* instance = nullptr;         // has not failed
    CallStats* stats = nullptr;              // there, if there is a generation
  };

  // What the owner has the request thread do, as often as it likes, without memory.
  struct ReusableTask : Task {
    explicit ReusableTask(void (RequestLoop::*what)()) : run(what) {}
    void (RequestLoop::*run)();
    RequestLoop* loop = nullptr;
    std::atomic<bool> on_its_way{false};
  };

  // submit.cpp
  bp_status send_inline_call(Ingress<Request, InlineCall>::Lane& lane, const Method& method,
                             const bp_submission& submission) noexcept;
  bp_status push_request(const Method* method, const bp_submission& submission, bp_request* out);
  bp_status pushed(Ingress<Request, InlineCall>::Push result) noexcept;
  Request* new_request() noexcept;
  void free_request(Request& request) noexcept;
  void free_spare_records() noexcept;
  Request* read_inline_call(const InlineCall& inline_call) noexcept;
  Request* request_from_inside(std::string_view name, bp_bytes payload, Nanos deadline, Waiter& waiter);

  // loop.cpp
  bool turn();
  bool take_tasks();
  bool take_ingress();
  bool fire_timers();
  bool run_fibers();
  bool deliver_replies();
  void wait();
  bool spin() noexcept;
  bool spin_on_poller() noexcept;
  bool nothing_waits() noexcept { return ingress_.empty() && tasks_.empty(); }
  void send(Task& task) noexcept;
  Fiber* idle_fiber();
  void resume(Fiber& fiber);
  static void fiber_body(Fiber& self, void* loop) noexcept;
  void run_next(Request& request);
  Request* next_request() noexcept;
  Request* take_next() noexcept;
  Request* take_queued() noexcept;
  Request* take_from_lane() noexcept;
  void refuse_inline_call();

  // dispatch.cpp
  void admit(Request& request);
  void link(Request& request) noexcept;
  void handle(Request& request);
  bool still_wanted(Request& request);
  void refuse(Request& request, bp_status status, std::string_view message);
  bp_instance* instance_of(const Generation& generation) const noexcept;
  void run_here(Request& request);
  void run_on_worker(Request& request);
  static bool caller_holds(const Request& request) noexcept;
  void start_worker(Request& request);
  void worker_returned(Request& request);
  void handler_ended(Request& request, bool later);
  void begin(Request& request, const CachedRoute& route);
  void find_route(Request& request, const Generation* running);
  CachedRoute* route_of(const Method& method) noexcept;
  void forget_routes() noexcept;
  void release_stats() noexcept;
  void release_if_done(Request& request);
  void watch_time(Request& request);
  bool set_timer(Request& request, Nanos stale) noexcept;
  void end(Request& request);
  static void on_request_timer(Timer& timer);

  // answering.cpp
  static bp_status answer_request(bp_token token, const bp_answer& answer);
  bp_status answer_running(Request& request, const bp_answer& answer) noexcept;
  static bp_status answer_pending(bp_token token, const bp_answer& answer, RequestLoop* only);
  static bp_status partial(Request& request, bp_token token, const bp_answer& answer);
  void answered(Request& request);
  void deliver_soon(Request& request) noexcept;
  // On the request thread, which owns what is on its quick way.
  static bool claim_here(Request& request) noexcept {
    return request.quick ? request.claim_owned(request.token()) : request.claim(request.token());
  }
  void pending_answered(Pending& pending);
  void send_pending(Pending& pending) noexcept;
  void fail_callback(Pending& pending, bp_status status, std::string_view message);
  void free_pending(Pending& pending);
  void end_unwanted(Request& request, bp_token token, bp_status cause);
  void deliver_terminal(Request& request);
  void deliver_quickly(Request& request);
  void deliver_part(Part& part);

  // awaiting.cpp
  static Request* current(bp_token call) noexcept;
  static bp_status wanted(const Request& request) noexcept;
  template <class Start>
  void await(Waiter& waiter, Start start);
  void complete_wait(Waiter& waiter);
  static void wake_worker(Waiter& waiter);
  void fail_wait(Waiter& waiter, bp_status status, std::string_view message);
  void drop_operations(Waiter& waiter);
  void start_call(Waiter& waiter, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms);
  void start_host_call(Waiter& waiter, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms);
  bool set_timer(Waiter& waiter, std::uint64_t ms, bp_status meaning);
  Pending* new_pending() noexcept;
  bp_status invoke(Pending& pending, const Method* caller, std::string_view name, bp_bytes payload, std::string& why);
  static Nanos deadline_of(const Request& request, std::uint64_t timeout_ms) noexcept;

  // fibers.cpp
  static bp_status find_environment(bp_token call, Environment*& found) noexcept;
  static bp_status no_environment(bp_token call) noexcept;
  static bp_status make_environment(bp_token call, Environment*& made) noexcept;
  void end_environment(Request& request) noexcept;
  void enter_environment(const Request& request) noexcept;
  void leave_environment() noexcept;
  static bool find_overflow(const void* address, Overflow& found) noexcept;

  // life.cpp
  void send(ReusableTask& task) noexcept;
  void want_idle() { idle_wanted_ = true; }
  void want_end() { idle_wanted_ = end_wanted_ = true; }
  void tell_if_idle();
  void note_poller() { reactor_.unwatch(); }
  void cancel_open();
  void end_all_instances();
  void give_back() noexcept;
  void tell_settled() noexcept { settled_.open(); }
  void let_return() { finished_ = true; }
  void wait_for_senders() const noexcept;

  // instances.cpp
  std::string make_instance(Generation& generation, bool keep_failed);
  void end_if_idle(bp_instance& instance) noexcept;
  bool end_idle_instances();
  void destroy_instance(bp_instance& instance);

  // Held by a thread that is neither the request thread nor kept from outliving the loop by its caller,
  // from a moment when an open request or token proves that the loop exists, until it has woken it.
  class Sender {
   public:
    explicit Sender(RequestLoop& loop) noexcept : loop_(loop) {
      loop_.senders_.fetch_add(1, std::memory_order_relaxed);
    }
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;
    ~Sender() { loop_.senders_.fetch_sub(1, std::memory_order_release); }

   private:
    RequestLoop& loop_;
  };

  // A host function runs on the stack of the handler that called it, and is not the handler: it cannot await with
  // the handler's token, nor switch its fibers.
  class InFunction {
   public:
    explicit InFunction(RequestLoop& loop) noexcept;
    InFunction(const InFunction&) = delete;
    InFunction& operator=(const InFunction&) = delete;
    ~InFunction();

   private:
    RequestLoop& loop_;
    Environment* const environment_;
  };

  // Records kept for the next requests and tokens: as many as one turn of the loop has in hand.
  static constexpr std::size_t spare_records_kept = 96;

  static inline std::atomic<std::uint64_t> stale_answers_{0};
  // Of a TLS model that a signal handler may use in any thread: with others the C library may want memory.
  [[gnu::tls_model("initial-exec")]] static constinit thread_local RequestLoop* current_loop;
  [[gnu::tls_model("initial-exec")]] static constinit thread_local Request* current_worker_request;

  // Constant.
  const LoopOptions options_;
  const Registry& registry_;
  Workers& workers_;
  Watchdog& watchdog_;
  InstanceHost& site_;
  bp_context context_{};

  // Looked at by every call, and seldom written: apart from what the request thread writes all the time.
  alignas(64) std::atomic<bool> events_stuck_{false};
  std::atomic<bool> closed_{false};
  std::atomic<bool> begin_none_{false};  // see cancel_all()

  // Synchronised by themselves.
  Ingress<Request, InlineCall> ingress_;
  TaskQueue tasks_;
  Waker waker_;
  Functions functions_;
  PollerSlot poller_;
  alignas(64) LoopCounts counts_;
  Heartbeat heartbeat_;
  std::atomic<std::uint32_t> senders_{0};  // see Sender

  // The request thread's.
  Stacks stacks_;
  std::vector<std::unique_ptr<Environment>> environments_;  // in no run
  Reactor reactor_;
  Timers timers_;
  Fifo<Request> queue_;      // admitted, to be handled, beside what waits in lanes
  Request* next_ = nullptr;  // taken from one or the other for the fiber that is resumed now
  bool from_lane_ = false;   // who had the last turn
  bool no_memory_ = false;   // for the inline call whose turn it is
  Request* spare_requests_ = nullptr;
  std::size_t spare_request_count_ = 0;
  Pending* spare_pending_ = nullptr;
  std::size_t spare_pending_count_ = 0;
  Fifo<Fiber> ready_;        // suspended, and now to go on
  Fiber* parked_ = nullptr;  // fibers with nothing to do
  std::size_t parked_count_ = 0;
  Fiber* running_fiber_ = nullptr;
  std::uint32_t in_function_ = 0;    // host functions that the running handler is in
  int budget_ = 0;                   // requests that this turn may still begin
  std::vector<CachedRoute> routes_;  // by Method::index
  Fifo<Task> deliveries_;            // Delivery
  Request* open_ = nullptr;          // every admitted request that is not freed
  Pending* open_pending_ = nullptr;
  std::vector<std::unique_ptr<bp_instance>> instances_;  // by Generation::slot
  Fifo<bp_instance> idle_instances_;                     // to be ended when nothing is in the midst of them
  Nanos spin_now_ = 0;
  Nanos no_spin_until_ = 0;
  bool woken_ = false;  // has not waited since it slept
  bool idle_wanted_ = false;
  bool end_wanted_ = false;       // of all instances, once nothing is open
  bool instances_ended_ = false;  // and none is made any more
  bool finished_ = false;

  ReusableTask idle_task_{&RequestLoop::want_idle};
  ReusableTask poller_task_{&RequestLoop::note_poller};
  ReusableTask end_task_{&RequestLoop::want_end};
  ReusableTask cancel_task_{&RequestLoop::cancel_open};
  ReusableTask settle_task_{&RequestLoop::tell_settled};
  ReusableTask finish_task_{&RequestLoop::let_return};
  Latch idle_;
  Latch instances_gone_;
  Latch settled_;
  // Something may be in the task queue, although the instances have ended. Set when it is there already.
  std::atomic<bool> unsettled_{false};
  // The owner's: what it has asked for in this life.
  bool end_asked_ = false;
  bool settle_asked_ = false;
};

/// A partial reply on its way.
struct RequestLoop::Part : Delivery {
  Part() noexcept : Delivery(true) {}
  Request* request = nullptr;
  Answer answer;
};

}  // namespace backplane::host
