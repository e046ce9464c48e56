// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "modules/generation.hpp"
#include "sync/clock.hpp"

namespace backplane::host {

/// The objects that stay mapped because a thread of the host has used a thread_local of theirs. The loader tells how
/// many there are; the host ends the threads, and has the loader try again.
class KeptByThreads {
 public:
  KeptByThreads() = default;
  KeptByThreads(const KeptByThreads&) = delete;
  KeptByThreads& operator=(const KeptByThreads&) = delete;

  /// Whether these reasons may be a thread.
  static bool may_be(const std::vector<PinReason>& reasons) {
    return std::any_of(reasons.begin(), reasons.end(),
                       [](const PinReason& each) { return each.kind == "tls_destructors" || each.kind == "object"; });
  }

  /// Before the first load. `end`: ends idle threads of the host, and returns whether there were any. `again`: not for
  /// the first time for this object, so threads that have begun since then need not end. Control thread.
  void set_end(std::function<bool(bool again)> end) { end_ = std::move(end); }
  bool end_threads(bool again) const { return end_ != nullptr && end_(again); }

  /// There are so many now; `fresh`: one more. Control thread.
  void note(std::size_t count, bool fresh) noexcept {
    if (fresh) last_.store(now(), std::memory_order_relaxed);
    count_.store(count, std::memory_order_relaxed);
  }
  /// Whether a thread that runs since then may keep one of them. Any thread.
  bool may_keep(Nanos since) const noexcept {
    return count_.load(std::memory_order_relaxed) != 0 && since <= last_.load(std::memory_order_relaxed);
  }

 private:
  std::function<bool(bool again)> end_;
  std::atomic<std::size_t> count_{0};
  std::atomic<Nanos> last_{0};
};

}  // namespace backplane::host
