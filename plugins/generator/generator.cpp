// SPDX-License-Identifier: Apache-2.0
//
// generator: fibers make values one by one, and wait until the next value is requested.
//
//   generator.primes {count} → {count, last}
//       Sends each of the first `count` primes as a partial answer {prime}. The answer has their number and the last.
//   generator.zip {left, right} → {items}
//       Alternates between the items of two lists, beginning with left. When one list ends, the rest of the other
//       follows. An item is any CBOR.
//   generator.chain {stages, values} → {values}
//       Passes each value through all stages, in order. A stage is a fiber that requests a value from the previous
//       stage, adds 1, and passes it on.
//
// All calls can be canceled at any time, and regularly let other requests run.
//
// Configuration: max_primes, max_items, max_stages, max_values; types.hpp has the defaults. A request above a limit is
// refused with invalid_argument.
#include "types.hpp"

namespace generator {
namespace {

using backplane::Call;
using backplane::Cbor;
using backplane::Fibers;
using backplane::join;
using backplane::Yield;

constexpr auto above_limit =
    backplane::fails<BP_INVALID_ARGUMENT, void, "a value is above a limit of the configuration, or makes no sense">;

/// Lets other requests run after each thousand steps, because switches between fibers do not.
class Pace {
 public:
  explicit Pace(Call& call) : call_(call) {}
  void did(std::size_t steps) {
    done_ += steps;
    if (done_ < 1'000) return;
    done_ = 0;
    call_.yield();
  }

 private:
  Call& call_;
  std::size_t done_ = 0;
};

bool has_divisor(std::uint64_t n, const std::vector<std::uint64_t>& primes) {
  for (const std::uint64_t p : primes) {
    if (p * p > n) return false;
    if (n % p == 0) return true;
  }
  return false;
}

/// All primes, without end.
void yield_primes(Yield<std::uint64_t>& yield) {
  std::vector<std::uint64_t> odd;
  yield(2);
  for (std::uint64_t n = 3;; n += 2) {
    if (has_divisor(n, odd)) continue;
    odd.push_back(n);
    yield(n);
  }
}

class Generator {
 public:
  explicit Generator(backplane::Instance& self) : config_(self.config<Config>()) {}

  Counted primes(backplane::Stream<Prime>& call, Fibers& fibers, const Primes& in) const {
    bounds("count", in.count, 1, "max_primes", config_.max_primes);
    backplane::Generator<std::uint64_t> primes(fibers, yield_primes);
    Pace pace(call);
    Counted done;
    while (done.count < in.count) {
      done.last = primes.next().value();
      ++done.count;
      call.partial({done.last});
      pace.did(1);
    }
    return done;
  }

  Items zip(Call& call, Fibers& fibers, const Lists& in) const {
    bounds("left", in.left.size(), 0, "max_items", config_.max_items);
    bounds("right", in.right.size(), 0, "max_items", config_.max_items);
    const auto each_of = [](const std::vector<Cbor>& list) {
      return [&list](Yield<Cbor>& yield) {
        for (const Cbor& item : list) yield(item);
      };
    };
    backplane::Generator<Cbor> left(fibers, each_of(in.left));
    backplane::Generator<Cbor> right(fibers, each_of(in.right));
    Pace pace(call);
    Items out;
    for (bool more = true; more; pace.did(2)) {
      more = false;
      for (auto* side : {&left, &right}) {
        std::optional<Cbor> item = side->next();
        if (!item) continue;
        out.items.push_back(std::move(*item));
        more = true;
      }
    }
    return out;
  }

  Values chain(Call& call, Fibers& fibers, const Chain& in) const {
    bounds("stages", in.stages, 1, "max_stages", config_.max_stages);
    bounds("values", in.values.size(), 0, "max_values", config_.max_values);
    check_sums(in);
    std::vector<backplane::Generator<std::int64_t>> stages;
    stages.reserve(in.stages);  // must not reallocate: each stage has the address of the previous one
    stages.emplace_back(fibers, [&in](Yield<std::int64_t>& yield) {
      for (const std::int64_t value : in.values) yield(value + 1);
    });
    while (stages.size() < in.stages) {
      stages.emplace_back(fibers, [&before = stages.back()](Yield<std::int64_t>& yield) {
        for (const std::int64_t value : before) yield(value + 1);
      });
    }
    Pace pace(call);
    Values out;
    for (const std::int64_t value : stages.back()) {
      out.values.push_back(value);
      pace.did(in.stages);
    }
    return out;
  }

 private:
  static backplane::Error invalid(std::string message) {
    return backplane::Error(BP_INVALID_ARGUMENT, std::move(message));
  }

  static void bounds(const char* field, std::uint64_t value, std::uint64_t least, const char* option,
                     std::uint64_t most) {
    if (value < least) throw invalid(join(field, ": expected ", least, " to ", most, ", got ", value));
    if (value <= most) return;
    throw invalid(join(field, ": ", value, " is above this generator's limit of ", most, "; raise ", option,
                       " in its configuration, or ask for less"));
  }

  static void check_sums(const Chain& in) {
    for (std::size_t i = 0; i < in.values.size(); ++i) {
      if (in.values[i] <= INT64_MAX - std::int64_t{in.stages}) continue;
      throw invalid(join("values[", i, "]: ", in.values[i], " with 1 added by each of ", in.stages,
                         " stages is beyond what 64 bits hold"));
    }
  }

  const Config config_;
};

}  // namespace
}  // namespace generator

BACKPLANE_MODULE(generator::Generator, "generator", "1.0.0",
                 backplane::summary<"makes values one by one, on fibers that wait until they are asked">,
                 backplane::configuration<generator::Config>,
                 backplane::handler<"generator.primes", &generator::Generator::primes,
                                    "sends each of the first primes as a partial answer", generator::above_limit>,
                 backplane::handler<"generator.zip", &generator::Generator::zip,
                                    "alternates between the items of two lists", generator::above_limit>,
                 backplane::handler<"generator.chain", &generator::Generator::chain,
                                    "adds 1 to each value in each stage", generator::above_limit>);
