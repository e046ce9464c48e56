// SPDX-License-Identifier: Apache-2.0
//
// The examples of RFC 8949: Appendix A, encoded items, and Appendix F, bytes that are no item.
#include <backplane/sdk/cbor.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "cli/json/json.hpp"

using backplane::cbor::Bytes;
using backplane::host::cbor_to_json;
using backplane::host::json_to_cbor;
namespace cbor = backplane::cbor;

namespace {

Bytes hex(std::string_view digits) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    out.push_back(static_cast<std::uint8_t>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

struct Example {
  const char* cbor;
  const char* json;  // as the command line shows it
};

constexpr Example examples[] = {
    {"00", "0"},
    {"01", "1"},
    {"0a", "10"},
    {"17", "23"},
    {"1818", "24"},
    {"1819", "25"},
    {"1864", "100"},
    {"1903e8", "1000"},
    {"1a000f4240", "1000000"},
    {"1b000000e8d4a51000", "1000000000000"},
    {"1bffffffffffffffff", "18446744073709551615"},
    {"c249010000000000000000", R"({"$tag":[2,{"$bytes":"AQAAAAAAAAAA"}]})"},
    {"3bffffffffffffffff", R"({"$int":"-18446744073709551616"})"},
    {"c349010000000000000000", R"({"$tag":[3,{"$bytes":"AQAAAAAAAAAA"}]})"},
    {"20", "-1"},
    {"29", "-10"},
    {"3863", "-100"},
    {"3903e7", "-1000"},
    {"f90000", "0.0"},
    {"f98000", "-0.0"},
    {"f93c00", "1.0"},
    {"fb3ff199999999999a", "1.1"},
    {"f93e00", "1.5"},
    {"f97bff", "65504.0"},
    {"fa47c35000", "1e+05"},
    {"fa7f7fffff", "3.4028234663852886e+38"},
    {"fb7e37e43c8800759c", "1e+300"},
    {"f90001", "5.960464477539063e-08"},
    {"f90400", "6.103515625e-05"},
    {"f9c400", "-4.0"},
    {"fbc010666666666666", "-4.1"},
    {"f97c00", R"({"$float":"inf"})"},
    {"f97e00", R"({"$float":"nan"})"},
    {"f9fc00", R"({"$float":"-inf"})"},
    {"fa7f800000", R"({"$float":"inf"})"},
    {"fa7fc00000", R"({"$float":"nan"})"},
    {"faff800000", R"({"$float":"-inf"})"},
    {"fb7ff0000000000000", R"({"$float":"inf"})"},
    {"fb7ff8000000000000", R"({"$float":"nan"})"},
    {"fbfff0000000000000", R"({"$float":"-inf"})"},
    {"f4", "false"},
    {"f5", "true"},
    {"f6", "null"},
    {"f7", R"({"$undefined":true})"},
    {"f0", R"({"$simple":16})"},
    {"f8ff", R"({"$simple":255})"},
    {"c074323031332d30332d32315432303a30343a30305a", R"({"$tag":[0,"2013-03-21T20:04:00Z"]})"},
    {"c11a514b67b0", R"({"$tag":[1,1363896240]})"},
    {"c1fb41d452d9ec200000", R"({"$tag":[1,1363896240.5]})"},
    {"d74401020304", R"({"$tag":[23,{"$bytes":"AQIDBA=="}]})"},
    {"d818456449455446", R"({"$tag":[24,{"$bytes":"ZElFVEY="}]})"},
    {"d82076687474703a2f2f7777772e6578616d706c652e636f6d", R"({"$tag":[32,"http://www.example.com"]})"},
    {"40", R"({"$bytes":""})"},
    {"4401020304", R"({"$bytes":"AQIDBA=="})"},
    {"60", R"("")"},
    {"6161", R"("a")"},
    {"6449455446", R"("IETF")"},
    {"62225c", R"("\"\\")"},
    {"62c3bc", "\"\u00fc\""},
    {"63e6b0b4", "\"\u6c34\""},
    {"64f0908591", "\"\U00010151\""},
    {"80", "[]"},
    {"83010203", "[1,2,3]"},
    {"8301820203820405", "[1,[2,3],[4,5]]"},
    {"98190102030405060708090a0b0c0d0e0f101112131415161718181819",
     "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]"},
    {"a0", "{}"},
    {"a201020304", R"({"$map":[[1,2],[3,4]]})"},
    {"a26161016162820203", R"({"a":1,"b":[2,3]})"},
    {"826161a161626163", R"(["a",{"b":"c"}])"},
    {"a56161614161626142616361436164614461656145", R"({"a":"A","b":"B","c":"C","d":"D","e":"E"})"},
    {"5f42010243030405ff", R"({"$bytes":"AQIDBAU="})"},
    {"7f657374726561646d696e67ff", R"("streaming")"},
    {"9fff", "[]"},
    {"9f018202039f0405ffff", "[1,[2,3],[4,5]]"},
    {"9f01820203820405ff", "[1,[2,3],[4,5]]"},
    {"83018202039f0405ff", "[1,[2,3],[4,5]]"},
    {"83019f0203ff820405", "[1,[2,3],[4,5]]"},
    {"9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
     "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]"},
    {"bf61610161629f0203ffff", R"({"a":1,"b":[2,3]})"},
    {"826161bf61626163ff", R"(["a",{"b":"c"}])"},
    {"bf6346756ef563416d7421ff", R"({"Fun":true,"Amt":-2})"},
};

constexpr const char* malformed[] = {
    // the input ends in a head
    "18", "19", "1a", "1b", "1901", "1a0102", "1b01020304050607", "38", "58", "78", "98", "9a01ff00", "b8", "d8", "f8",
    "f900", "fa0000", "fb000000",
    // strings with too few bytes
    "41", "61", "5affffffff00", "5bffffffffffffffff010203", "7affffffff00", "7b7fffffffffffffff010203",
    // arrays and maps with too few items
    "81", "818181818181818181", "8200", "a1", "a20102", "a100", "a2000000",
    // a tag without content
    "c0",
    // no break
    "5f4100", "7f6100", "9f", "9f0102", "bf", "bf01020102", "819f", "9f8000", "9f9f9f9f9fffffffff",
    "9f819f819f9fffffff",
    // reserved additional information
    "1c", "1d", "1e", "3c", "3d", "3e", "5c", "5d", "5e", "7c", "7d", "7e", "9c", "9d", "9e", "bc", "bd", "be", "dc",
    "dd", "de", "fc", "fd", "fe",
    // simple values that have a shorter form
    "f800", "f801", "f818", "f81f",
    // chunks of another type, or without a length
    "5f00ff", "5f21ff", "5f6100ff", "5f80ff", "5fa0ff", "5fc000ff", "5fe0ff", "7f4100ff", "5f5f4100ffff",
    "7f7f6100ffff",
    // a break where none may be
    "ff", "81ff", "8200ff", "a1ff", "a1ff00", "a100ff", "a20000ff", "9f81ff", "9f829f819f9fffffffff", "bf00ff",
    "bf000000ff",
    // no indefinite length for these
    "1f", "3f", "df"};

}  // namespace

TEST_CASE("the items of RFC 8949, Appendix A, are read, and shown as JSON") {
  for (const Example& each : examples) {
    CAPTURE(each.cbor);
    const Bytes item = hex(each.cbor);
    CHECK_NOTHROW(cbor::check_well_formed(item));
    CHECK(cbor_to_json(item) == each.json);
    const backplane::Cbor parsed = backplane::Cbor::parse(item);
    CHECK(parsed.view().size() == item.size());
    // What JSON keeps comes back as the same JSON.
    CHECK(cbor_to_json(json_to_cbor(each.json)) == each.json);
  }
}

TEST_CASE("the bytes of RFC 8949, Appendix F, are refused by every reader") {
  for (const char* const digits : malformed) {
    CAPTURE(digits);
    const Bytes bytes = hex(digits);
    CHECK_THROWS_AS(cbor::check_well_formed(bytes), cbor::Error);
    CHECK_THROWS_AS(cbor_to_json(bytes), cbor::Error);
    CHECK_THROWS_AS(backplane::Cbor::parse(bytes), backplane::DecodeError);
    CHECK_THROWS_AS(backplane::decode<std::vector<backplane::Cbor>>(bytes), backplane::DecodeError);
  }
}
