// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "modules/generation.hpp"
#include "sync/clock.hpp"

namespace backplane::host {

/// The objects that stay mapped because of a thread: one of the host that has used a thread_local of theirs, or one of
/// somebody else that has a frame of theirs. The loader tells which there are; the host ends its own threads, waits for
/// the others, and has the loader try again.
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

  /// Whether one of these reasons is a thread of somebody else.
  static bool is_below(const std::vector<PinReason>& reasons) {
    return std::any_of(reasons.begin(), reasons.end(), [](const PinReason& each) { return each.kind == "thread"; });
  }

  /// Before the first load. `on_below`: an object stays mapped because of a thread of somebody else, and did not
  /// before. `on_gone`: one that stayed mapped was tried again and is gone, and no operation tells that. Control
  /// thread.
  using OnGone = std::function<void(const std::string& module, std::uint64_t generation)>;
  void set_news(std::function<void()> on_below, OnGone on_gone) {
    on_below_ = std::move(on_below);
    on_gone_ = std::move(on_gone);
  }
  /// The reasons of this one, after it was tried. Returns whether it was one with such a thread before, too.
  bool note_below(const Generation& generation, const std::vector<PinReason>& reasons) noexcept {
    const bool was = std::erase(below_, &generation) != 0;
    if (!is_below(reasons)) return was;
    try {
      below_.push_back(&generation);
    } catch (const std::bad_alloc&) {
      return was;  // then nobody tries it again
    }
    if (!was && on_below_ != nullptr) on_below_();
    return was;
  }
  bool has_below(const Generation& generation) const noexcept {
    return std::find(below_.begin(), below_.end(), &generation) != below_.end();
  }
  bool has_any_below() const noexcept { return !below_.empty(); }
  /// It is tried again, and an operation tells how that ends, or none does.
  void note_tried(const Generation& generation, bool operation_tells) {
    std::erase(untold_, &generation);
    if (!operation_tells) untold_.push_back(&generation);
  }
  /// It is gone, or was tried in vain. Returns whether it was tried, and no operation tells it.
  bool end_tried(const Generation& generation) noexcept { return std::erase(untold_, &generation) != 0; }
  void tell_gone(const std::string& module, std::uint64_t generation) const {
    if (on_gone_ != nullptr) on_gone_(module, generation);
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
  std::vector<const Generation*> below_;
  std::vector<const Generation*> untold_;
  std::function<void()> on_below_;
  OnGone on_gone_;
  std::atomic<std::size_t> count_{0};
  std::atomic<Nanos> last_{0};
};

}  // namespace backplane::host
