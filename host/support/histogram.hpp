// SPDX-License-Identifier: Apache-2.0
//
// Histograms of durations. Quantiles are accurate to about 3 % at every scale.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "sync/single_writer_count.hpp"

namespace backplane::host {

namespace histogram {
// Each octave (a doubling) has sixteen buckets. A bucket is 1/16 of its lower bound wide, so its middle is within 1/32
// = 3.2 % of every value in it. Each value below 16 has its own bucket.
inline constexpr unsigned sub_bits = 4;
inline constexpr std::size_t per_octave = std::size_t{1} << sub_bits;
inline constexpr std::size_t octaves = 44;  // up to 2^47: hours, for a counter of a few GHz

constexpr std::size_t bucket(std::uint64_t value) noexcept {
  if (value < per_octave) return static_cast<std::size_t>(value);
  const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - sub_bits;
  const std::size_t index = (shift + 1) * per_octave + ((value >> shift) & (per_octave - 1));
  return std::min(index, octaves * per_octave - 1);
}

/// The middle of a bucket.
constexpr double middle(std::size_t index) noexcept {
  if (index < per_octave) return static_cast<double>(index);
  const std::size_t shift = index / per_octave - 1;
  const std::uint64_t low = (per_octave + index % per_octave) << shift;
  return static_cast<double>(low) + static_cast<double>((std::uint64_t{1} << shift) - 1) / 2;
}
}  // namespace histogram

/// A sum of histograms that does not change any more.
struct Distribution {
  std::vector<std::uint64_t> counts = std::vector<std::uint64_t>(histogram::octaves * histogram::per_octave);
  std::uint64_t count = 0;
  double total = 0;
  std::uint64_t max = 0;

  /// The value that a share `part` (0 to 1) of all values does not exceed; 0 without values.
  double quantile(double part) const noexcept {
    const auto rank = static_cast<std::uint64_t>(part * static_cast<double>(count));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      seen += counts[i];
      if (seen > rank) return std::min(histogram::middle(i), static_cast<double>(max));
    }
    return static_cast<double>(max);
  }
  double mean() const noexcept { return count == 0 ? 0 : total / static_cast<double>(count); }
};

/// One thread at a time writes; any thread may read. Most values fall into a few octaves, so each octave is allocated
/// on first use. A histogram takes 0.4 KiB, and 128 bytes for each octave.
class Histogram {
 public:
  Histogram() = default;
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;
  ~Histogram() {
    for (auto& octave : octaves_) delete octave.load(std::memory_order_relaxed);
  }

  /// Adds a value. It counts `weight` times.
  void record(std::uint64_t value, std::uint64_t weight = 1) noexcept {
    add(total_, value * weight);
    if (value > max_.load(std::memory_order_relaxed)) max_.store(value, std::memory_order_relaxed);
    const std::size_t index = histogram::bucket(value);
    auto& place = octaves_[index / histogram::per_octave];
    Octave* octave = place.load(std::memory_order_relaxed);
    if (octave == nullptr) {
      octave = new (std::nothrow) Octave;
      if (octave == nullptr) return;  // the value is missing from the quantiles
      place.store(octave, std::memory_order_release);
    }
    add(octave->counts[index % histogram::per_octave], weight);
  }

  void add_to(Distribution& sum) const noexcept {
    for (std::size_t i = 0; i < octaves_.size(); ++i) {
      const Octave* const octave = octaves_[i].load(std::memory_order_acquire);
      if (octave == nullptr) continue;
      for (std::size_t j = 0; j < histogram::per_octave; ++j) {
        const std::uint64_t n = octave->counts[j].load(std::memory_order_relaxed);
        sum.counts[i * histogram::per_octave + j] += n;
        sum.count += n;
      }
    }
    sum.total += static_cast<double>(total_.load(std::memory_order_relaxed));
    sum.max = std::max(sum.max, max_.load(std::memory_order_relaxed));
  }

 private:
  struct Octave {
    std::array<std::atomic<std::uint64_t>, histogram::per_octave> counts{};
  };

  static void add(std::atomic<std::uint64_t>& to, std::uint64_t n) noexcept { add_single_writer(to, n); }

  std::atomic<std::uint64_t> total_{0};
  std::atomic<std::uint64_t> max_{0};
  std::array<std::atomic<Octave*>, histogram::octaves> octaves_{};
};

}  // namespace backplane::host
