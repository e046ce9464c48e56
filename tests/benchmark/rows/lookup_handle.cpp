// SPDX-License-Identifier: Apache-2.0
//
// What a submit by method handle does to find the method: no function of the public interface does that alone, so this
// is measured inside, in a registry of its own.
#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "../module/orders.h"
#include "../rounds.hpp"
#include "modules/registry.hpp"

namespace bench {
namespace {

using backplane::host::Registry;

constexpr std::size_t names = 100'000;

class Handles {
 public:
  Handles() {
    generation_.module = &registry_.module("bench");
    for (std::size_t i = 0; i < names; ++i) {
      auto handler = std::make_unique<backplane::host::Handler>();
      handler->name = "bench.n" + std::to_string(i);
      handler->generation = &generation_;
      generation_.registered.push_back(std::move(handler));
    }
    registry_.bind(generation_);
    registry_.publish(*generation_.module, &generation_);
    for (const auto& handler : generation_.registered) {
      bp_method method{};
      registry_.resolve(handler->name, method);  // the first look-up makes it
      wanted_.push_back({method.id, registry_.method_at(method.id)});
    }
    std::shuffle(wanted_.begin(), wanted_.end(), std::minstd_rand(1));
  }

  /// Nanoseconds of each; every handle in a random order.
  double find(std::uint64_t count) {
    std::uint64_t right = 0;
    const std::uint64_t begin = bench_now();
    for (std::uint64_t i = 0; i < count; ++i) {
      right += registry_.method_at(wanted_[at_].id) == wanted_[at_].method;
      if (++at_ == names) at_ = 0;
    }
    const std::uint64_t took = bench_now() - begin;
    return right == count ? static_cast<double>(took) / static_cast<double>(count) : 0;
  }

 private:
  struct Wanted {
    std::uint64_t id;
    const backplane::host::Method* method;
  };
  backplane::host::Generation generation_;
  Registry registry_;
  std::vector<Wanted> wanted_;
  std::size_t at_ = 0;
};

constexpr Row rows[] = {
    {"lookup.handle",
     "ns",
     "the same by method handle, inside the host",
     "",
     {Reach::Of::value, Reach::Side::at_most, 5},
     [](Effort effort) {
       Handles all;
       return repeated(Rounds::of(effort, names), [&](std::uint64_t count) { return all.find(count); });
     }},
};

}  // namespace

std::span<const Row> lookup_handle_rows() { return rows; }

}  // namespace bench
