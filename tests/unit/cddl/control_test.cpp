// SPDX-License-Identifier: Apache-2.0
//
// Control operators.
#include <catch2/catch.hpp>

#include "sample.hpp"

using namespace sample;

TEST_CASE(".size bounds the bytes of strings and integers") {
  CHECK(fits("a = tstr .size 3", "63 61 62 63") == "yes");
  CHECK(fits("a = tstr .size 3", "62 61 62") == "no");
  CHECK(fits("a = tstr .size (1..2)", "62 61 62") == "yes");
  CHECK(fits("a = tstr .size (1..2)", "60") == "no");
  CHECK(fits("a = bytes .size (1 / 3)", "43 01 02 03") == "yes");
  CHECK(fits("a = bytes .size (1 / 3)", "42 01 02") == "no");
  CHECK(fits("a = uint .size 1", "18 ff") == "yes");
  CHECK(fits("a = uint .size 1", "19 01 00") == "no");
  CHECK(fits("a = uint .size 8", "1b ff ff ff ff ff ff ff ff") == "yes");
  CHECK(told("a = {x: tstr .size 3}", "a1 61 78 61 79") ==
        "\"x\" is \"y\", expected tstr .size 3 (a in the module's CDDL, line 1)");
}

TEST_CASE(".bits lists the bits that may be set") {
  CHECK(fits("a = uint .bits (0 / 3)", "09") == "yes");
  CHECK(fits("a = uint .bits (0 / 3)", "02") == "no");
  CHECK(fits("a = bytes .bits &(x: 0, y: 9)", "42 01 02") == "yes");
  CHECK(fits("a = bytes .bits &(x: 0, y: 9)", "42 01 01") == "no");
}

TEST_CASE("comparisons take integers and reals") {
  CHECK(fits("a = uint .le 60000", "19 ea 60") == "yes");
  CHECK(fits("a = uint .le 60000", "19 ea 61") == "no");
  CHECK(fits("a = int .lt 0", "20") == "yes");
  CHECK(fits("a = int .lt 0", "00") == "no");
  CHECK(fits("a = number .gt 0.5", "f9 3e 00") == "yes");
  CHECK(fits("a = number .gt 0.5", "01") == "yes");
  CHECK(fits("a = number .ge limit\nlimit = 2", "01") == "no");
  CHECK(fits("a = uint .ge 18446744073709551615", "1b ff ff ff ff ff ff ff fe") == "no");
  CHECK(fits("a = int .ge -18446744073709551616", "3b ff ff ff ff ff ff ff ff") == "yes");
  CHECK(fits("a = int .eq 5", "05") == "yes");
  CHECK(fits("a = int .ne 5", "05") == "no");
  CHECK(fits("a = int .lt tstr", "05") == "?");
}

TEST_CASE(".cbor and .cborseq look into byte strings") {
  CHECK(fits("a = bytes .cbor {x: uint}", "44 a1 61 78 01") == "yes");
  CHECK(fits("a = bytes .cbor {x: uint}", "44 a1 61 78 20") == "no");
  CHECK(fits("a = bytes .cbor uint", "42 01 02") == "no");
  CHECK(fits("a = bytes .cbor uint", "41 18") == "no");
  CHECK(fits("a = bytes .cborseq [uint, tstr]", "43 01 61 78") == "yes");
  CHECK(fits("a = bytes .cborseq [uint, tstr]", "41 01") == "no");
  CHECK(fits("a = bytes .cborseq uint", "41 01") == "?");
}

TEST_CASE(".and and .within need both types, and .default needs nothing") {
  CHECK(fits("a = int .and uint", "01") == "yes");
  CHECK(fits("a = int .and uint", "20") == "no");
  CHECK(fits("a = {? x: (uint .default 7)}", "a0") == "yes");
  CHECK(fits("a = {? x: (uint .default 7)}", "a1 61 78 61 78") == "no");
  CHECK(fits("a = b .within uint\nb = 1..9", "05") == "yes");
  CHECK(fits("a = tstr .regexp \"[a-z]\"", "61 39") == "yes");
  CHECK(fits("a = tstr .regexp \"[a-z]\"", "01") == "no");
}
