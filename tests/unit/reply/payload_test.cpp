// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <cstring>
#include <string>

#include "reply/answer.hpp"
#include "reply/payload.hpp"
#include "support/result.hpp"
#include "support/views.hpp"

using namespace backplane::host;

namespace {

bp_bytes bytes_of(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }
std::string text_of(bp_bytes bytes) { return {reinterpret_cast<const char*>(bytes.data), bytes.size}; }

bp_answer with_payload(bp_bytes payload) { return {sizeof(bp_answer), BP_OK, payload, {"", 0}, {nullptr, 0}, nullptr}; }

}  // namespace

TEST_CASE("a payload of any size is copied and comes back byte for byte") {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, Payload::inline_capacity, Payload::inline_capacity + 1, std::size_t{1} << 20}) {
    CAPTURE(size);
    std::string text(size, 'x');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31);
    const std::string expected = text;
    Payload payload;
    REQUIRE(payload.copy(bytes_of(text)));
    text.assign(size, '!');
    CHECK(text_of(payload.view()) == expected);
    CHECK(payload.view().data != nullptr);
  }
}

TEST_CASE("moving a payload leaves an empty one, small or large") {
  for (const std::size_t size : {std::size_t{5}, std::size_t{500}}) {
    const std::string text(size, 'm');
    Payload from;
    REQUIRE(from.copy(bytes_of(text)));
    const std::uint8_t* const before = from.view().data;
    Payload to;
    REQUIRE(to.copy(bytes_of("what was there")));
    to = std::move(from);
    CHECK(text_of(to.view()) == text);
    CHECK(from.view().size == 0);
    CHECK(from.view().data != nullptr);
    if (size > Payload::inline_capacity) CHECK(to.view().data == before);
  }
}

TEST_CASE("an adopted buffer is passed on without a copy, and can be disowned again") {
  bp_buffer* const buffer = new_buffer(1'000);
  REQUIRE(buffer != nullptr);
  CHECK(reinterpret_cast<std::uintptr_t>(buffer->data) % 16 == 0);
  CHECK(buffer->capacity >= 1'000);
  CHECK(buffer->size == 0);
  std::memcpy(buffer->data, "handed", 6);
  buffer->size = 6;
  Payload payload;
  payload.adopt(buffer);
  CHECK(payload.view().data == buffer->data);
  CHECK(text_of(payload.view()) == "handed");
  payload.disown();
  CHECK(payload.view().size == 0);
  CHECK(std::string(reinterpret_cast<const char*>(buffer->data), buffer->size) == "handed");
  free_buffer(buffer);
}

TEST_CASE("a buffer larger than any memory is refused and not made short") {
  CHECK(new_buffer(SIZE_MAX) == nullptr);
  CHECK(new_buffer(SIZE_MAX - 16) == nullptr);
}

TEST_CASE("an answer owns copies of all that it was given") {
  std::string payload = "result";
  std::string message = "what went wrong";
  std::string detail = "\xf6";
  Answer answer;
  answer.assign({sizeof(bp_answer), BP_BAD_PAYLOAD, bytes_of(payload), str(message), bytes_of(detail), nullptr});
  payload.assign(payload.size(), '-');
  message.assign(message.size(), '-');
  detail.assign(detail.size(), '-');
  const bp_answer seen = answer.view();
  CHECK(seen.status == BP_BAD_PAYLOAD);
  CHECK(text_of(seen.payload) == "result");
  CHECK(view(seen.message) == "what went wrong");
  CHECK(text_of(seen.detail) == "\xf6");
  answer.clear();
  CHECK(answer.view().status == BP_OK);
  CHECK(answer.view().message.size == 0);
}

TEST_CASE("an answer takes over the buffer that it is given, in the stead of the payload") {
  bp_buffer* const buffer = new_buffer(4);
  std::memcpy(buffer->data, "mine", 4);
  buffer->size = 4;
  bp_answer from = with_payload(bytes_of("not this"));
  from.buffer = buffer;
  Answer answer;
  answer.assign(from);
  CHECK(answer.view().payload.data == buffer->data);
  CHECK(text_of(answer.view().payload) == "mine");
  CHECK(answer.view().buffer == nullptr);  // shown, not given away
}

TEST_CASE("a failure forgets the payload that was there") {
  Answer answer;
  answer.assign(with_payload(bytes_of("half a result")));
  answer.fail(BP_DEADLINE, "too late");
  CHECK(answer.view().status == BP_DEADLINE);
  CHECK(answer.view().payload.size == 0);
  CHECK(view(answer.view().message) == "too late");
}

TEST_CASE("a result owns one block with payload, detail and a message that ends in NUL") {
  bp_result result{};
  result.struct_size = sizeof result;
  const std::string payload(300, 'p');
  CHECK(set_result(&result, BP_ERROR, view(bytes_of(payload)), "message", view(bytes_of("detail"))) == BP_ERROR);
  CHECK(text_of(result.payload) == payload);
  CHECK(std::strcmp(result.message.data, "message") == 0);
  CHECK(text_of(result.detail) == "detail");
  free_result(&result);
  CHECK(result.struct_size == sizeof result);
  CHECK(result.owner == nullptr);
  CHECK(result.payload.size == 0);
  free_result(&result);
  free_result(nullptr);
  CHECK(set_result(nullptr, BP_ERROR, "nobody listens") == BP_ERROR);
}

TEST_CASE("only statuses that end a call are terminal") {
  CHECK(is_terminal(BP_OK));
  CHECK(is_terminal(BP_ERROR));
  CHECK(is_terminal(BP_STATUS_MODULE_FIRST + 5));
  CHECK_FALSE(is_terminal(BP_MISSING_CALLBACK));
  CHECK_FALSE(is_terminal(BP_STALE));
  CHECK_FALSE(is_terminal(BP_PARTIAL));
  CHECK_FALSE(is_terminal(-1));
}
