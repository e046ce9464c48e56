// SPDX-License-Identifier: Apache-2.0
//
// The second example of docs/fibers.md, which has all between the namespace's braces as it is here.
#include <backplane/sdk.hpp>

#include <chrono>
#include <map>
#include <vector>

namespace {

struct Naps {
  std::vector<std::uint32_t> ms;
};
BOOST_DESCRIBE_STRUCT(Naps, (), (ms))

// Takes the naps all at once; returns them in the order in which they were over.
std::vector<std::uint32_t> take_naps(backplane::Fibers& fibers, const Naps& in) {
  using namespace std::chrono;
  std::multimap<steady_clock::time_point, std::uint64_t> due;  // when to switch to whom
  std::vector<std::uint32_t> woken;
  std::vector<backplane::Fiber> naps;
  for (const std::uint32_t ms : in.ms) {
    naps.emplace_back(fibers, [&, ms] {
      due.emplace(steady_clock::now() + milliseconds(ms), fibers.active());
      fibers.switch_to_main();
      woken.push_back(ms);
      fibers.switch_to_main();  // the end: ~Fiber unwinds it from here
    });
    naps.back().resume();
  }
  while (!due.empty()) {
    const auto [time, id] = *due.begin();
    due.erase(due.begin());
    if (const auto left = time - steady_clock::now(); left > left.zero()) {
      fibers.call().sleep(ceil<milliseconds>(left));  // other requests run
    }
    fibers.switch_to(id);
  }
  return woken;
}

}  // namespace

BACKPLANE_MODULE(backplane::Stateless, "naps", "1", backplane::handler<"naps.take", take_naps>);
