// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "modules/generation.hpp"

namespace backplane::host {

/// What kind of code holds a thread.
enum class Holder : std::uintptr_t {
  none,      ///< the host's own, or it is not known
  handler,   ///< of a wire name
  function,  ///< a host function that a handler called, of the application's or a module's
  reply,     ///< the application's reply callback
  instance,  ///< instance_create or instance_destroy of a module
  listener,  ///< of an event
};

/// Who holds a thread.
struct Culprit {
  Holder in = Holder::none;
  const Module* module = nullptr;  ///< whose code it is; null: the application's, or not known
  std::uint64_t generation = 0;    ///< of that module
  std::string name;                ///< the wire name that is handled or was called, or the event; may be empty
  std::uint64_t listener = 0;      ///< whose callback it is, of a Holder::listener
};

/// What a watched thread tells the watchdog of itself. One writer, the thread; relaxed throughout, but
/// for `busy_`, whose order against the watchdog's falling asleep matters; see Watchdog::active().
class Heartbeat {
 public:
  // ---- The thread ----
  /// First thing on the thread.
  void begin_here() noexcept { tid_.store(::gettid(), std::memory_order_relaxed); }
  void beat() noexcept { beats_.store(beats_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
  void busy() noexcept { busy_.store(true, std::memory_order_seq_cst); }
  void idle() noexcept { busy_.store(false, std::memory_order_relaxed); }
  /// A handler of `method` begins to run.
  void running(const Method* method, std::uint64_t generation) noexcept {
    generation_.store(generation, std::memory_order_relaxed);
    held_.store(held(Holder::handler, method), std::memory_order_relaxed);
  }
  /// The application's callback for a call of `method` (null: of an unknown name) begins to run.
  void replying(const Method* method) noexcept { held_.store(held(Holder::reply, method), std::memory_order_relaxed); }
  /// What was said last has returned.
  void running_nothing() noexcept { held_.store(0, std::memory_order_relaxed); }

  /// While it lives, code runs that is called from elsewhere than the loop: a host function for the
  /// handler of `method`, or (no method) an instance function. `generation` null: the application's.
  class Hold {
   public:
    Hold(Heartbeat& heartbeat, Holder in, const Method* method, const Generation* generation) noexcept
        : heartbeat_(heartbeat),
          held_(heartbeat.held_.load(std::memory_order_relaxed)),
          generation_(heartbeat.generation_.load(std::memory_order_relaxed)) {
      heartbeat.provider_.store(generation == nullptr ? nullptr : generation->module, std::memory_order_relaxed);
      heartbeat.generation_.store(generation == nullptr ? 0 : generation->number, std::memory_order_relaxed);
      heartbeat.held_.store(held(in, method), std::memory_order_relaxed);
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() {
      heartbeat_.held_.store(held_, std::memory_order_relaxed);
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
  /// What the thread has said. Of use only if it has not moved since: its parts are not read at once.
  Culprit culprit() const {
    const std::uintptr_t held = held_.load(std::memory_order_relaxed);
    const auto in = static_cast<Holder>(held & holder_bits);
    const auto* const method = reinterpret_cast<const Method*>(held & ~holder_bits);
    Culprit culprit{in, nullptr, 0, method == nullptr ? std::string() : method->name, 0};
    if (in == Holder::handler && method != nullptr) culprit.module = method->module;
    if (in == Holder::function || in == Holder::instance) culprit.module = provider_.load(std::memory_order_relaxed);
    if (culprit.module != nullptr) culprit.generation = generation_.load(std::memory_order_relaxed);
    return culprit;
  }

 private:
  // Holder and method in one word: the path of a request pays one store for both.
  static constexpr std::uintptr_t holder_bits = 7;
  static_assert(alignof(Method) > holder_bits && static_cast<std::uintptr_t>(Holder::listener) <= holder_bits);
  static std::uintptr_t held(Holder in, const Method* method) noexcept {
    return reinterpret_cast<std::uintptr_t>(method) | static_cast<std::uintptr_t>(in);
  }

  std::atomic<std::uint64_t> beats_{0};
  std::atomic<bool> busy_{false};
  std::atomic<::pid_t> tid_{0};
  // Methods and modules live as long as the process, or these could not be followed.
  std::atomic<std::uintptr_t> held_{0};
  std::atomic<const Module*> provider_{nullptr};  // of meaning for a function and an instance only
  std::atomic<std::uint64_t> generation_{0};
};

}  // namespace backplane::host
