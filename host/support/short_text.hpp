// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace backplane::host {

/// A short text of fixed capacity. One thread sets it once; any thread may read it, a signal handler too. Who reads it
/// while it is cleared and set again may get a mixture, but nothing outside of it.
class ShortText {
 public:
  static constexpr std::size_t capacity = 64;
  using Buffer = std::array<char, capacity>;

  /// False, and changes nothing: it is set already. Text beyond the capacity is cut off.
  bool set(std::string_view text) noexcept {
    if (size_.load(std::memory_order_relaxed) != 0) return false;
    const std::size_t size = std::min(text.size(), capacity);
    Buffer bytes{};
    std::copy_n(text.data(), size, bytes.data());
    for (std::size_t i = 0; i < words_.size(); ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + i * sizeof word, sizeof word);
      words_[i].store(word, std::memory_order_relaxed);
    }
    size_.store(static_cast<std::uint32_t>(size), std::memory_order_release);
    return true;
  }
  void clear() noexcept { size_.store(0, std::memory_order_relaxed); }

  /// Copies the text, because it may change. Async-signal-safe.
  std::string_view read(Buffer& into) const noexcept {
    const std::size_t size = size_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const std::uint64_t word = words_[i].load(std::memory_order_relaxed);
      std::memcpy(into.data() + i * sizeof word, &word, sizeof word);
    }
    return {into.data(), size};
  }

 private:
  std::atomic<std::uint32_t> size_{0};
  std::array<std::atomic<std::uint64_t>, capacity / sizeof(std::uint64_t)> words_{};
};

}  // namespace backplane::host
