// SPDX-License-Identifier: Apache-2.0
//
// Interfaces from hostile sources: the comparison ends in time, says what it could not compare, and needs no deep
// stack.
#include <catch2/catch.hpp>

#include <time.h>

#include <random>

#include "interfaces.hpp"

using namespace sample;
using namespace backplane::host::cddl;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double most_seconds = 20;
#else
constexpr double most_seconds = 1;
#endif

// Of this thread, so that a busy machine does not count.
double seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Judgement verdict_of(const std::string& before, const std::string& after) {
  const Texts old(before);
  const Texts next(after);
  const double begin = seconds();
  const Comparison found = compare(old.view(), next.view());
  CHECK(seconds() - begin < most_seconds);
  CHECK(found.changes.size() <= most_changes);
  return found.verdict;
}

std::string number(int i) { return std::to_string(i); }

}  // namespace

TEST_CASE("texts as large as the parser takes are compared in time") {
  std::string array = "m.x.request = [", other = "m.x.request = [";
  for (int i = 0; i < 65'000; ++i) {
    array += "1,";
    other += "2,";
  }
  CHECK(verdict_of(array + "]", other + "]") != Judgement::compatible);
  std::string choice = "m.x.request = {a: 0", wider = "m.x.request = {a: 1";
  for (int i = 0; i < 65'000; ++i) {
    choice += " / " + number(4 * i);
    wider += " / " + number(4 * i + 2);
  }
  CHECK(verdict_of(choice + "}", wider + "}") == Judgement::breaks_callers);
  std::string members = "m.x.request = {", renamed = "m.x.request = {";
  for (int i = 0; i < 50'000; ++i) {
    members += "a" + number(i) + ": int,";
    renamed += "b" + number(i) + ": int,";
  }
  CHECK(verdict_of(members + "}", renamed + "}") == Judgement::breaks_callers);
  std::string texts = "m.x.request = {a: \"x\"", others = "m.x.request = {a: \"y\"";
  for (int i = 0; i < 60'000; ++i) {
    texts += " / \"" + number(i) + "\"";
    others += " / \"" + number(-i) + "\"";
  }
  CHECK(verdict_of(texts + "}", others + "}") == Judgement::breaks_callers);
}

TEST_CASE("many names of one large type are compared in time") {
  std::string names;
  std::string type = "Large = {";
  for (int i = 0; i < 10'000; ++i) {
    names += "m.n" + number(i) + ".request = Large\n";
    type += "a" + number(i) + ": Small,";
  }
  CHECK(verdict_of(names + type + "} Small = int", names + type + "} Small = uint") == Judgement::breaks_callers);
  CHECK(verdict_of(names + type + "} Small = {a: int}", names + type + "} Small = {a: uint}") ==
        Judgement::breaks_callers);
}

TEST_CASE("maps with very many wildcards or forms stop") {
  std::string wild = "m.x.request = {", forms = "m.x.request = 1";
  for (int i = 0; i < 20'000; ++i) {
    wild += "* " + number(i) + ".." + number(i + 1) + " => int,";
    forms += " / {a" + number(i) + ": int, b: " + number(i) + "}";
  }
  CHECK(verdict_of(wild + "a: int}", wild + "b: int}") >= Judgement::cannot_tell);
  CHECK(verdict_of(forms, forms + " / {c: int}") >= Judgement::compatible);
  std::string others = "m.x.request = 1";
  for (int i = 0; i < 20'000; ++i) others += " / {c" + number(i) + ": int, b: " + number(i) + "}";
  CHECK(verdict_of(forms, others) >= Judgement::cannot_tell);
}

TEST_CASE("long texts that stand at many places are compared in time") {
  std::string text = "m.x.request = {";
  for (int i = 0; i < 10'000; ++i) text += "a" + number(i) + ": g<" + number(i) + ">,";
  const std::string large(500'000, 'x');
  const auto with = [&](const std::string& rule, const char* last) {
    return text + "}\ng<x> = " + rule + " \"" + large + last + "\"";
  };
  for (const std::string rule : {"tstr .default", "[x, tstr] / tstr .regexp"}) {
    CHECK(verdict_of(with(rule, "a"), with(rule, "b")) >= Judgement::compatible);
  }
  const auto keys = [&](const char* last) {
    return text + "}\ng<x> = {? a: x, ? \"" + large + last + "\": int // b: x // c: x}";
  };
  CHECK(verdict_of(keys("a"), keys("b")) >= Judgement::cannot_tell);
}

TEST_CASE("combinations of groups stop") {
  std::string groups = "m.x.request = {";
  for (int i = 0; i < 60; ++i) groups += "(a" + number(i) + ": int // b" + number(i) + ": int),";
  CHECK(verdict_of(groups + "}", groups + "c: int}") == Judgement::cannot_tell);
  std::string nested = "m.x.request = {g0}\n";
  for (int i = 0; i < 200; ++i) nested += "g" + number(i) + " = (? g" + number(i + 1) + ", ? g" + number(i + 1) + ")\n";
  CHECK(verdict_of(nested + "g200 = (a: int)", nested + "g200 = (a: uint)") == Judgement::cannot_tell);
}

TEST_CASE("choices of choices, and names in rings, end") {
  std::string choices = "m.x.request = c0\n";
  for (int i = 0; i < 90; ++i) choices += "c" + number(i) + " = c" + number(i + 1) + " / c" + number(i + 1) + "\n";
  CHECK(verdict_of(choices + "c90 = int", choices + "c90 = uint") == Judgement::breaks_callers);
  for (const std::string ring :
       {"a = a", "a = b b = a", "a = a / int", "a = (a)", "a = ~a", "a = &b b = (b)", "a = [b] b = (b, int)",
        "a = {b} b = (b)", "a = 1 .eq a", "a = int .size a", "a = {* a => a}", "a = #6.1(a)", "a = [* a]",
        "a = {? x: a}", "a = a .and a", "a = bytes .cbor a"}) {
    INFO(ring);
    const std::string text = "m.x.request = {r: a, x: ";
    CHECK(verdict_of(text + "int} " + ring, text + "uint} " + ring) >= Judgement::cannot_tell);
  }
}

TEST_CASE("types in a long chain need no deep stack") {
  std::string chain = "m.x.request = a0\n";
  for (int i = 0; i < 20'000; ++i) chain += "a" + number(i) + " = [a" + number(i + 1) + "]\n";
  CHECK(verdict_of(chain + "a20000 = int", chain + "a20000 = uint") == Judgement::breaks_callers);
  std::string names = "m.x.request = a0\n";
  for (int i = 0; i < 40'000; ++i) names += "a" + number(i) + " = a" + number(i + 1) + "\n";
  CHECK(verdict_of(names + "a40000 = int", names + "a40000 = uint") == Judgement::cannot_tell);
}

TEST_CASE("generics that grow without an end stop") {
  CHECK(verdict_of("m.x.request = g<int> g<x> = {a: x, ? b: g<[x]>}",
                   "m.x.request = g<uint> g<x> = {a: x, ? b: g<[x]>}") == Judgement::breaks_callers);
  CHECK(verdict_of("m.x.request = g<int> g<x> = g<[x]> / x", "m.x.request = g<uint> g<x> = g<[x]> / x") ==
        Judgement::cannot_tell);
  CHECK(verdict_of("m.x.request = g<int, tstr> g<x, y> = {? a: x, ? b: g<[y], {z: x}>}",
                   "m.x.request = g<tstr, int> g<x, y> = {? a: x, ? b: g<[y], {z: x}>}") == Judgement::breaks_callers);
}

TEST_CASE("a small number of steps ends in a verdict, too") {
  const Texts before("m.x.request = A A = {a: int, b: [* A], ? c: \"x\" / \"y\" / A} m.y.request = A");
  const Texts after("m.x.request = A A = {a: uint, b: [* A], ? d: \"x\" / A / \"z\"} m.y.request = A");
  for (std::size_t steps = 0; steps < 300; ++steps) {
    INFO(steps);
    CHECK(compare(before.view(), after.view(), steps).verdict >= Judgement::cannot_tell);
  }
}

TEST_CASE("random changes of a text end in a verdict, and none of a text with itself") {
  const std::string good =
      "m.x.request = { ? name: tstr .size (1..9), * 1..9 => [* pair<int / null>], ? t: ~time, ? k: &kinds,\n"
      "  ? more: bytes .cbor (uint .bits (1 / 2)), $$ext } / [+ (uint, tstr // bool)]\n"
      "pair<x> = [x, ? #6.32(\"a\") / h'00ff' / -1.5e3...2.0]\nm.x.reply = Tree\nTree = {v: kinds2, ? l: Tree}\n"
      "kinds = (one: 1, two: 0x2)\nkinds2 = \"a\" / \"b\"\n$$ext //= (e: any)\n$$ext //= (\"f\" ^ => float16)\n";
  const std::string letters = "{}[]()<>=/:,.*+?^~&#$;\"'\\ \n019afxe-h";
  std::mt19937 random(16);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::size_t compared_texts = 0, with_changes = 0;
  const Texts original(good);
  for (int i = 0; i < 5'000; ++i) {
    std::string text = good;
    for (std::size_t changes = 1 + below(2); changes > 0; --changes) {
      const std::size_t at = below(text.size());
      if (below(2) == 0) {
        text[at] = letters[below(letters.size())];
      } else {
        text.insert(at, text.substr(below(text.size()), below(20)));
      }
    }
    try {
      const Texts changed(text);
      const Comparison there = compare(original.view(), changed.view(), 20'000);
      const Comparison back = compare(changed.view(), original.view(), 20'000);
      CHECK(compare(changed.view(), changed.view()).changes.empty());
      CHECK(there.changes.empty() == back.changes.empty());
      ++compared_texts;
      with_changes += there.changes.empty() ? 0 : 1;
    } catch (const ParseError&) {
    }
  }
  CHECK(compared_texts > 250);
  CHECK(with_changes > 150);
}
