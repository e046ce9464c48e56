// SPDX-License-Identifier: Apache-2.0
//
// Random programs of fibers show what the model foretells. rapidcheck prints its seed first, and of a failure the
// smallest program that it finds, and what leads straight to it. To see either again:
//   RC_PARAMS="seed=…" or RC_PARAMS="reproduce=…" fibers_model_test
// max_success in it changes how many are played. With FIBERS_MODEL_SHOW set, each is printed before it is, so that
// one which ends the process is seen too.
#include <rapidcheck.h>

#include <cstdlib>
#include <iostream>
#include <map>

#include "model.hpp"
#include "player.hpp"

namespace fm = fibers_model;
using fm::Do;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int times = 5;
#else
constexpr int times = 60;
#endif

using Weights = std::vector<std::pair<std::size_t, Do>>;

const Weights all_kinds = {
    {10, Do::switch_to}, {6, Do::create},     {5, Do::destroy}, {2, Do::active},        {2, Do::ended}, {1, Do::open},
    {1, Do::close},      {1, Do::mistake},    {1, Do::reply},   {1, Do::check},         {1, Do::sleep}, {1, Do::call},
    {1, Do::ask},        {1, Do::ask_thread}, {1, Do::cancel},  {1, Do::cancel_thread}, {2, Do::frame}, {2, Do::handle},
    {2, Do::unwind},     {2, Do::end},        {1, Do::leave},   {1, Do::raise}};
const Weights with_exceptions = {{8, Do::switch_to}, {3, Do::create}, {3, Do::destroy}, {4, Do::frame}, {6, Do::handle},
                                 {6, Do::unwind},    {3, Do::end},    {3, Do::raise},   {1, Do::sleep}, {1, Do::ended}};

template <class T>
rc::Gen<T> weighted(const std::vector<std::pair<std::size_t, T>>& of) {
  std::vector<T> each;
  for (const auto& [weight, value] : of) each.insert(each.end(), weight, value);
  return rc::gen::elementOf(each);
}

// It is meant for those that there are, mostly.
rc::Gen<fm::Op> operation(const Weights& weights) {
  const auto at = weighted<std::uint8_t>({{4, 0}, {5, 1}, {5, 2}, {4, 3}, {3, 4}, {2, 5}, {1, 6}, {1, 7}, {1, 8}});
  return rc::gen::build<fm::Op>(rc::gen::set(&fm::Op::what, weighted(weights)), rc::gen::set(&fm::Op::at, at));
}

rc::Gen<fm::Script> script(const Weights& weights) {
  using fm::OnCancel;
  return rc::gen::build<fm::Script>(
      rc::gen::set(&fm::Script::ops, rc::gen::container<std::vector<fm::Op>>(operation(weights))),
      rc::gen::set(&fm::Script::loop, rc::gen::element(false, false, true)),
      rc::gen::set(&fm::Script::last, rc::gen::inRange<std::uint8_t>(0, 3)),
      rc::gen::set(&fm::Script::on_cancel,
                   rc::gen::element(OnCancel::leave, OnCancel::raise, OnCancel::swallow, OnCancel::go_on)));
}

// Main may make a few fibers first: without any there is little to see.
rc::Gen<fm::Program> program(const Weights& weights) {
  const auto create = rc::gen::construct<fm::Op>(rc::gen::just(Do::create), rc::gen::inRange<std::uint8_t>(0, 6));
  const auto first = rc::gen::resize(5, rc::gen::container<std::vector<fm::Op>>(create));
  const auto scripts = rc::gen::container<std::vector<fm::Script>>(4, script(weights));
  return rc::gen::map(rc::gen::pair(first, scripts), [](std::pair<std::vector<fm::Op>, std::vector<fm::Script>> of) {
    std::vector<fm::Op>& main = of.second[0].ops;
    main.insert(main.begin(), of.first.begin(), of.first.end());
    return fm::Program{std::move(of.second)};
  });
}

// What programs have come to: "switch_to not_found", "answer canceled".
class Census {
 public:
  void add(const fm::Seen& seen) {
    for (const std::string& line : seen.trace) {
      const std::size_t what = line.find(": ") + 2;
      const std::size_t status = line.find("-> ");
      if (status == std::string::npos) continue;
      ++counts_[word(line, what) + " " + word(line, status + 3)];
    }
    ++counts_[std::string("answer ") + bp_status_name(seen.answer)];
  }
  int of(const std::string& what) { return counts_[what]; }

 private:
  static std::string word(const std::string& line, std::size_t at) {
    return line.substr(at, line.find_first_of(" ,", at) - at);
  }
  std::map<std::string, int> counts_;
};

// Plays so many programs at once and compares; counts what was seen.
void compare(fm::ModelFixture& fixture, const std::vector<fm::Program>& programs, Census& census) {
  if (std::getenv("FIBERS_MODEL_SHOW") != nullptr) {
    for (const fm::Program& each : programs) std::cerr << each << std::flush;
  }
  const std::vector<fm::Seen> seen = fixture.play(programs);
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const fm::Seen foretold = fm::Model(programs[i]).foretell();
    census.add(foretold);
    RC_ASSERT(seen[i] == foretold);
  }
}

// rc::check() with as many cases as there is time for. Whether all have passed; if it has played the usual number,
// they must have come to all of `must_see`, or the generator has gone blind.
template <class Property>
void check(const char* name, Property property, Census& census, const std::vector<const char*>& must_see) {
  const rc::detail::Configuration& configuration = rc::detail::configuration();  // says which seed it is
  rc::detail::TestParams params = configuration.testParams;
  params.maxSuccess *= times;
  const auto result = rc::detail::checkTestable(property, rc::detail::TestMetadata{name, name}, params);
  rc::detail::printResultMessage(result, std::cerr);
  std::cerr << std::endl;
  REQUIRE(result.template is<rc::detail::SuccessResult>());
  if (!configuration.reproduce.empty() || configuration.testParams.maxSuccess < 100) return;
  for (const char* what : must_see) {
    INFO(what);
    CHECK(census.of(what) > 0);
  }
}

}  // namespace

TEST_CASE("random programs of fibers show what the model foretells, whatever runs beside them") {
  fm::ModelFixture fixture;
  Census census;
  const auto property = [&] { compare(fixture, {*program(all_kinds), *program(all_kinds)}, census); };
  check("programs of fibers", property, census,
        {"create ok",
         "create canceled",
         "switch_to ok",
         "switch_to canceled",
         "switch_to not_found",
         "switch_to entry_returned",
         "switch_to module",
         "destroy ok",
         "destroy invalid_argument",
         "ended ok",
         "ended not_found",
         "open ok",
         "open reentrant",
         "close ok",
         "close invalid_argument",
         "mistake canceled",
         "mistake invalid_argument",
         "reply ok",
         "reply stale_token",
         "check ok",
         "check canceled",
         "sleep ok",
         "sleep canceled",
         "call ok",
         "call canceled",
         "ask ok",
         "ask canceled",
         "ask_thread ok",
         "ask_thread canceled",
         "cancel canceled",

         "cancel_thread canceled",
         "answer ok",
         "answer module",
         "answer canceled",
         "answer entry_returned"});
}

TEST_CASE("fibers keep their exceptions apart, whatever they handle or unwind when they switch") {
  fm::ModelFixture fixture;
  Census census;
  const auto property = [&] { compare(fixture, {*program(with_exceptions)}, census); };
  check("programs of fibers that throw", property, census,
        {"left ok", "left error", "switch_to ok", "switch_to canceled", "switch_to module", "ends module"});
}
