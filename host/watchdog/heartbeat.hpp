// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "modules/generation.hpp"
#include "support/forked_child.hpp"
#include "support/running_code.hpp"
#include "sync/clock.hpp"

namespace backplane::host {

/// The kind of code that occupies a thread.
enum class Holder : std::uintptr_t {
  none,      ///< the host's own code, or unknown
  handler,   ///< the handler of a wire name
  function,  ///< a host function of the application or a module, called by a handler
  reply,     ///< the application's reply callback
  instance,  ///< instance_create or instance_destroy of a module
  listener,  ///< the listener of an event
};

constexpr const char* text_of(Holder holder) noexcept {
  switch (holder) {
    case Holder::handler:
      return "handler";
    case Holder::function:
      return "function";
    case Holder::reply:
      return "reply";
    case Holder::instance:
      return "instance";
    case Holder::listener:
      return "listener";
    case Holder::none:
      break;
  }
  return "";
}

/// The code that occupies a thread.
struct Culprit {
  Holder in = Holder::none;
  const Module* module = nullptr;  ///< the module of the code; null: the application, or unknown
  std::uint64_t generation = 0;    ///< the generation of that module
  std::string name;                ///< the wire name that is handled or was called, or the event; may be empty
  std::uint64_t listener = 0;      ///< id of the listener, for Holder::listener
};

/// The state of a watched thread, for the watchdog. Only the thread writes, except times. The accesses are relaxed,
/// with two exceptions. The order of `busy_` relative to the watchdog's sleep matters; see Watchdog::active(). And
/// `held_` is released and acquired, because the watchdog reads the method, which another thread may have made a moment
/// ago.
class Heartbeat {
 public:
  // ---- The thread ----
  /// Must be the first call on the thread.
  void begin_here() noexcept {
    tid_.store(::gettid(), std::memory_order_relaxed);
    running_code_of_thread.find = find_code;
    running_code_of_thread.record = this;
  }
  /// For what is no thread: its time counts as that of this one.
  void follow(::pid_t tid) noexcept { tid_.store(tid, std::memory_order_relaxed); }
  void beat() noexcept { beats_.store(beats_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
  void busy() noexcept { busy_.store(true, std::memory_order_seq_cst); }
  void idle() noexcept { busy_.store(false, std::memory_order_relaxed); }
  /// A handler of `method` begins to run. `source`: a number for whose call it is, see Request::source.
  void running(const Method* method, std::uint64_t generation, std::uint32_t source = 0) noexcept {
    generation_.store(generation, std::memory_order_relaxed);
    source_.store(source, std::memory_order_relaxed);
    held_.store(held(Holder::handler, method), std::memory_order_release);
  }
  /// The application's reply callback for a call of `method` begins to run. Null: an unknown name.
  void replying(const Method* method) noexcept { held_.store(held(Holder::reply, method), std::memory_order_release); }
  /// The thread has read the steady clock, for whatever reason.
  void note_time(Nanos time) noexcept { time_.store(time, std::memory_order_relaxed); }
  /// The time as it was last noted: while the thread works, at most about a period of the watchdog ago.
  Nanos noted_time() const noexcept { return time_.load(std::memory_order_relaxed); }
  /// The code of the last running() or replying() has returned.
  void running_nothing() noexcept { held_.store(0, std::memory_order_relaxed); }

  /// Marks code that is not called from the loop: a host function for the handler of `method`, or, without a method, an
  /// instance function. `generation` null: code of the application.
  class Hold {
   public:
    Hold(Heartbeat& heartbeat, Holder in, const Method* method, const Generation* generation) noexcept
        : heartbeat_(heartbeat),
          held_(heartbeat.held_.load(std::memory_order_relaxed)),
          generation_(heartbeat.generation_.load(std::memory_order_relaxed)) {
      heartbeat.provider_.store(generation == nullptr ? nullptr : generation->module, std::memory_order_relaxed);
      heartbeat.generation_.store(generation == nullptr ? 0 : generation->number, std::memory_order_relaxed);
      heartbeat.held_.store(held(in, method), std::memory_order_release);
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() {
      leave_to_parent();
      heartbeat_.held_.store(held_, std::memory_order_release);
      heartbeat_.generation_.store(generation_, std::memory_order_relaxed);
    }

   private:
    Heartbeat& heartbeat_;
    const std::uintptr_t held_;
    const std::uint64_t generation_;
  };

  // ---- The watchdog ----
  ::pid_t tid() const noexcept { return tid_.load(std::memory_order_relaxed); }
  std::uint64_t beats() const noexcept { return beats_.load(std::memory_order_relaxed); }
  bool is_busy() const noexcept { return busy_.load(std::memory_order_seq_cst); }
  /// Since when the thread has certainly stood still; 0: it has moved since the last look. Only the watchdog sets it.
  Nanos still_since() const noexcept { return still_since_.load(std::memory_order_relaxed); }
  void set_still_since(Nanos time) noexcept { still_since_.store(time, std::memory_order_relaxed); }
  /// Of the handler that runs. Valid as culprit() is.
  std::uint32_t source() const noexcept { return source_.load(std::memory_order_relaxed); }
  /// The code that occupies the thread. Valid only if the thread has not moved meanwhile, because the parts are read
  /// one by one.
  Culprit culprit() const {
    const std::uintptr_t held = held_.load(std::memory_order_acquire);
    const auto in = static_cast<Holder>(held & holder_bits);
    const auto* const method = reinterpret_cast<const Method*>(held & ~holder_bits);
    Culprit culprit{in, nullptr, 0, method == nullptr ? std::string() : method->name, 0};
    if (in == Holder::handler && method != nullptr) culprit.module = method->module;
    if (in == Holder::function || in == Holder::instance) culprit.module = provider_.load(std::memory_order_relaxed);
    if (culprit.module != nullptr) culprit.generation = generation_.load(std::memory_order_relaxed);
    return culprit;
  }

 private:
  // For a signal handler on the thread itself. What the application runs has no module.
  static bool find_code(const void* heartbeat, RunningCode& found) noexcept {
    const Heartbeat& self = *static_cast<const Heartbeat*>(heartbeat);
    const std::uintptr_t held = self.held_.load(std::memory_order_relaxed);
    const auto in = static_cast<Holder>(held & holder_bits);
    if (in == Holder::none) return false;
    const auto* const method = reinterpret_cast<const Method*>(held & ~holder_bits);
    const Module* module = method == nullptr ? nullptr : method->module;
    if (in == Holder::function || in == Holder::instance) module = self.provider_.load(std::memory_order_relaxed);
    if (in == Holder::reply) module = nullptr;
    found.in = text_of(in);
    if (method != nullptr) found.name = method->name;
    if (module == nullptr) return true;
    found.module = module->name;
    found.generation = self.generation_.load(std::memory_order_relaxed);
    return true;
  }

  // Holder and method share one word, so that a request needs one store for both.
  static constexpr std::uintptr_t holder_bits = 7;
  static_assert(alignof(Method) > holder_bits && static_cast<std::uintptr_t>(Holder::listener) <= holder_bits);
  static std::uintptr_t held(Holder in, const Method* method) noexcept {
    return reinterpret_cast<std::uintptr_t>(method) | static_cast<std::uintptr_t>(in);
  }

  std::atomic<std::uint64_t> beats_{0};
  std::atomic<bool> busy_{false};
  std::atomic<::pid_t> tid_{0};
  // These pointers stay valid, because methods and modules exist until the process ends.
  std::atomic<std::uintptr_t> held_{0};
  std::atomic<const Module*> provider_{nullptr};  // only for Holder::function and Holder::instance
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<std::uint32_t> source_{0};
  std::atomic<Nanos> time_{0};  // the watchdog writes it too, at each look
  std::atomic<Nanos> still_since_{0};
};

}  // namespace backplane::host
