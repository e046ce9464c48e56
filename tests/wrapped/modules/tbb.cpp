// SPDX-License-Identifier: Apache-2.0
//
// oneTBB: sorts bytes by parallel_sort, and sums them by parallel_reduce, on the threads of libtbb.
#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_reduce.h>
#include <oneapi/tbb/parallel_sort.h>

#include <backplane/sdk.hpp>

using backplane::Bytes;
using backplane::View;

namespace {

Bytes sorted(View in) {
  Bytes out(in.begin(), in.end());
  tbb::parallel_sort(out.begin(), out.end());
  return out;
}

std::uint64_t sum(const Bytes& in) {
  return tbb::parallel_reduce(
      tbb::blocked_range<std::size_t>(0, in.size(), 1000), std::uint64_t{0},
      [&](const tbb::blocked_range<std::size_t>& part, std::uint64_t value) {
        for (std::size_t i = part.begin(); i != part.end(); ++i) value += in[i];
        return value;
      },
      std::plus<>());
}

void endless(backplane::Call& call) {
  const Bytes bytes(100000, 3);
  for (;; call.check()) sum(bytes);
}

}  // namespace

BACKPLANE_MODULE(backplane::Stateless, "tbb", "1",
                 backplane::raw<"tbb.work", sorted, BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT>,
                 backplane::handler<"tbb.sum", sum>, backplane::concurrent<"tbb.long", endless>);
