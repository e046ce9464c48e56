// SPDX-License-Identifier: Apache-2.0
//
// What bench_typed.check takes and answers, for the module and for its caller.
#pragma once

#include <boost/describe.hpp>
#include <cstdint>

namespace bench {

struct TypedIn {
  std::int64_t a = 0;
  std::int64_t b = 0;
  double x = 0;
};
BOOST_DESCRIBE_STRUCT(TypedIn, (), (a, b, x))

struct TypedOut {
  bool ok = false;
};
BOOST_DESCRIBE_STRUCT(TypedOut, (), (ok))

/// Needs all that was sent: a field that got lost changes it.
inline bool typed_answer(const TypedIn& in) { return (static_cast<std::int64_t>(in.x) + in.a + in.b) % 3 == 0; }

}  // namespace bench
