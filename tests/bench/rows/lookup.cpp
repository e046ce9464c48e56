// SPDX-License-Identifier: Apache-2.0
//
// Finding one of 100,000 wire names, which a module has truly registered.
#include <algorithm>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "../embedded.hpp"
#include "../module/orders.h"
#include "../rounds.hpp"

namespace bench {
namespace {

constexpr std::size_t names = 100'000;

class Names {
 public:
  Names() {
    for (std::size_t i = 0; i < names; ++i) text_.push_back("bench_names.n" + std::to_string(i));
    std::vector<std::size_t> order(names);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), std::minstd_rand(1));
    for (const std::size_t i : order) {
      wanted_.push_back(str(text_[i]));
      ids_.push_back(host_.method(text_[i]).id);
    }
    std::vector<std::uint64_t> sorted = ids_;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
      throw std::runtime_error("two names have one method");
    }
  }

  /// Nanoseconds of each lookup by name; every one in a random order.
  double find(std::uint64_t count) {
    std::uint64_t right = 0;
    const std::uint64_t begin = bench_now();
    for (std::uint64_t i = 0; i < count; ++i) {
      bp_method method;
      right += bp_method_find(host_.context(), wanted_[at_], &method) == BP_OK && method.id == ids_[at_];
      if (++at_ == names) at_ = 0;
    }
    const std::uint64_t took = bench_now() - begin;
    return right == count ? static_cast<double>(took) / static_cast<double>(count) : 0;
  }

 private:
  const Embedded host_{BENCH_MODULE_DIR "/bench_names.so"};
  std::vector<std::string> text_;
  std::vector<bp_str> wanted_;
  std::vector<std::uint64_t> ids_;
  std::size_t at_ = 0;
};

Figure by_name(Effort effort) {
  Names all;
  return repeated(Rounds::of(effort, names), [&](std::uint64_t count) { return all.find(count); });
}

constexpr Row rows[] = {
    {"lookup.name",
     "ns",
     "bp_method_find of one of 100000 wire names, in a random order",
     "",
     {Reach::Of::value, Reach::Side::at_most, 60},
     by_name},
};

}  // namespace

std::span<const Row> lookup_rows() { return rows; }

}  // namespace bench
