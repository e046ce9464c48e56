// SPDX-License-Identifier: Apache-2.0
//
// Which items fit which rules, and what is told of those that do not.
#include <catch2/catch.hpp>

#include "sample.hpp"

using namespace sample;

TEST_CASE("simple types and literals take their items") {
  CHECK(fits("a = uint", "18 64") == "yes");
  CHECK(fits("a = uint", "20") == "no");
  CHECK(fits("a = nint", "20") == "yes");
  CHECK(fits("a = int", "3b ff ff ff ff ff ff ff ff") == "yes");
  CHECK(fits("a = tstr", "63 61 62 63") == "yes");
  CHECK(fits("a = tstr", "7f 61 61 61 62 ff") == "yes");
  CHECK(fits("a = \"ab\"", "7f 61 61 61 62 ff") == "yes");
  CHECK(fits("a = bytes", "42 01 02") == "yes");
  CHECK(fits("a = h'0102'", "42 01 02") == "yes");
  CHECK(fits("a = bool", "f4") == "yes");
  CHECK(fits("a = true", "f4") == "no");
  CHECK(fits("a = null", "f6") == "yes");
  CHECK(fits("a = null", "f7") == "no");
  CHECK(fits("a = undefined", "f7") == "yes");
  CHECK(fits("a = #7.99", "f8 63") == "yes");
  CHECK(fits("a = float", "f9 3c 00") == "yes");
  CHECK(fits("a = float64", "f9 3c 00") == "no");
  CHECK(fits("a = 1.0", "f9 3c 00") == "yes");
  CHECK(fits("a = 1.0", "01") == "no");
  CHECK(fits("a = -7", "26") == "yes");
  CHECK(fits("a = any", "d8 20 61 78") == "yes");
  CHECK(fits("a = uri", "d8 20 61 78") == "yes");
  CHECK(fits("a = uri", "61 78") == "no");
  CHECK(fits("a = time", "c1 1a 00 01 02 03") == "yes");
  CHECK(fits("a = ~time", "1a 00 01 02 03") == "yes");
  CHECK(fits("a = bignint", "c3 41 01") == "yes");
  CHECK(fits("a = #6", "c3 41 01") == "yes");
  CHECK(fits("a = #2.3", "43 01 02 03") == "yes");
  CHECK(fits("a = decfrac", "c4 82 21 19 6a b3") == "yes");
}

TEST_CASE("ranges include their bounds unless they say otherwise") {
  CHECK(fits("a = 0..255", "18 ff") == "yes");
  CHECK(fits("a = 0..255", "19 01 00") == "no");
  CHECK(fits("a = 0..255", "20") == "no");
  CHECK(fits("a = 0...255", "18 ff") == "no");
  CHECK(fits("a = -128..127", "38 7f") == "yes");
  CHECK(fits("a = -128..127", "38 80") == "no");
  CHECK(fits("a = low .. high\nlow = 1\nhigh = 3", "03") == "yes");
  CHECK(fits("a = 0.0..1.5", "f9 3e 00") == "yes");
  CHECK(fits("a = 0.0..1.5", "01") == "no");
  CHECK(fits("a = 1 .. tstr", "01") == "?");
}

TEST_CASE("arrays take elements from the left, as often as they may") {
  CHECK(fits("a = [* uint]", "80") == "yes");
  CHECK(fits("a = [* uint]", "83 01 02 03") == "yes");
  CHECK(fits("a = [* uint]", "9f 01 02 ff") == "yes");
  CHECK(fits("a = [+ uint]", "80") == "no");
  CHECK(fits("a = [2*3 uint]", "81 01") == "no");
  CHECK(fits("a = [2*3 uint]", "84 01 02 03 04") == "no");
  CHECK(fits("a = [uint, ? tstr, bool]", "82 01 f5") == "yes");
  CHECK(fits("a = [uint, ? tstr, bool]", "83 01 61 78 f5") == "yes");
  CHECK(fits("a = [* (uint, tstr)]", "84 01 61 78 02 61 79") == "yes");
  CHECK(fits("a = [* (uint, tstr)]", "83 01 61 78 02") == "no");
  CHECK(fits("a = [* pair]\npair = (uint, tstr)", "82 01 61 78") == "yes");
  CHECK(fits("a = [uint // uint, uint]", "82 01 02") == "yes");
  CHECK(fits("a = [~b, bool]\nb = [uint]", "82 01 f5") == "yes");
  CHECK(fits("a = [named: uint]", "81 01") == "yes");
  CHECK(fits("a = [* ()]", "80") == "yes");
}

TEST_CASE("maps take pairs in any order") {
  CHECK(fits("a = {}", "a0") == "yes");
  CHECK(fits("a = {x: uint, y: tstr}", "a2 61 79 61 78 61 78 01") == "yes");
  CHECK(fits("a = {x: uint, y: tstr}", "bf 61 79 61 78 61 78 01 ff") == "yes");
  CHECK(fits("a = {x: uint}", "a0") == "no");
  CHECK(fits("a = {? x: uint}", "a0") == "yes");
  CHECK(fits("a = {x: uint}", "a2 61 78 01 61 78 02") == "no");
  CHECK(fits("a = {* tstr => uint}", "a2 61 78 01 61 79 02") == "yes");
  CHECK(fits("a = {1: uint, -1 => tstr}", "a2 01 01 20 61 78") == "yes");
  CHECK(fits("a = {x: uint // y: uint, z: uint}", "a2 61 79 01 61 7a 01") == "yes");
  CHECK(fits("a = {k: \"one\", x: uint // k: \"two\", y: uint}", "a2 61 6b 63 74 77 6f 61 79 01") == "yes");
  CHECK(fits("a = {x: uint, b}\nb = (y: uint)", "a2 61 78 01 61 79 02") == "yes");
  CHECK(fits("a = {? (x: uint, y: uint)}", "a2 61 78 01 61 79 02") == "yes");
  CHECK(fits("a = {? (x: uint, y: uint)}", "a1 61 78 01") == "no");
  CHECK(fits("a = {~b, y: uint}\nb = {x: uint}", "a2 61 78 01 61 79 02") == "yes");
  CHECK(fits("a = {x: uint, * $$more}", "a1 61 78 01") == "yes");
  CHECK(fits("a = {* $$more}\n$$more //= (x: uint)\n$$more //= (y: tstr)", "a2 61 78 01 61 79 61 78") == "yes");
  CHECK(fits("a = {[uint] => uint}", "a1 81 01 01") == "yes");
  CHECK(fits("a = {uint}", "a1 01 01") == "?");
}

TEST_CASE("a cut keeps other members from taking the key") {
  CHECK(fits("a = {? x: uint, * tstr => any}", "a1 61 78 61 79") == "no");
  CHECK(fits("a = {? \"x\" ^ => uint, * tstr => any}", "a1 61 78 61 79") == "no");
  CHECK(fits("a = {? \"x\" => uint, * tstr => any}", "a1 61 78 61 79") == "yes");
}

TEST_CASE("choices, generics, sockets and enumerations are followed") {
  CHECK(fits("a = int / [a]", "81 81 01") == "yes");
  CHECK(fits("a = pair<uint, tstr>\npair<x, y> = [x, y]", "82 01 61 78") == "yes");
  CHECK(fits("a = pair<uint, tstr>\npair<x, y> = [x, y]", "82 61 78 01") == "no");
  CHECK(fits("a = list<pair<uint>>\nlist<t> = [* t]\npair<t> = [t, t]", "82 82 01 02 82 03 04") == "yes");
  CHECK(fits("a = $s\n$s /= uint\n$s /= tstr", "61 78") == "yes");
  CHECK(fits("a = $s", "61 78") == "no");
  CHECK(fits("a = &(red: 0, green: 1)", "01") == "yes");
  CHECK(fits("a = &colour\ncolour = (red: 0, green: 1)", "02") == "no");
  CHECK(fits("a = (x: uint)", "01") == "?");
}

TEST_CASE("findings say the path, what was found, what is expected, and where that is written") {
  CHECK(told("a = uint", "61 78") == "found \"x\", expected uint (a in the module's CDDL, line 1)");
  CHECK(told("a = {\n max_keys: uint\n}", "a1 68 6d 61 78 5f 6b 65 79 73 64 6d 61 6e 79") ==
        "\"max_keys\" is \"many\", expected uint (a in the module's CDDL, line 2)");
  CHECK(told("a = {x: [* b]}\nb = {y: 0..9}", "a1 61 78 82 a1 61 79 01 a1 61 79 0a") ==
        "\"x[1].y\" is 10, expected 0..9 (b in the module's CDDL, line 2)");
  CHECK(told("a = {path: tstr}", "a0") == "\"path\" is missing, expected tstr (a in the module's CDDL, line 1)");
  CHECK(told("a = {? path: tstr}", "a1 64 70 61 74 68 01") ==
        "\"path\" is 1, expected tstr (a in the module's CDDL, line 1)");
  CHECK(told("a = {? path: tstr}", "a1 64 70 61 68 74 61 78") ==
        "\"paht\" is unknown; did you mean path? (a in the module's CDDL, line 1)");
  CHECK(told("a = {? path: tstr, ? b}\nb = (other: int)", "a1 61 78 01") ==
        "\"x\" is unknown; known: path, other (a in the module's CDDL, line 1)");
  CHECK(told("a = {}", "a1 61 78 01") == "\"x\" is unknown; expected no keys (a in the module's CDDL, line 1)");
  CHECK(told("a = {x: uint}", "a2 61 78 01 61 78 02") ==
        "\"x\" is given twice, expected one value (a in the module's CDDL, line 1)");
  CHECK(told("a = uint / tstr", "f5") == "found true, expected uint / tstr (a in the module's CDDL, line 1)");
  CHECK(told("a = null / {x: uint}", "a1 61 78 f5") == "\"x\" is true, expected uint (a in the module's CDDL, line 1)");
  CHECK(told("a = {* tstr => uint}", "a1 61 78 f5") == "\"x\" is true, expected uint (a in the module's CDDL, line 1)");
  CHECK(told("a = [uint, tstr]", "81 01") ==
        "found an array of 1, expected [uint, tstr] (a in the module's CDDL, line 1)");
  CHECK(told("a = [* uint]", "82 01 f6") == "\"[1]\" is null, expected uint (a in the module's CDDL, line 1)");
  CHECK(told("a = {x: 0.5..1.5}", "a1 61 78 f9 40 00") ==
        "\"x\" is 2.0, expected 0.5..1.5 (a in the module's CDDL, line 1)");
}

TEST_CASE("all findings of a map are told at once") {
  CHECK(told("a = {x: uint, y: tstr, z: bool}", "a3 61 78 61 78 61 7a 01 62 71 71 01") ==
        "\"x\" is \"x\", expected uint (a in the module's CDDL, line 1)\n"
        "\"y\" is missing, expected tstr (a in the module's CDDL, line 1)\n"
        "\"z\" is 1, expected bool (a in the module's CDDL, line 1)\n"
        "\"qq\" is unknown; known: x, y, z (a in the module's CDDL, line 1)");
}

TEST_CASE("bytes that are no single item are a finding, and a missing rule is told") {
  CHECK(told("a = any", "").find("found no well-formed CBOR (the CBOR ends too early") == 0);
  CHECK(told("a = any", "01 02").find("found no well-formed CBOR (found more bytes") == 0);
  CHECK(told("a = any", "82 01").find("found no well-formed CBOR") == 0);
  CHECK(told("a = any", "81 ff").find("found no well-formed CBOR") == 0);
  CHECK(told("a = any", "bf 01 ff").find("found no well-formed CBOR (found a map key without a value") == 0);
  CHECK(told("b = any", "01") == "there is no rule \"a\"");
}
