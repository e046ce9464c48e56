// SPDX-License-Identifier: Apache-2.0
//
// Random interfaces for the comparison: small texts of a grammar, with few differences, and values for them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sample {

/// Each decision depends on its path alone, so that two makers with few different decisions write texts that differ
/// little.
struct Decisions {
  std::uint64_t seed = 0;
  std::uint64_t other = 0;  ///< 0: no decision differs
  unsigned one_in = 16;     ///< so many decisions follow `other`

  static std::uint64_t mix(std::uint64_t value) {
    value += 0x9e3779b97f4a7c15;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
  }
  unsigned of(std::uint64_t path, unsigned below) const {
    const bool differs = other != 0 && mix(path ^ other) % one_in == 0;
    return static_cast<unsigned>(mix(path ^ (differs ? mix(other) : seed)) % below);
  }
};

/// Writes the type R, and the rules that it names.
class SchemaMaker {
 public:
  /// `lenient`: maps take unknown members, as the readers of replies do. `respelled`: another order and spelling.
  explicit SchemaMaker(Decisions decisions, bool lenient = false, bool respelled = false)
      : decisions_(decisions), lenient_(lenient), respelled_(respelled) {}

  /// `R = …` and the rules that it needs.
  std::string text(const std::string& root) {
    std::string out = root + " = " + (one(1, 3) == 0 ? list(2, 0) : map(2, 0)) + "\n";
    out += "T0 = " + type(3, 2) + "\nT1 = " + map(5, 2) + "\nT2 = " + choice(6, 1) + "\n";
    out += "e0 = (red: " + std::string(one(7, 2) != 0 ? "1" : "2") + ", green: 3)\n";
    out += "l0 = (" + type(11, 3) + ", " + type(12, 3) + ")\n";
    return out;
  }

 private:
  unsigned one(std::uint64_t path, unsigned below) const { return decisions_.of(path, below); }
  static std::uint64_t inside(std::uint64_t path, unsigned index) { return Decisions::mix(path * 31 + index); }

  std::string joined(std::vector<std::string> parts, const char* between, bool any_order) const {
    std::string out;
    if (respelled_ && any_order) parts = {parts.rbegin(), parts.rend()};
    for (std::size_t i = 0; i < parts.size(); ++i) out += (i == 0 ? "" : between) + parts[i];
    return out;
  }

  std::string scalar(std::uint64_t path) const {
    static const std::vector<std::string> plain = {"int",
                                                   "uint",
                                                   "0..3",
                                                   "1...4",
                                                   "2",
                                                   "-1",
                                                   "int .lt 3",
                                                   "uint .le 4",
                                                   "int .ge 1",
                                                   "uint .size 1",
                                                   "tstr",
                                                   "text",
                                                   "\"a\"",
                                                   "\"b\"",
                                                   "tstr .size 1",
                                                   "tstr .size (1..2)",
                                                   "bool",
                                                   "true",
                                                   "null",
                                                   "float",
                                                   "float64",
                                                   "float32",
                                                   "1.5",
                                                   "0.5..2.5",
                                                   "float .le 2",
                                                   "number .gt 1.5",
                                                   "number .le 2",
                                                   "float32 .lt 2.5",
                                                   "bytes",
                                                   "bstr .size 1",
                                                   "bstr .cbor T0",
                                                   "(int .ne 2)",
                                                   "(int .and uint)",
                                                   "#6.1(int)",
                                                   "#6(tstr)",
                                                   "&e0",
                                                   "&(x: 1, y: 2)",
                                                   "any",
                                                   "#4.1",
                                                   "time",
                                                   "2 .eq 2",
                                                   "(T0 .and T2)",
                                                   "number .ge 2",
                                                   "(1 / 3)",
                                                   "(tstr / int) .lt 2",
                                                   "undefined",
                                                   "#7.22",
                                                   "int .gt 1.5"};
    // Simple types are the most frequent.
    const unsigned all = static_cast<unsigned>(plain.size());
    std::string out = plain[one(inside(path, 1), 3) != 0 ? one(inside(path, 2), 20) : one(inside(path, 3), all)];
    if (!respelled_) return out;
    return out == "tstr" ? "text" : out == "text" ? "tstr" : out == "1...4" ? "1..3" : out == "null" ? "nil" : out;
  }

  std::string choice(std::uint64_t path, unsigned depth) const {
    std::vector<std::string> parts;
    for (unsigned i = 0; i < 2 + one(inside(path, 1), 2); ++i) parts.push_back(type(inside(path, 10 + i), depth + 1));
    return joined(parts, " / ", true);
  }

  std::string type(std::uint64_t path, unsigned depth) const {
    switch (one(inside(path, 4), depth > 2 ? 4 : 12)) {
      case 4:
        return "T" + std::to_string(one(inside(path, 5), 3));
      case 5:
        return "(" + choice(path, depth) + ")";
      case 6:
      case 7:
        return map(path, depth + 1);
      case 8:
      case 9:
        return list(path, depth + 1);
      default:
        return scalar(path);
    }
  }

  // One member; `wild` is set if its keys have a type.
  std::string member(std::uint64_t path, unsigned depth, unsigned index, bool& wild) const {
    const std::string value = type(inside(path, 1), depth + 1);
    const unsigned kind = one(inside(path, 2), 24);
    static const std::vector<std::string> keys = {"a", "b", "c"};
    const std::string key = keys[one(inside(path, 3), 5) == 0 ? one(inside(path, 4), 3) : index % 3];
    if (kind < 7) return key + ": " + value;
    if (kind < 12) return "? " + key + ": " + value;
    if (kind < 14) return "? \"" + key + (respelled_ ? "\" ^ => " : "\" => ") + value;
    if (kind == 14) return "? 1: " + value;
    if (kind == 15) return "? (a: int, b: " + value + ")";
    if (kind == 16) return joined({"(a: int", "b: " + value + ")"}, " // ", false);
    if (kind == 17) return joined({"(? a: int", "b: " + value + ")"}, " // ", false);
    wild = true;
    static const std::vector<std::string> wilds = {"* tstr => ",   "* int => ",    "*2 tstr => ",
                                                   "1*2 uint => ", "* tstr ^ => ", "* (tstr / uint) => "};
    return wilds[kind - 18] + value;
  }

  std::string map(std::uint64_t path, unsigned depth) const {
    std::vector<std::string> forms;
    for (unsigned form = 0; form < (one(inside(path, 6), 6) == 0 ? 2U : 1U); ++form) {
      const std::uint64_t here = inside(path, 20 + form);
      std::vector<std::string> parts;
      bool wild = false;
      for (unsigned i = 0; i < one(inside(here, 7), 4); ++i) {
        parts.push_back(member(inside(here, 30 + i), depth, form + i, wild));
      }
      if (lenient_ && !wild) parts.emplace_back("* tstr => any");
      forms.push_back(joined(parts, ", ", true));
    }
    return "{" + joined(forms, " // ", true) + "}";
  }

  std::string element(std::uint64_t path, unsigned depth) const {
    const std::string value = type(inside(path, 1), depth + 1);
    switch (one(inside(path, 2), 16)) {
      case 0:
        return "* " + value;
      case 1:
        return "? " + value;
      case 2:
        return "+ " + value;
      case 3:
        return "*2 " + value;
      case 4:
        return "2*2 " + value;
      case 5:
        return "? (int, " + value + ")";
      case 6:
        return joined({"(" + value, "int, " + value + ")"}, " // ", false);
      case 7:
        return "l0";
      case 8:
        return "x: " + value;
      default:
        return value;
    }
  }

  std::string list(std::uint64_t path, unsigned depth) const {
    std::vector<std::string> forms;
    for (unsigned form = 0; form < (one(inside(path, 6), 6) == 0 ? 2U : 1U); ++form) {
      const std::uint64_t here = inside(path, 40 + form);
      std::vector<std::string> parts;
      for (unsigned i = 0; i < 1 + one(inside(here, 7), 3); ++i) parts.push_back(element(inside(here, 50 + i), depth));
      forms.push_back(joined(parts, ", ", false));
    }
    return "[" + joined(forms, " // ", true) + "]";
  }

  Decisions decisions_;
  bool lenient_;
  bool respelled_;
};

}  // namespace sample
