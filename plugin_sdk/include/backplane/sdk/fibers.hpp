// SPDX-License-Identifier: Apache-2.0
//
// Fibers: threads of control inside one run of a handler. They switch to each other by hand. backplane/ext/fiber.h says
// what a switch and a destroy do; docs/sdk.md has examples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "call.hpp"

namespace backplane {

class Fiber;
class Fibers;

/// Thrown in main by its pending switch: a fiber has returned from its entry, which is not allowed.
class EntryReturned : public Error {
 public:
  explicit EntryReturned(std::uint64_t id)
      : Error(BP_ENTRY_RETURNED, join("fiber ", id,
                                      " returned from its entry, which it must not; at its end it must "
                                      "switch to another fiber, and that fiber destroys it")),
        id_(id) {}
  /// The fiber that returned.
  std::uint64_t id() const noexcept { return id_; }

 private:
  std::uint64_t id_;
};

/// What a fiber's callable may return to end with a status and without an exception. Code that must not throw ends like
/// this after try_switch_to() has returned BP_CANCELED: a fiber that is destroyed and returns nothing counts as one
/// that swallowed its cancellation. With BP_OK the fiber has returned from its entry, which is an error.
struct FiberEnd {
  bp_status status;
};

namespace detail {

/// The callable of a fiber and its arguments, in one piece of memory. The host releases it at the end.
class FiberBody {
 public:
  explicit FiberBody(Fibers& fibers) noexcept : fibers_(fibers) {}
  FiberBody(const FiberBody&) = delete;
  FiberBody& operator=(const FiberBody&) = delete;
  virtual ~FiberBody() = default;

  static bp_status enter(void* body) noexcept;
  static void release(void* body) noexcept;

  std::uint64_t id = 0;
  FiberBody* next = nullptr;  ///< in the list of bodies that Fibers must still free

 private:
  virtual bp_status run() = 0;
  virtual void clear() noexcept = 0;  ///< destroys the callable and its arguments

  Fibers& fibers_;
  bool over_ = false;
};

template <class F, class... Args>
class FiberBodyOf final : public FiberBody {
 public:
  template <class... T>
  explicit FiberBodyOf(Fibers& fibers, T&&... parts)
      : FiberBody(fibers), parts_(std::in_place, std::forward<T>(parts)...) {}

 private:
  bp_status run() override {
    return std::apply(
        [](F& f, Args&... args) -> bp_status {
          if constexpr (std::is_same_v<std::invoke_result_t<F, Args...>, FiberEnd>) {
            return std::invoke(std::move(f), std::move(args)...).status;
          } else {
            static_cast<void>(std::invoke(std::move(f), std::move(args)...));
            return BP_OK;
          }
        },
        *parts_);
  }
  void clear() noexcept override { parts_.reset(); }

  std::optional<std::tuple<F, Args...>> parts_;
};

}  // namespace detail

/// The fibers of one run of a handler. A handler that takes a `Fibers&` gets them. A handler that takes a `Call&` can
/// make them, one Fibers at a time: `Fibers fibers(call)`. The handler itself ("main", id 0) and its fibers may use it
/// while the handler runs. It must outlive each Fiber made with it. So neither Fibers nor Fiber may be a member of the
/// module's class, or otherwise be kept for the next request. Keep data instead.
///
/// **What a switch throws:**
///   - Error (BP_NOT_FOUND): there is no such fiber.
///   - Canceled: the calling fiber is being destroyed. Clean up, and do not stop the exception.
///   - Error (BP_OUT_OF_MEMORY): there is no stack for a fiber that begins. Try again when others have ended.
///   - In main also how a fiber ended: the exception that it threw; EntryReturned; or Error or Canceled with the status
///     of a fiber made in C.
///
/// While an exception unwinds the caller, a switch throws none of these, since a second exception would end the
/// process. It returns, and logs what it would have thrown, except Canceled.
class Fibers {
 public:
  /// Throws Error (BP_REENTRANT) if this run has a Fibers already. Throws Error (BP_NOT_SUPPORTED) where there are no
  /// fibers: in a blocking handler, where the application has switched them off, or on an older host.
  explicit Fibers(Call& call) : call_(call), token_(call.token()), uncaught_(std::uncaught_exceptions()) {
    if (api_ == nullptr) detail::no_extension(BP_EXT_FIBER);
    if (const bp_status status = api_->open(token_); status != BP_OK) not_opened(status);
  }
  Fibers(const Fibers&) = delete;
  Fibers& operator=(const Fibers&) = delete;
  /// Destroys the remaining fibers as Fiber::destroy() does, the newest first. A Fiber that is kept holds none from
  /// here on.
  ~Fibers();

  /// Suspends the caller and runs `fiber`. Returns when a fiber switches back. See above for what it throws.
  void switch_to(const Fiber& fiber);
  /// The same by id. 0 is main.
  void switch_to(std::uint64_t id) {
    if (const bp_status status = detail::suspending(api_->switch_to, token_, id); status != BP_OK) [[unlikely]]
      failed(status, id);
  }
  void switch_to_main() { switch_to(BP_FIBER_MAIN); }

  /// The same for destructors and other code that must not throw. Returns the status of bp_fiber_api.switch_to. If a
  /// fiber ended by an error, only its status is left. After BP_ENTRY_RETURNED call ended(); otherwise the handler's
  /// answer becomes BP_ENTRY_RETURNED.
  [[nodiscard]] bp_status try_switch_to(std::uint64_t id) noexcept {
    const bp_status status = detail::suspending(api_->switch_to, token_, id);
    if (status != BP_OK) [[unlikely]]
      failed_quietly(status);
    return status;
  }

  /// Returns the id of the running fiber; 0 in main.
  std::uint64_t active() const noexcept {
    std::uint64_t id = BP_FIBER_MAIN;
    api_->active(token_, &id);
    return id;
  }

  /// Returns the id of the fiber that ended last by itself, by an error or by returning. 0 if none has.
  std::uint64_t ended() noexcept {
    std::uint64_t id = BP_FIBER_MAIN;
    api_->ended(token_, &id, nullptr);
    return id;
  }

  /// The call that the handler runs for. A fiber may wait too: then the whole run waits, and goes on in that fiber.
  Call& call() noexcept { return call_; }

 private:
  friend class Fiber;
  friend class detail::FiberBody;

  std::uint64_t create(std::unique_ptr<detail::FiberBody> body, StackSize stack) {
    const bp_fiber_desc desc{sizeof(bp_fiber_desc),      0,          detail::FiberBody::enter, body.get(),
                             detail::FiberBody::release, stack.bytes};
    const bp_status status = api_->create(token_, &desc, &body->id);
    if (status != BP_OK) [[unlikely]]
      not_created(status, stack);
    const std::uint64_t id = body.release()->id;  // the host owns it from here on
    if (first_ == BP_FIBER_MAIN) first_ = id;
    return id;
  }

  bp_status destroy(std::uint64_t id) noexcept {
    const bp_status status = detail::suspending(api_->destroy, token_, id);
    free_unused();
    return status;
  }

  /// Frees the bodies of fibers that never ran. The host releases such a body inside one of our calls, where it must
  /// not call the host. Its contents may do so, such as another Fiber. So they are freed after that call. They are
  /// freed one after the other, since a long chain of fibers that hold each other would otherwise need too much stack.
  void free_unused() noexcept {
    if (unused_ == nullptr || freeing_) return;
    freeing_ = true;
    while (unused_ != nullptr) delete std::exchange(unused_, unused_->next);
    freeing_ = false;
  }

  std::uint64_t take_end(bp_status status) noexcept;
  [[gnu::cold]] void failed(bp_status status, std::uint64_t target);
  [[gnu::cold]] void failed_quietly(bp_status status) noexcept;
  [[gnu::cold]] void failed_unwinding(bp_status status, std::uint64_t target) noexcept;
  [[noreturn, gnu::cold]] void fiber_ended(bp_status status, std::uint64_t id);
  [[noreturn, gnu::cold]] static void not_switched(bp_status status, std::uint64_t target);
  [[noreturn, gnu::cold]] static void not_created(bp_status status, StackSize stack);
  [[noreturn, gnu::cold]] static void not_opened(bp_status status);

  const bp_fiber_api* const api_ = detail::host.fiber;
  Call& call_;
  const bp_token token_;
  const int uncaught_;  // exceptions in flight in main; a fiber begins with none
  bool freeing_ = false;
  detail::FiberBody* unused_ = nullptr;
  Fiber* owners_ = nullptr;                 // the Fiber objects of this run
  std::uint64_t first_ = BP_FIBER_MAIN;     // the first fiber made here; those of an earlier Fibers have smaller ids
  std::uint64_t last_end_ = BP_FIBER_MAIN;  // the last fiber whose end was reported to main
  std::exception_ptr error_;                // the exception that fiber `thrower_` threw
  std::uint64_t thrower_ = BP_FIBER_MAIN;
};

/// Owns one fiber, as std::thread owns one thread. It is not thread-safe: main and the fibers of its Fibers may use it.
/// The fiber ends with its Fibers at the latest. A Fiber that is kept longer owns nothing from then on: to resume it is
/// Error (BP_NOT_FOUND), and to destroy it does nothing. It keeps its id.
///
///     Fiber pong(fibers, [&] { for (;;) fibers.switch_to_main(); });
///     pong.resume();
class Fiber {
 public:
  /// Owns no fiber.
  Fiber() noexcept = default;

  /// Makes a fiber that runs `f(args…)`. It copies or moves all of them as std::thread does; use std::ref to pass a
  /// reference. It ignores the result. The fiber does not run before the first switch to it. It must not return; see
  /// EntryReturned. An uncaught exception of the fiber is rethrown from main's pending switch.
  /// Throws what copying throws; Error (BP_OUT_OF_MEMORY), also if the run has as many fibers as the application
  /// allows; Canceled in a fiber that is being destroyed.
  template <class F, class... Args>
  explicit Fiber(Fibers& fibers, F&& f, Args&&... args) requires(!std::is_same_v<std::remove_cvref_t<F>, StackSize>)
      : Fiber(fibers, StackSize(), std::forward<F>(f), std::forward<Args>(args)...) {}
  /// The same with a stack of that size. Throws Error (BP_INVALID_ARGUMENT) if the size is out of bounds.
  template <class F, class... Args>
  Fiber(Fibers& fibers, StackSize stack, F&& f, Args&&... args) {
    static_assert(std::is_invocable_v<std::decay_t<F>, std::decay_t<Args>...>,
                  "a fiber runs what can be called with copies of the arguments; use std::ref to pass a reference");
    using Body = detail::FiberBodyOf<std::decay_t<F>, std::decay_t<Args>...>;
    id_ = fibers.create(std::make_unique<Body>(fibers, std::forward<F>(f), std::forward<Args>(args)...), stack);
    join_run(&fibers);
  }

  Fiber(Fiber&& other) noexcept { take(other); }
  /// Destroys the fiber that it owned.
  Fiber& operator=(Fiber&& other) noexcept {
    Fiber taken(std::move(other));  // it may be this one
    Fiber owned(std::move(*this));
    take(taken);
    return *this;
  }
  /// Destroys the fiber. A fiber that destroys its own Fiber, or that waits in a destroy, runs on.
  ~Fiber() {
    Fibers* const fibers = fibers_;
    leave_run();
    if (id_ != 0 && fibers != nullptr) fibers->destroy(id_);
  }

  /// The id; 0 if it owns no fiber. The id stays when the fiber has ended. No other fiber of this run gets the same id.
  std::uint64_t id() const noexcept { return id_; }
  explicit operator bool() const noexcept { return id_ != 0; }

  /// Switches to the fiber, as Fibers::switch_to(*this).
  void resume();

  /// Ends the fiber now. If it is suspended, its switch throws Canceled and its frames are unwound; then this returns.
  /// If it never ran, or has ended, nothing runs. Throws Error (BP_INVALID_ARGUMENT) if the fiber is the caller, or
  /// waits in a destroy itself.
  void destroy() {
    if (id_ == 0 || fibers_ == nullptr || fibers_->destroy(id_) != BP_INVALID_ARGUMENT) return;
    throw Error(BP_INVALID_ARGUMENT,
                join("fiber ", id_,
                     " cannot be destroyed by itself, nor while it waits for the end of a fiber that "
                     "it destroys; another fiber, or main, must destroy it"));
  }

  /// Gives up the ownership: the fiber is destroyed with its Fibers. If the Fibers is the handler's argument, the
  /// handler has returned by then and its locals are gone. So the fiber must own what it uses (captured by value). It
  /// may refer only to the Call, the object of the class, and the request if the handler takes that by reference.
  void detach() noexcept {
    leave_run();
    id_ = 0;
  }

 private:
  friend class Fibers;

  // Not inline: g++ 12 takes the address of a local Fiber in the list for one that dangles.
  [[gnu::noinline]] void join_run(Fibers* fibers) noexcept {
    fibers_ = fibers;
    if (fibers == nullptr) return;
    next_ = fibers->owners_;
    if (next_ != nullptr) next_->link_ = &next_;
    link_ = &fibers->owners_;
    fibers->owners_ = this;
  }
  void leave_run() noexcept {
    if (std::exchange(fibers_, nullptr) == nullptr) return;
    *link_ = next_;
    if (next_ != nullptr) next_->link_ = link_;
  }
  void take(Fiber& other) noexcept {
    Fibers* const fibers = other.fibers_;
    other.leave_run();
    leave_run();
    id_ = std::exchange(other.id_, 0);
    join_run(fibers);
  }

  Fibers* fibers_ = nullptr;  // null: none, or its run is over
  std::uint64_t id_ = 0;
  Fiber* next_ = nullptr;   // in Fibers::owners_
  Fiber** link_ = nullptr;  // what points to this
};

// The bodies of the fibers may own Fiber objects, which leave while they are destroyed.
inline Fibers::~Fibers() {
  detail::suspending(api_->close, token_);
  free_unused();
  while (owners_ != nullptr) owners_->leave_run();
}

inline void Fibers::switch_to(const Fiber& fiber) {
  if (fiber.fibers_ != this) [[unlikely]]
    failed(BP_NOT_FOUND, fiber.id());
  else
    switch_to(fiber.id());
}

inline void Fiber::resume() {
  if (fibers_ != nullptr) return fibers_->switch_to(*this);
  throw Error(BP_NOT_FOUND, id_ == 0 ? std::string("this Fiber object holds no fiber; create one, or move one into it")
                                     : join("fiber ", id_, " ended with its run; make one in this run"));
}

}  // namespace backplane

#include "fibers_inline.hpp"
