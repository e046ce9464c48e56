// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "modules/generation.hpp"

namespace backplane {

/// What a watched thread tells the watchdog of itself. One writer, the thread; relaxed throughout, but
/// for `busy_`, whose order against the watchdog's falling asleep matters; see Watchdog::active().
class Heartbeat {
 public:
  // ---- The thread ----
  void beat() noexcept { beats_.store(beats_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
  void busy() noexcept { busy_.store(true, std::memory_order_seq_cst); }
  void idle() noexcept { busy_.store(false, std::memory_order_relaxed); }
  /// Module code of `method` begins to run, or (null) has returned.
  void running(const Method* method, std::uint64_t generation) noexcept {
    generation_.store(generation, std::memory_order_relaxed);
    method_.store(method, std::memory_order_relaxed);
  }

  // ---- The watchdog ----
  std::uint64_t beats() const noexcept { return beats_.load(std::memory_order_relaxed); }
  bool is_busy() const noexcept { return busy_.load(std::memory_order_seq_cst); }
  const Method* method() const noexcept { return method_.load(std::memory_order_relaxed); }
  std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> beats_{0};
  std::atomic<bool> busy_{false};
  std::atomic<const Method*> method_{nullptr};  // methods live as long as the process
  std::atomic<std::uint64_t> generation_{0};
};

}  // namespace backplane
