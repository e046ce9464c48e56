// SPDX-License-Identifier: Apache-2.0
//
// What a C program relies on in backplane/cbor.h, apart from the well-formed inputs of fuzz.py.
#include <backplane/cbor.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

namespace {

int buffers = 0;      // that exist
int may_be_made = 0;  // until make() fails

bp_buffer* make(std::size_t capacity) {
  if (may_be_made == 0) return nullptr;
  --may_be_made;
  auto* const buffer = new bp_buffer{static_cast<std::uint8_t*>(std::malloc(capacity)), 0, capacity};
  ++buffers;
  return buffer;
}
void drop(bp_buffer* buffer) {
  std::free(buffer->data);
  delete buffer;
  --buffers;
}

bp_bytes bytes(const std::string& text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }
std::string text(bp_str view) { return {view.data, view.size}; }
std::string text(bp_bytes view) { return {reinterpret_cast<const char*>(view.data), view.size}; }

/// Valid until the next call.
bp_cbor_reader reader_of(const std::string& input) {
  static std::string kept;
  kept = input;
  bp_cbor_reader in;
  bp_cbor_begin(&in, bytes(kept));
  return in;
}

template <class F>
std::string written(F put) {
  std::uint8_t memory[64];
  bp_cbor_writer out;
  bp_cbor_writer_fixed(&out, memory, sizeof memory);
  put(&out);
  return text(bp_cbor_view(&out));
}

}  // namespace

TEST_CASE("a member of a map is found by its name, whatever stands around it") {
  const std::string map =
      "\xa3\x61x\x82\x01\x02\x67user_id\x63"
      "ada\x05\xf6";
  bp_cbor_reader value;
  bp_str user{};
  REQUIRE(bp_cbor_find(bytes(map), BP_STR("user_id"), &value) == 1);
  CHECK(bp_cbor_get_text(&value, &user) == 1);
  CHECK(text(user) == "ada");
  CHECK(bp_cbor_end(&value) == 1);
  REQUIRE(bp_cbor_find(bytes(map), BP_STR("x"), &value) == 1);
  bp_cbor_level level;
  std::uint64_t number = 0;
  CHECK(bp_cbor_enter_array(&value, &level) == 1);
  CHECK((bp_cbor_more(&value, &level) == 1 && bp_cbor_get_uint(&value, &number) == 1 && number == 1));

  CHECK(bp_cbor_find(bytes(map), BP_STR("user"), &value) == 0);
  CHECK(std::string(value.fault) == "a member of the map is missing");
  CHECK(bp_cbor_find(bytes("\x80"), BP_STR("x"), &value) == 0);
  CHECK(std::string(value.fault) == "expected a map");
  CHECK(bp_cbor_find(bytes(map + "\x01"), BP_STR("x"), &value) == 0);
  CHECK(bp_cbor_find(bytes(map.substr(0, map.size() - 1)), BP_STR("x"), &value) == 0);
  CHECK(bp_cbor_find({nullptr, 0}, BP_STR("x"), &value) == 0);
}

TEST_CASE("the first fault stays, with its place, and nothing is read after it") {
  bp_cbor_reader in = reader_of(std::string("\x01\x61z\x02", 4));
  std::uint64_t number = 7;
  bp_str word{};
  CHECK(bp_cbor_get_uint(&in, &number) == 1);
  CHECK(bp_cbor_get_uint(&in, &number) == 0);
  CHECK(number == 1);
  CHECK(bp_cbor_get_text(&in, &word) == 0);
  CHECK(bp_cbor_skip(&in) == 0);
  CHECK(bp_cbor_peek(&in) == BP_CBOR_NONE);
  CHECK(std::string(in.fault) == "expected an unsigned number");
  CHECK(in.fault_at == 1);
}

TEST_CASE("a level with a fault inside ends, so that a loop over it does too") {
  for (const std::string& input :
       {std::string("\x9f\x01"), std::string("\x83\x01"), std::string("\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01")}) {
    bp_cbor_reader in = reader_of(input);
    bp_cbor_level level;
    bp_cbor_enter_array(&in, &level);
    int items = 0;
    while (bp_cbor_more(&in, &level) && items < 100) items += bp_cbor_skip(&in) + 1;
    CHECK(items < 5);
    CHECK(bp_cbor_end(&in) == 0);
    CHECK(in.fault != nullptr);
  }
}

TEST_CASE("numbers keep their bounds") {
  std::int64_t number = 0;
  bp_cbor_reader in = reader_of("\x3b\x7f\xff\xff\xff\xff\xff\xff\xff");
  CHECK((bp_cbor_get_int(&in, &number) == 1 && number == std::numeric_limits<std::int64_t>::min()));
  in = reader_of(std::string("\x3b\x80\0\0\0\0\0\0\0", 9));
  CHECK(bp_cbor_get_int(&in, &number) == 0);
  in = reader_of(std::string("\x1b\x80\0\0\0\0\0\0\0", 9));
  CHECK(bp_cbor_get_int(&in, &number) == 0);
  in = reader_of("\xf5");
  CHECK(bp_cbor_get_int(&in, &number) == 0);
  CHECK(written([](bp_cbor_writer* out) { bp_cbor_put_int(out, std::numeric_limits<std::int64_t>::min()); }) ==
        "\x3b\x7f\xff\xff\xff\xff\xff\xff\xff");

  double real = 0;
  in = reader_of("\x18\x64");
  CHECK((bp_cbor_get_double(&in, &real) == 1 && real == 100));
  in = reader_of(std::string("\xf9\x00\x01", 3));
  CHECK((bp_cbor_get_double(&in, &real) == 1 && real == std::ldexp(1.0, -24)));
  CHECK(written([](bp_cbor_writer* out) { bp_cbor_put_double(out, 1e308); }).size() == 9);
  CHECK(written([](bp_cbor_writer* out) { bp_cbor_put_double(out, -0.0); }) == std::string("\xfa\x80\0\0\0", 5));
  CHECK(written([](bp_cbor_writer* out) { bp_cbor_put_double(out, 0.1); }).size() == 9);
}

TEST_CASE("a writer grows, and hands over a buffer of the right size") {
  may_be_made = 100;
  bp_cbor_writer out;
  bp_cbor_writer_init(&out, make, drop);
  bp_cbor_put_array(&out, 1000);
  for (int i = 0; i < 1000; ++i) bp_cbor_put_string(&out, "some text");
  bp_buffer* const buffer = bp_cbor_take(&out);
  REQUIRE(buffer != nullptr);
  CHECK(buffer->size == 3 + 1000 * 10);
  const bp_bytes item{buffer->data, buffer->size};
  CHECK(bp_cbor_check(item, nullptr) == 1);
  drop(buffer);
  CHECK(buffers == 0);

  bp_cbor_writer_init(&out, make, drop);
  bp_buffer* const empty = bp_cbor_take(&out);
  REQUIRE(empty != nullptr);
  CHECK(empty->size == 0);
  drop(empty);
}

TEST_CASE("a writer without memory says so once, at the end, and leaves nothing behind") {
  for (int made = 0; made < 4; ++made) {
    may_be_made = made;
    bp_cbor_writer out;
    bp_cbor_writer_init(&out, make, drop);
    for (int i = 0; i < 1000; ++i) bp_cbor_put_string(&out, "some text");
    CHECK(bp_cbor_view(&out).size == 0);
    CHECK(bp_cbor_take(&out) == nullptr);
    CHECK(out.status == BP_OUT_OF_MEMORY);
    CHECK(buffers == 0);
  }
}

TEST_CASE("a writer into the caller's memory stops at its end, and never writes half an item") {
  std::uint8_t memory[8] = {};
  bp_cbor_writer out;
  bp_cbor_writer_fixed(&out, memory, 6);
  bp_cbor_put_string(&out, "abcde");
  CHECK(out.status == BP_OK);
  CHECK(text(bp_cbor_view(&out)) ==
        "\x65"
        "abcde");
  bp_cbor_put_null(&out);
  CHECK(out.status == BP_OVERFLOW);
  CHECK(bp_cbor_view(&out).size == 0);
  CHECK(memory[6] == 0);
}

TEST_CASE("text that is not UTF-8 is not written") {
  CHECK(written([](bp_cbor_writer* out) {
          bp_cbor_put_string(out, "\xed\xa0\x80");
          CHECK(out->status == BP_INVALID_ARGUMENT);
        }).empty());
}
