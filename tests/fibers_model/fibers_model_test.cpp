// SPDX-License-Identifier: Apache-2.0
//
// Random programs of fibers do what the model foretells. rapidcheck prints its seed first, and of a failure the
// smallest program that it finds and the string that leads to it:
//   RC_PARAMS="seed=…" or RC_PARAMS="reproduce=…" fibers_model_test
#include <rapidcheck.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <set>

#include "fiber/sanitizer.hpp"
#include "model.hpp"
#include "player.hpp"

namespace fm = fibers_model;
using fm::Do;

namespace {

rc::Gen<fm::Op> operation() {
  const auto what = rc::gen::weightedElement<Do>(
      {{10, Do::switch_to}, {6, Do::create},   {5, Do::destroy}, {2, Do::active},      {2, Do::ended}, {1, Do::open},
       {1, Do::close},      {1, Do::mistake},  {1, Do::reply},   {1, Do::check},       {1, Do::sleep}, {1, Do::call},
       {1, Do::ask},        {1, Do::ask_desk}, {1, Do::cancel},  {1, Do::cancel_desk}, {2, Do::frame}, {2, Do::handle},
       {2, Do::unwind},     {2, Do::end},      {1, Do::leave},   {1, Do::raise}});
  return rc::gen::build<fm::Op>(rc::gen::set(&fm::Op::what, what),
                                rc::gen::set(&fm::Op::at, rc::gen::inRange<std::uint8_t>(0, 9)));
}

rc::Gen<fm::Script> script() {
  using fm::OnCancel;
  return rc::gen::build<fm::Script>(
      rc::gen::set(&fm::Script::ops, rc::gen::container<std::vector<fm::Op>>(operation())),
      rc::gen::set(&fm::Script::loop, rc::gen::weightedElement<bool>({{2, false}, {1, true}})),
      rc::gen::set(&fm::Script::last, rc::gen::inRange<std::uint8_t>(0, 3)),
      rc::gen::set(&fm::Script::on_cancel,
                   rc::gen::element(OnCancel::leave, OnCancel::raise, OnCancel::swallow, OnCancel::go_on)));
}

rc::Gen<fm::Program> program() {
  return rc::gen::build<fm::Program>(
      rc::gen::set(&fm::Program::scripts, rc::gen::container<std::vector<fm::Script>>(4, script())));
}

/// Counts what the programs have come to, so that the generator cannot go blind unnoticed.
class Census {
 public:
  void add(const fm::Seen& seen) {
    for (const std::string& line : seen.trace) {
      const std::size_t begin = line.find(": ");
      const std::size_t arrow = line.find(" -> ");
      if (begin == std::string::npos || arrow == std::string::npos) continue;
      const std::string what = line.substr(begin + 2, line.find(' ', begin + 2) - begin - 2);
      const std::string status = line.substr(arrow + 4, line.find_first_of(", ", arrow + 4) - arrow - 4);
      ++counts_[what + " " + status];
    }
    ++counts_[std::string("answer ") + bp_status_name(seen.answer)];
  }
  std::map<std::string, int> counts_;
};

}  // namespace

namespace rc {
template <>
struct Arbitrary<fm::Program> {
  static Gen<fm::Program> arbitrary() { return program(); }
};
}  // namespace rc

TEST_CASE("random programs of fibers show what the model foretells, whatever runs beside them") {
  fm::Stage stage;
  Census census;
  CHECK(rc::check("programs of fibers", [&](const fm::Program& first, const fm::Program& second) {
    const std::vector<fm::Program> programs{first, second};
    const std::vector<fm::Seen> seen = stage.play(programs);
    for (std::size_t i = 0; i < programs.size(); ++i) {
      const fm::Seen foretold = fm::Model(programs[i]).foretell();
      census.add(foretold);
      RC_ASSERT(seen[i] == foretold);
    }
  }));
  for (const auto& [what, count] : census.counts_) std::cerr << count << ' ' << what << '\n';
}
