// SPDX-License-Identifier: Apache-2.0
//
// CDDL and CBOR from hostile sources: nothing crashes, and nothing takes long.
#include <catch2/catch.hpp>

#include <chrono>
#include <functional>
#include <random>

#include "sample.hpp"

using namespace sample;
using namespace backplane::host::cddl;

namespace {

// Far more than is needed, also with sanitizers, but far less than without the bounds.
void in_time(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));
}

std::string unchecked(const std::string& rules, const Bytes& item) {
  std::string out;
  in_time([&] { out = verdict(rules, item).unchecked; });
  return out;
}

const std::string endless = "its rules refer to each other without an end";
const std::string too_many_steps = "it takes more than the allowed steps to check";

}  // namespace

TEST_CASE("rules that refer to themselves end") {
  CHECK(unchecked("a = a", hex("01")) == endless);
  CHECK(unchecked("a = b\nb = a", hex("01")) == endless);
  CHECK(unchecked("a = a / int", hex("01")) == endless);
  CHECK(unchecked("a = {b}\nb = (b)", hex("a0")).find(endless) != std::string::npos);
  CHECK(unchecked("a = [b]\nb = (b, int)", hex("80")).find(endless) != std::string::npos);
  CHECK(unchecked("a = {b, c}\nb = (x: int, b)\nc = (y: int)", hex("a1 61 78 01")).find(endless) != std::string::npos);
  CHECK(unchecked("a = g<int>\ng<x> = g<[x]>", hex("01")) == endless);
  CHECK(unchecked("a = &b\nb = (b)", hex("01")).find(endless) != std::string::npos);
  CHECK(unchecked("a = ~a", hex("01")) == endless);
  CHECK(unchecked("a = 1 .eq a", hex("01")) == endless);
  CHECK(unchecked("a = a .. 5", hex("01")).find("range of other things") != std::string::npos);
}

TEST_CASE("a search that would take exponential time stops") {
  // Each level tries the next one twice, and the innermost never fits.
  std::string rules = "a = [x0]\n";
  for (int i = 0; i < 60; ++i) {
    const std::string next = "x" + std::to_string(i + 1);
    rules += "x" + std::to_string(i) + " = (" + next + ", 1 // " + next + ", 2)\n";
  }
  rules += "x60 = (3)\n";
  CHECK(unchecked(rules, hex("81 03")) == too_many_steps);
  std::string types = "a = y0\n";
  for (int i = 0; i < 60; ++i) {
    const std::string next = "y" + std::to_string(i + 1);
    types += "y" + std::to_string(i) + " = " + next + " .and 1 / " + next + " .and 2\n";
  }
  types += "y60 = 3\n";
  CHECK(unchecked(types, hex("03")) == too_many_steps);
}

TEST_CASE("maps with very many keys and members stop") {
  std::string rules = "a = {";
  Bytes item = {0xb9, 0x27, 0x10};  // a map of 10,000
  backplane::cbor::Writer out(item);
  for (int i = 0; i < 10'000; ++i) {
    rules += "k" + std::to_string(i) + ": int, ";
    out.text("l" + std::to_string(i));
    out.uint(1);
  }
  CHECK(unchecked(rules + "}", item) == too_many_steps);
}

TEST_CASE("items without number are not checked, and depth of items is bounded") {
  Bytes many;
  backplane::cbor::Writer out(many);
  out.array(1 << 20);
  for (int i = 0; i < 1 << 20; ++i) out.uint(1);
  CHECK(unchecked("a = [* uint]", many) == "it has more than 262144 items");
  Bytes deep(1000, 0x81);
  deep.push_back(0x01);
  in_time([&] { CHECK(verdict("a = int / [a]", deep).findings.size() == 1); });
  Bytes levels(64, 0x81);
  levels.push_back(0x01);
  CHECK(verdict("a = int / [a]", levels).findings.empty());
  CHECK(verdict("a = int / [a]", levels).unchecked.empty());
}

TEST_CASE("embedded CBOR counts towards the same bound of items") {
  Bytes item = {0x99, 0x10, 0x00};  // 4096 byte strings of 200 items
  backplane::cbor::Writer out(item);
  for (int i = 0; i < 4096; ++i) out.bytes(Bytes(200, 0x01));
  CHECK(unchecked("a = [* bytes .cborseq [* uint]]", item) == "it has more than 262144 items");
}

TEST_CASE("random changes of good CDDL and CBOR end in a verdict") {
  const std::string rules =
      "a = { ? name: tstr .size (1..9), * 1..9 => [* pair<int / null>], ? t: ~time, ? k: &kinds,\n"
      "  ? more: bytes .cbor (uint .bits (1 / 2)), $$ext } / [+ (uint, tstr // bool)] ; text\n"
      "pair<x> = [x, ? #6.32(\"a\\u00e4\") / h'00ff' / -1.5e3...2.0]\n"
      "kinds = (one: 1, two: 0x2)\n$$ext //= (e: any)\n$$ext //= (\"f\" ^ => float16)\n";
  const Bytes good =
      hex("a5 64 6e 61 6d 65 62 61 62 03 82 82 01 d8 20 63 61 c3 a4 81 f6 61 74 1a 00 01 02 03 64 6d 6f 72 65 41 02 61 "
          "65 80");
  const std::string letters = "{}[]()<>=/:,.*+?^~&#$;\"'\\ \n019afxe-h";
  REQUIRE(verdict(rules, good).findings.empty());
  REQUIRE(verdict(rules, good).unchecked.empty());
  std::mt19937 random(8610);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::size_t parsed_texts = 0, checked = 0, found = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = rules;
    Bytes item = good;
    for (std::size_t changes = below(4); changes > 0; --changes) {
      const std::size_t at = below(text.size());
      switch (below(4)) {
        case 0:
          text[at] = letters[below(letters.size())];
          break;
        case 1:
          text.erase(at, below(12));
          break;
        case 2:
          text.insert(at, 1, letters[below(letters.size())]);
          break;
        default:
          text.insert(at, text.substr(below(text.size()), below(30)));
      }
      if (text.empty()) text = " ";
    }
    for (std::size_t changes = below(3); changes > 0; --changes) {
      item[below(item.size())] = static_cast<std::uint8_t>(random());
    }
    try {
      const Schema schema = parse(text);
      ++parsed_texts;
      for (const Rule& rule : schema.rules()) {
        if (rule.standard || !rule.parameters.empty()) continue;
        const Verdict verdict =
            validate(schema, rule.name, item, {.lenient = i % 2 == 0, .most_steps = 20'000, .most_items = 100});
        if (verdict.unchecked.empty()) ++checked;
        for (const Finding& finding : verdict.findings) found += finding.message().size();
      }
    } catch (const ParseError& e) {
      CHECK(e.place.line >= 1);
    }
  }
  // The changes leave enough of both kinds.
  CHECK(parsed_texts > 2'000);
  CHECK(checked > 2'000);
  CHECK(found > 0);
}
