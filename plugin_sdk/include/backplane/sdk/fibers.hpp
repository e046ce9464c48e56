// SPDX-License-Identifier: Apache-2.0
//
// Fibers: threads of control inside one run of a handler, which switch to each other by hand. What a switch
// and a destroy do is told in backplane/ext/fiber.h; docs/sdk.md has examples.
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

/// Thrown in main by the switch in which it waited: a fiber has returned from its entry, which no fiber may.
class EntryReturned : public Error {
 public:
  explicit EntryReturned(std::uint64_t id)
      : Error(BP_ENTRY_RETURNED, join("fiber ", id, " returned from its entry, which it must not; let it switch to ",
                                      "somebody else at its end, who destroys it")),
        id_(id) {}
  /// Which fiber it was.
  std::uint64_t id() const noexcept { return id_; }

 private:
  std::uint64_t id_;
};

/// How much stack a fiber has, in bytes; see bp_fiber_desc. Only what it has touched costs memory.
struct StackSize {
  std::uint64_t bytes = 0;  ///< 0: 65536
};

namespace detail {

/// What the entry of a fiber gives back if it wants to end without an exception, and knows how.
struct Ended {
  bp_status status;
};

/// What a fiber runs and what that holds, in one piece of memory, which the host gives back at the end.
class FiberBody {
 public:
  explicit FiberBody(Fibers& fibers) noexcept : fibers_(fibers) {}
  FiberBody(const FiberBody&) = delete;
  FiberBody& operator=(const FiberBody&) = delete;
  virtual ~FiberBody() = default;

  static bp_status enter(void* body) noexcept;
  static void release(void* body) noexcept;

  std::uint64_t id = 0;
  FiberBody* next = nullptr;  ///< among those that Fibers has still to free

 private:
  virtual bp_status run() = 0;
  virtual void clear() noexcept = 0;  ///< destroys what it holds

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
          if constexpr (std::is_same_v<std::invoke_result_t<F, Args...>, Ended>) {
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

/// The fibers of one run of a handler. A handler that takes a `Fibers&` is given them; one that takes a `Call&`
/// can make them, once at a time: `Fibers fibers(call)`. To be used by the handler itself ("main", id 0) and by
/// the fibers, as long as the handler runs; it must outlive each Fiber made with it. So none of them can be a
/// member of the module's class, or otherwise stay for the next request: keep what has to stay as data.
///
/// **What a switch throws.** Error (BP_NOT_FOUND): there is no such fiber. Canceled: the caller is a fiber that
/// is being destroyed; clean up, and let it pass. Error (BP_OUT_OF_MEMORY): no stack can be had for a fiber that
/// is to begin; try again when others have ended. In main also how a fiber ended: what it threw, of the same
/// type; EntryReturned; Error, or Canceled, with the status that a fiber made in C gave.
///
/// While an exception unwinds the caller none of this is thrown, since a second exception would end the process:
/// the switch comes back, and what it would have thrown, if that is not Canceled, is logged.
class Fibers {
 public:
  /// Throws Error: BP_REENTRANT, there are fibers in this run already; BP_NOT_SUPPORTED, none can be had: in a
  /// blocking handler, where the application has switched them off, or on an older host.
  explicit Fibers(Call& call) : call_(call), token_(call.token()), uncaught_(std::uncaught_exceptions()) {
    if (api_ == nullptr) detail::no_extension(BP_EXT_FIBER);
    if (const bp_status status = api_->open(token_); status != BP_OK) not_opened(status);
  }
  Fibers(const Fibers&) = delete;
  Fibers& operator=(const Fibers&) = delete;
  /// Destroys the fibers that are left, the newest first, each as Fiber::destroy() does.
  ~Fibers() {
    api_->close(token_);
    free_unused();
  }

  /// Suspends the caller and runs that fiber; returns when somebody switches back. See above for what it throws.
  void switch_to(const Fiber& fiber);
  /// The same, by id; 0 is main.
  void switch_to(std::uint64_t id) {
    if (const bp_status status = api_->switch_to(token_, id); status != BP_OK) [[unlikely]]
      failed(status, id);
  }
  void switch_to_main() { switch_to(BP_FIBER_MAIN); }

  /// The same for destructors and other code that must not throw: BP_OK, or a status of bp_fiber_api.switch_to. If
  /// a fiber has ended, its status is all that is left of its error. Of BP_ENTRY_RETURNED ask ended(): otherwise
  /// the handler's answer will be that.
  [[nodiscard]] bp_status try_switch_to(std::uint64_t id) noexcept {
    const bp_status status = api_->switch_to(token_, id);
    if (status != BP_OK) [[unlikely]]
      failed_quietly(status);
    return status;
  }

  /// The id of the fiber that runs; 0 in main.
  std::uint64_t active() const noexcept {
    std::uint64_t id = BP_FIBER_MAIN;
    api_->active(token_, &id);
    return id;
  }

  /// The fiber that ended last by itself, by an error or by returning; 0 if none has.
  std::uint64_t ended() noexcept {
    std::uint64_t id = BP_FIBER_MAIN;
    api_->ended(token_, &id, nullptr);
    return id;
  }

  /// The call that the handler runs for. Fibers may wait too: then all of this run waits, and goes on there.
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
    return body.release()->id;  // whose it is, the host knows
  }

  bp_status destroy(std::uint64_t id) noexcept {
    const bp_status status = api_->destroy(token_, id);
    free_unused();
    return status;
  }

  /// The host gives a body that never ran back inside of a call of ours, where it must not call the host. What
  /// it holds may do so (it may hold another Fiber), so it is freed after that call; one after the other, as a
  /// long chain of fibers that hold each other would need too much stack otherwise.
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
  const int uncaught_;  // exceptions that were in flight in main; a fiber begins with none
  bool freeing_ = false;
  detail::FiberBody* unused_ = nullptr;
  std::uint64_t last_end_ = BP_FIBER_MAIN;  // the fiber whose end main has heard of last
  std::exception_ptr error_;                // what the fiber `thrower_` threw
  std::uint64_t thrower_ = BP_FIBER_MAIN;
};

/// One fiber, as std::thread is one thread: it owns it. Not thread-safe; for main and the fibers of its Fibers.
/// It ends with the run of the handler at the latest, and must not be kept longer.
///
///     Fiber pong(fibers, [&] { for (;;) fibers.switch_to_main(); });
///     pong.resume();
class Fiber {
 public:
  /// None.
  Fiber() noexcept = default;

  /// A fiber that runs `f(args…)`, all copied or moved as std::thread does (std::ref to refer to something);
  /// the result is ignored. It does not run before the first switch to it, and must not return: see
  /// EntryReturned. What it throws, main's switch throws. Throws what copying throws, and Error: BP_OUT_OF_MEMORY,
  /// also if the run has as many fibers as the application allows; Canceled in a fiber that is being destroyed.
  template <class F, class... Args>
  explicit Fiber(Fibers& fibers, F&& f, Args&&... args) requires(!std::is_same_v<std::remove_cvref_t<F>, StackSize>)
      : Fiber(fibers, StackSize(), std::forward<F>(f), std::forward<Args>(args)...) {}
  /// The same with a stack of that size; Error (BP_INVALID_ARGUMENT) if that is out of range.
  template <class F, class... Args>
  Fiber(Fibers& fibers, StackSize stack, F&& f, Args&&... args) : fibers_(&fibers) {
    static_assert(std::is_invocable_v<std::decay_t<F>, std::decay_t<Args>...>,
                  "a fiber runs what can be called with copies of the arguments; use std::ref to pass a reference");
    using Body = detail::FiberBodyOf<std::decay_t<F>, std::decay_t<Args>...>;
    id_ = fibers.create(std::make_unique<Body>(fibers, std::forward<F>(f), std::forward<Args>(args)...), stack);
  }

  Fiber(Fiber&& other) noexcept : fibers_(other.fibers_), id_(std::exchange(other.id_, 0)) {}
  /// Destroys what it held.
  Fiber& operator=(Fiber&& other) noexcept {
    Fiber taken(std::move(other));
    std::swap(fibers_, taken.fibers_);
    std::swap(id_, taken.id_);
    return *this;
  }
  /// Destroys the fiber. One that destroys its own handle, or that waits in a destroy, runs on.
  ~Fiber() {
    if (id_ != 0) fibers_->destroy(id_);
  }

  /// 0: none. It stays when the fiber has ended, and no other of this run ever has the same.
  std::uint64_t id() const noexcept { return id_; }
  explicit operator bool() const noexcept { return id_ != 0; }

  /// Fibers::switch_to(*this).
  void resume();

  /// Ends the fiber now. If it is suspended, its switch throws Canceled, its frames are unwound, and only then
  /// this returns; if it never ran, or has ended, nothing runs. Throws Error (BP_INVALID_ARGUMENT) if it is the
  /// caller, or waits in a destroy itself.
  void destroy() {
    if (id_ == 0 || fibers_->destroy(id_) != BP_INVALID_ARGUMENT) return;
    throw Error(BP_INVALID_ARGUMENT,
                join("fiber ", id_, " cannot be destroyed by itself, nor while it waits for the end of one that it ",
                     "destroys; let another fiber, or main, do it"));
  }

  /// Lets go of it: it is destroyed with its Fibers. Where those are the handler's argument, that is after the
  /// handler has returned and its locals are gone. So it must own what it uses (captured by value), or refer to
  /// nothing but the Call, the request if the handler takes it by reference, and the class's object.
  void detach() noexcept { id_ = 0; }

 private:
  Fibers* fibers_ = nullptr;
  std::uint64_t id_ = 0;
};

inline void Fibers::switch_to(const Fiber& fiber) {
  if (!fiber) [[unlikely]]
    failed(BP_NOT_FOUND, fiber.id());
  else
    switch_to(fiber.id());
}

inline void Fiber::resume() {
  if (fibers_ == nullptr) throw Error(BP_NOT_FOUND, "this Fiber holds no fiber; make one, or move one here");
  fibers_->switch_to(*this);
}

}  // namespace backplane

#include "fibers_inline.hpp"
