// SPDX-License-Identifier: Apache-2.0
//
// The example of docs/fibers.md, which has all between the namespace's braces as it is here.
#include <backplane/sdk.hpp>

namespace {

struct Count {
  std::uint64_t count;
};
BOOST_DESCRIBE_STRUCT(Count, (), (count))

struct Sum {
  std::uint64_t sum;
};
BOOST_DESCRIBE_STRUCT(Sum, (), (sum))

Sum sum_of_squares(backplane::Fibers& fibers, const Count& in) {
  std::uint64_t square = 0;
  backplane::Fiber squares(fibers, [&] {
    for (std::uint64_t n = 1;; ++n) {
      square = n * n;
      fibers.switch_to_main();
    }
  });
  Sum out{0};
  for (std::uint64_t i = 0; i < in.count; ++i) {
    squares.resume();
    out.sum += square;
  }
  return out;
}  // ~Fiber unwinds the endless loop: its switch throws Canceled

}  // namespace

BACKPLANE_MODULE(backplane::Stateless, "squares", "1", backplane::handler<"squares.sum", sum_of_squares>);
