// SPDX-License-Identifier: Apache-2.0
//
// Interfaces from hostile sources, and CDDL that bindings do not have: nothing crashes, and nothing takes long.
#include <catch2/catch.hpp>

#include <chrono>
#include <ctime>
#include <functional>

#include "outline_sample.hpp"

using namespace outline_sample;

namespace {

template <class Work>
auto timed(std::chrono::milliseconds most, Work work) {
  const std::clock_t begin = std::clock();  // of the processor: others may keep it busy
  auto out = work();
  CHECK((std::clock() - begin) * 1000 / CLOCKS_PER_SEC < most.count());
  return out;
}

// Far more than is needed, also with sanitizers.
constexpr std::chrono::milliseconds long_enough{30'000};

const std::string any = R"({"kind":"any"})";

std::string as_any(const std::string& found) { return "T.m: found " + found + "; bindings have it as any"; }

}  // namespace

TEST_CASE("what bindings do not have is any, with a warning, and the doc has the text") {
  const auto becomes_any = [](const std::string& written, const std::string& rules = "") {
    INFO(written);
    CHECK(ref(written, rules) == any);
    CHECK(warning(written, rules) == as_any(written));
    CHECK(type("T", "T = { m: " + written + " ; words\n}\n" + rules).find("\"words; in CDDL: ") != std::string::npos);
  };
  becomes_any("#6.32(tstr)");
  becomes_any("uri");
  becomes_any("undefined");
  becomes_any("g<int>", "g<x> = [* x]");
  becomes_any("tstr .and tstr");
  becomes_any("[* (int, tstr)]");
  becomes_any("[int, ? tstr]");
  becomes_any("[int // tstr]");
  becomes_any("{a: int // b: int, c: int}");
  becomes_any("{1: int}");
  becomes_any("{* bstr => int}");
  becomes_any("{* any => any}");
  becomes_any("#7.99");
  becomes_any("$extra");
  becomes_any("-18446744073709551616..0");
  becomes_any("&(g)", "g = (a: \"x\", b: 1)");
  CHECK(ref("tstr .regexp \"a*\"") == R"({"kind":"text"})");
  CHECK(warning("tstr .regexp \"a*\"") == "none");
}

TEST_CASE("a part that becomes any leaves the rest as it is") {
  CHECK(ref("[* uri]") == R"({"kind":"list","of":{"kind":"any"},"least":0,"most":null})");
  CHECK(ref("{ * tstr => uri }") == R"({"kind":"map","key":{"kind":"text"},"value":{"kind":"any"}})");
  const Outline made = outline("m.v.request = uri ; words\nm.v.reply = tstr\nm.v.error.5 = uri");
  CHECK(made.calls.at(0).doc == "words; request in CDDL: uri");
  CHECK(made.calls.at(0).reply->kind == Ref::Kind::text);
  CHECK(made.calls.at(0).errors.at(0).doc == "detail in CDDL: uri");
}

TEST_CASE("rules that refer to themselves have an outline") {
  const auto warned = [](const std::string& rules) {
    const Outline made = timed(long_enough, [&] { return with_call(rules); });
    return made.warnings.empty() ? std::string("none") : made.warnings[0];
  };
  const std::string itself = ": found a type that contains itself, in no map; bindings have it as any";
  const std::string endless = ": found a type whose values have no end; bindings have it as any";
  CHECK(warned("T = T") == "T" + itself);
  CHECK(warned("T = A\nA = B\nB = A") == "A" + itself);
  CHECK(warned("T = T / null") == "T" + itself);
  CHECK(warned("T = [* T]") == "T" + itself);
  CHECK(warned("T = tstr / [* T] / Map\nMap = { * tstr => T }") == "T" + itself);
  CHECK(warned("T = { a: T }") == "T" + endless);
  CHECK(warned("T = { a: A }\nA = { t: [1*2 T] }") == "T" + endless);
  CHECK(warned("T = { a: A // b: A }\nA = [T, int]") == "T" + endless);
  CHECK(warned("T = { ? a: T }") == "none");
  CHECK(warned("T = { a: T / null }") == "none");
  CHECK(warned("T = { a: [* T] }") == "none");
  CHECK(warned("T = { a: T // b: int }") == "none");
  CHECK(warned("T = { a: { b: T / null } }") == "none");
  for (const char* const rules :
       {"T = (T)", "T = { a }\na = (a)", "T = [a]\na = (a, int)", "T = &a\na = (a)", "T = ~T", "T = 1 .eq T",
        "T = int .default T", "T = 1..T", "T = {T}", "uint8 = uint8\nT = uint8", "T = m.v.request",
        "T = { * T => int }", "T = $x\n$x /= $x", "T<a> = [a]"}) {
    INFO(rules);
    static_cast<void>(timed(long_enough, [&] {
      try {
        return json(with_call(rules));
      } catch (const ParseError&) {
        return std::string();
      }
    }));
  }
}

TEST_CASE("deep nesting becomes any") {
  std::string lists, maps;
  for (int i = 0; i < 90; ++i) lists += "[* ";
  lists += "int";
  for (int i = 0; i < 90; ++i) lists += "]";
  CHECK(warning(lists) == as_any("more than 20 levels of types"));
  CHECK(!json(with_call("T = { m: " + lists + "}")).empty());
  for (int i = 0; i < 90; ++i) maps += "{a: ";
  maps += "int";
  for (int i = 0; i < 90; ++i) maps += "}";
  CHECK(warning(maps) == "none");  // each has a type of its own
  CHECK(with_call("T = " + maps).types.size() == 90);
  CHECK(!json(with_call("T = " + maps)).empty());
}

TEST_CASE("a thousand rules take less than a second") {
  std::string rules = "uint32 = 0..4294967295\n";
  for (int i = 0; i < 1000; ++i) {
    const std::string n = std::to_string(i);
    const std::string next = std::to_string((i + 1) % 1000);
    rules += "Type" + n + " = {\n  id: uint32, ; of " + n + "\n  ? next: Type" + next + " / null,\n  all: [* Type" +
             next + "],\n  ? kind: (\"a\" / \"b\") .default \"a\"\n} ; type " + n + "\n";
    rules += "m.call" + n + ".request = Type" + n + " ; does " + n + "\nm.call" + n + ".reply = [* Type" + next + "]\n";
  }
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr auto most = long_enough;
#else
  constexpr std::chrono::milliseconds most{1000};
#endif
  const Outline made = timed(most, [&] {
    Outline out = outline(rules);
    CHECK(json(out).size() > 500'000);
    return out;
  });
  CHECK(made.warnings.empty());
  CHECK(made.calls.size() == 1000);
  CHECK(made.types.size() == 2000);
  CHECK(made.types[1999].sent);
  CHECK(made.types[1999].received);
}

TEST_CASE("texts that would take exponential or quadratic time are bounded") {
  std::string groups = "T = { g0 }\n";
  for (int i = 0; i < 60; ++i) {
    const std::string next = "g" + std::to_string(i + 1);
    groups += "g" + std::to_string(i) + " = (" + next + ", " + next + ")\n";
  }
  groups += "g60 = (a: int)\n";
  CHECK(timed(long_enough, [&] { return with_call(groups); }).types.at(0).type.kind == Ref::Kind::any);
  std::string doubled = "T = { g0 }\n";
  for (int i = 0; i < 30; ++i) {
    const std::string next = "g" + std::to_string(i + 1);
    doubled += "g" + std::to_string(i) + " = (" + next + ", " + next + ")\n";
  }
  doubled += "g30 = (a: int)\n";
  CHECK(timed(long_enough, [&] { return with_call(doubled); }).warnings.at(0).find("allowed steps") !=
        std::string::npos);
  std::string chain = "T = A0\n", wires, choice = "T = int";
  for (int i = 0; i < 20'000; ++i) {
    chain += "A" + std::to_string(i) + " = A" + std::to_string(i + 1) + "\n";
    wires += "m.w" + std::to_string(i) + ".reply = m.w" + std::to_string(i + 1) + ".reply\n";
    choice += " / [" + std::to_string(i) + "]";
  }
  CHECK(timed(long_enough, [&] { return with_call(chain + "A20000 = { t: T }"); }).types.size() == 20'002);
  CHECK(timed(long_enough, [&] { return with_call(chain + "A20000 = [* T]"); }).warnings.size() == 1);
  CHECK(!timed(long_enough, [&] { return outline(wires + "m.w20000.reply = int"); }).warnings.empty());
  CHECK(timed(long_enough, [&] { return with_call(choice); }).types.size() == 1);
  std::string warnings = "T = {";
  for (int i = 0; i < 1000; ++i) warnings += " a" + std::to_string(i) + ": uri,";
  const Outline many = timed(long_enough, [&] { return with_call(warnings + "}"); });
  CHECK(many.warnings.size() == most_outline_warnings + 1);
  CHECK(many.warnings.back() == "and more; the first 100 are shown");
}
