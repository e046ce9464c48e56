// SPDX-License-Identifier: Apache-2.0
//
// The requests, answers and configuration of the generator module.
#pragma once

#include <backplane/sdk.hpp>

namespace generator {

struct Config {
  std::uint32_t max_primes = 100'000;
  std::uint32_t max_items = 100'000;
  std::uint32_t max_stages = 10'000;
  std::uint32_t max_values = 10'000;
};
BOOST_DESCRIBE_STRUCT(Config, (), (max_primes, max_items, max_stages, max_values))
BACKPLANE_DOCS(Config, "", (max_primes, "limit of primes of one generator.primes"),
               (max_items, "limit of items of each list of generator.zip"),
               (max_stages, "limit of stages of generator.chain; each is a fiber with a stack"),
               (max_values, "limit of values of generator.chain"))

struct Primes {
  std::uint32_t count = 0;
};
BOOST_DESCRIBE_STRUCT(Primes, (), (count))

struct Prime {
  std::uint64_t prime = 0;
};
BOOST_DESCRIBE_STRUCT(Prime, (), (prime))

struct Counted {
  std::uint32_t count = 0;
  std::uint64_t last = 0;
};
BOOST_DESCRIBE_STRUCT(Counted, (), (count, last))

struct Lists {
  std::vector<backplane::Cbor> left, right;
};
BOOST_DESCRIBE_STRUCT(Lists, (), (left, right))

struct Items {
  std::vector<backplane::Cbor> items;
};
BOOST_DESCRIBE_STRUCT(Items, (), (items))

struct Chain {
  std::uint32_t stages = 0;
  std::vector<std::int64_t> values;
};
BOOST_DESCRIBE_STRUCT(Chain, (), (stages, values))

struct Values {
  std::vector<std::int64_t> values;
};
BOOST_DESCRIBE_STRUCT(Values, (), (values))

}  // namespace generator
