// SPDX-License-Identifier: Apache-2.0
//
// Finding one of 100,000 wire names, which modules have truly registered.
#include <algorithm>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
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
    constexpr std::string_view letters = "abcd";
    for (const char letter : letters.substr(1)) host_.load(path_of(letter));
    std::vector<std::size_t> order(names);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), std::minstd_rand(1));
    // In the order in which they are asked for, so that it is the host's memory alone that is jumped about in.
    text_.reserve(names * 32);
    for (const std::size_t i : order) {
      const std::size_t each = names / letters.size();
      const std::string name = std::string("bench_names_") + letters[i / each] + ".n" + std::to_string(i % each);
      wanted_.push_back({{text_.data() + text_.size(), name.size()}, host_.method(name).id});
      text_ += name;
    }
    std::vector<std::uint64_t> ids;
    for (const Wanted& each : wanted_) ids.push_back(each.id);
    std::sort(ids.begin(), ids.end());
    if (std::adjacent_find(ids.begin(), ids.end()) != ids.end()) throw std::runtime_error("two names have one method");
  }

  /// Nanoseconds of each lookup by name; every one in a random order.
  double find(std::uint64_t count) {
    std::uint64_t right = 0;
    const std::uint64_t begin = bench_now();
    for (std::uint64_t i = 0; i < count; ++i) {
      bp_method method;
      const Wanted& wanted = wanted_[at_];
      right += bp_method_find(host_.context(), wanted.name, &method) == BP_OK && method.id == wanted.id;
      if (++at_ == names) at_ = 0;
    }
    const std::uint64_t took = bench_now() - begin;
    return right == count ? static_cast<double>(took) / static_cast<double>(count) : 0;
  }

 private:
  static std::string path_of(char letter) { return std::string(BENCH_MODULE_DIR "/bench_names_") + letter + ".so"; }

  Embedded host_{path_of('a')};
  struct Wanted {
    bp_str name;
    std::uint64_t id;
  };
  std::string text_;
  std::vector<Wanted> wanted_;
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
