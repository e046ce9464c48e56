// SPDX-License-Identifier: Apache-2.0
//
// The comparison against the validator: if it calls a change compatible, the receiver takes all that the sender sends.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <random>

#include "interfaces.hpp"
#include "schema_maker.hpp"
#include "value_maker.hpp"

using namespace sample;
using namespace backplane::host::cddl;

namespace {

constexpr unsigned values_for_each = 24;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr unsigned rounds = 300;
#else
constexpr unsigned rounds = 2'000;
#endif

// More rounds, from another beginning, for a longer search by hand.
unsigned setting(const char* name, unsigned otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

bool takes(const Schema& schema, const std::string& rule, const Bytes& item) {
  const Verdict found = validate(schema, rule, item, {.lenient = true, .most_steps = 20'000});
  return found.unchecked.empty() && found.findings.empty();
}

bool refuses(const Schema& schema, const std::string& rule, const Bytes& item) {
  return !validate(schema, rule, item, {.lenient = true, .most_steps = 20'000}).findings.empty();
}

std::string digits_of(const Bytes& item) {
  std::string out;
  for (const std::uint8_t byte : item) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

bool goes_on(const Comparison& found) { return found.verdict < Judgement::cannot_tell; }

// A value of `sender` that `receiver` refuses, as hexadecimal digits; empty: none was found. `read`: how the sender's
// own type is read, if that is in another way.
std::string refused(const std::string& rule, const std::string& sender, const std::string& receiver,
                    std::mt19937& random, const std::string& read = {}) {
  const Schema before = parse(read.empty() ? sender : read);
  const Schema from = parse(sender);
  const Schema to = parse(receiver);
  for (unsigned i = 0; i < values_for_each; ++i) {
    const Bytes item = ValueMaker(from, random).of(rule);
    if (takes(from, rule, item) && takes(before, rule, item) && refuses(to, rule, item)) return digits_of(item);
  }
  return {};
}

}  // namespace

TEST_CASE("what the comparison calls compatible, the validator takes") {
  const unsigned first = setting("COMPARE_SEED", 1);
  unsigned compatible = 0, worse = 0;
  for (unsigned seed = first; seed < first + setting("COMPARE_ROUNDS", rounds); ++seed) {
    std::mt19937 random(seed);
    const Decisions old{Decisions::mix(seed), 0};
    const Decisions next{old.seed, Decisions::mix(seed + 1'000'000'000), 8U << (seed % 4)};
    for (const bool reply : {false, true}) {
      const std::string rule = reply ? "m.x.reply" : "m.x.request";
      const std::string before = SchemaMaker(old).text(rule), after = SchemaMaker(next).text(rule);
      if (before == after) continue;
      const Comparison found = compared(before, after);
      ++(goes_on(found) ? compatible : worse);
      if (!goes_on(found)) continue;
      const std::string wrong =
          reply ? refused(rule, after, SchemaMaker(old, true).text(rule), random, SchemaMaker(next, true).text(rule))
                : refused(rule, before, after, random);
      INFO("seed " << seed << "\n" << before << "->\n" << after << summary(found));
      CHECK(wrong == "");
    }
  }
  CHECK(compatible > setting("COMPARE_ROUNDS", rounds) / 10);
  CHECK(worse > setting("COMPARE_ROUNDS", rounds) / 10);
}

TEST_CASE("interfaces with one hash take the same values") {
  const unsigned first = setting("COMPARE_SEED", 1);
  unsigned same = 0;
  for (unsigned seed = first; seed < first + setting("COMPARE_ROUNDS", rounds) / 2; ++seed) {
    std::mt19937 random(seed);
    const Decisions decisions{Decisions::mix(seed), 0};
    const std::string rule = "m.x.request";
    const std::string one = SchemaMaker(decisions).text(rule);
    const std::string other = SchemaMaker(decisions, false, true).text(rule);
    const auto hash = [](const std::string& text) { return interface_hash(Texts(text).view(), parse(text)); };
    if (one == other || hash(one) != hash(other)) continue;
    ++same;
    INFO("seed " << seed << "\n" << one << "<->\n" << other);
    CHECK(refused(rule, one, other, random) == "");
    CHECK(refused(rule, other, one, random) == "");
    CHECK(compared(one, other).verdict == Judgement::compatible);
  }
  CHECK(same > setting("COMPARE_ROUNDS", rounds) / 10);
}
