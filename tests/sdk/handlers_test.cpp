// SPDX-License-Identifier: Apache-2.0
//
// Handlers of every shape, called as a host calls them.
#include "fake_host.hpp"
#include "sample.hpp"

using namespace sample;
using backplane::decode;
using backplane::encode;
using fake::Answer;

namespace {

struct Pair {
  std::int32_t a = 0, b = 0;
};
BOOST_DESCRIBE_STRUCT(Pair, (), (a, b))
struct Number {
  std::int64_t n = 0;
};
BOOST_DESCRIBE_STRUCT(Number, (), (n))
struct Part {
  std::uint32_t i = 0;
};
BOOST_DESCRIBE_STRUCT(Part, (), (i))
struct Text {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Text, (), (text))

struct Kit : fake::Host {
  explicit Kit(Bytes config = {0xa0}) : Host(SDK_MODULES "/sdk_kit.so", std::move(config)) { REQUIRE(start() == ""); }

  template <class T>
  std::int64_t number(const std::string& name, const T& in) {
    const Answer answer = ask(name, encode(in));
    INFO(answer.message);
    REQUIRE(answer.status == BP_OK);
    return decode<Number>(answer.payload).n;
  }
  Answer bytes(const std::string& name, std::string_view payload) { return ask(name, hex(payload)); }
};

void check_error(const Answer& answer, bp_status status, const std::string& message) {
  CHECK(answer.status == status);
  CHECK(answer.message == message);
  CHECK(answer.payload.empty());
}

}  // namespace

TEST_CASE("a handler may be a free function or a member, const or not, with or without a request") {
  Kit kit;
  CHECK(kit.number("kit.add", Pair{2, 3}) == 5);
  CHECK(kit.number("kit.forty_two", Empty()) == 42);
  CHECK(kit.number("kit.accumulate", Number{5}) == 5);
  CHECK(kit.number("kit.accumulate", Number{-2}) == 3);
  CHECK(kit.number("kit.sum", Empty()) == 3);
  CHECK(kit.number("kit.peek", Empty()) == 3);
  CHECK(to_hex(kit.bytes("kit.reset", "").payload) == "f6");
  CHECK(kit.number("kit.sum", Empty()) == 0);
  CHECK(to_hex(kit.bytes("kit.list", "83 01 02 03").payload) == "83030201");
}

TEST_CASE("no request may be written as nothing, null or an empty map, and as nothing else") {
  Kit kit;
  for (const char* nothing : {"", "a0", "f6", "bf ff"}) CHECK(kit.bytes("kit.sum", nothing).status == BP_OK);
  check_error(kit.bytes("kit.sum", "a1 61 78 01"), BP_BAD_PAYLOAD, "x: unknown field; known: none");
  check_error(kit.bytes("kit.sum", "01"), BP_BAD_PAYLOAD, "expected an empty map, got int");
  check_error(kit.bytes("kit.sum", "a0 00"), BP_BAD_PAYLOAD, "found more bytes after the end of the item, at byte 1");
}

TEST_CASE("an empty payload stands for an empty map") {
  Kit kit;
  CHECK(decode<Number>(kit.bytes("kit.limit", "").payload).n == 5);
  CHECK(decode<Number>(kit.bytes("kit.limit", "a1 65 6c696d6974 f6").payload).n == -1);
  check_error(kit.bytes("kit.add", ""), BP_BAD_PAYLOAD, "a: missing, expected int");
}

TEST_CASE("a wrong payload is answered with the path of the field, and the handler does not run") {
  Kit kit;
  check_error(kit.bytes("kit.accumulate", "a1 61 6e 61 78"), BP_BAD_PAYLOAD, "n: expected int, got text");
  check_error(kit.bytes("kit.list", "82 01 1b00000000ffffffff"), BP_BAD_PAYLOAD,
              "[1]: expected -2147483648..2147483647, got 4294967295");
  check_error(kit.bytes("kit.later", "a0"), BP_BAD_PAYLOAD, "n: missing, expected int");
  CHECK(kit.number("kit.sum", Empty()) == 0);
}

TEST_CASE("what a handler throws becomes its answer") {
  Kit kit;
  const Answer own = kit.ask("kit.fail", encode(Text{"status"}));
  check_error(own, BP_STATUS_MODULE_FIRST + 3, "my own error");
  CHECK(decode<Pair>(own.detail).b == 2);
  check_error(kit.ask("kit.fail", encode(Text{"no error"})), BP_ERROR, "not a terminal status");
  check_error(kit.ask("kit.fail", encode(Text{"std"})), BP_EXCEPTION, "beyond the edge");
  check_error(kit.ask("kit.fail", encode(Text{"bytes"})), BP_EXCEPTION, "no file caf\\xe9");
  check_error(kit.ask("kit.fail", encode(Text{"other"})), BP_EXCEPTION,
              "the handler threw an object that is not a std::exception");
  check_error(kit.bytes("kit.bad_text", ""), BP_EXCEPTION, "text: cannot be sent: text that is not UTF-8");
}

TEST_CASE("a small answer is copied, a large one handed over") {
  Kit kit;
  const Answer small = kit.ask("kit.big", encode(Number{100}));
  CHECK_FALSE(small.in_buffer);
  const Answer big = kit.ask("kit.big", encode(Number{100'000}));
  CHECK(big.in_buffer);
  CHECK(decode<Text>(big.payload).text == std::string(100'000, 'x'));
  CHECK(kit.buffers_alive() == 0);
}

TEST_CASE("a refused answer gives its buffer back") {
  Kit kit;
  kit.refuse_answers = true;
  const fake::Request request = kit.call("kit.big", encode(Number{100'000}));
  CHECK(request.handled == BP_DONE);
  CHECK(request.terminal.empty());
  CHECK(kit.buffers_alive() == 0);
}

TEST_CASE("raw handlers see and give bytes") {
  Kit kit;
  CHECK(kit.bytes("kit.reversed", "01 ff 00").payload == Bytes{0, 255, 1});
  CHECK(kit.bytes("kit.reversed", "").payload.empty());
  const Answer none = kit.bytes("kit.swallow", "ffff");
  CHECK(none.status == BP_OK);
  CHECK(none.payload.empty());
}

TEST_CASE("sleeping, yielding and asking for the time left go to the host") {
  Kit kit;
  CHECK(kit.number("kit.wait", Number{25}) == 25);
  CHECK(kit.slept == std::vector<std::uint64_t>{25, 0});
  CHECK(kit.number("kit.left", Empty()) == -1);
  kit.remaining_ms = 1234;
  CHECK(kit.number("kit.left", Empty()) == 1234);
  CHECK(kit.number("kit.ready", Empty()) == 1);
  kit.fd_status = BP_TIMEOUT;
  CHECK(kit.number("kit.ready", Empty()) == 0);
}

TEST_CASE("a cancellation passes the handler's catch of std::exception and becomes the answer") {
  Kit kit;
  kit.state = BP_CANCELED;
  check_error(kit.bytes("kit.guarded", ""), BP_CANCELED, "the call was canceled");
  kit.state = BP_DEADLINE;
  check_error(kit.bytes("kit.guarded", ""), BP_DEADLINE, "the call's deadline has passed");
  check_error(kit.bytes("kit.ready", ""), BP_DEADLINE, "the call's deadline has passed");
}

TEST_CASE("calls outwards are typed, and what they are asked for arrives") {
  Kit kit;
  std::vector<std::string> seen;
  kit.on_call = [&](std::string_view name, const Bytes& payload, std::uint64_t ms) {
    seen.push_back(std::string(name) + " " + decode<Text>(payload).text + " " + std::to_string(ms));
    return Answer{BP_OK, encode(Number{10}), "", {}, false};
  };
  kit.on_host_call = [&](std::string_view name, const Bytes&, std::uint64_t ms) {
    seen.push_back(std::string(name) + " " + std::to_string(ms));
    return Answer{BP_OK, encode(Number{7}), "", {}, false};
  };
  CHECK(kit.number("kit.ask", Text{"q"}) == 17);
  CHECK(seen == std::vector<std::string>{"other.lookup q 250", "host.add 0"});
  CHECK(kit.number("kit.tell", Text{"note"}) == static_cast<std::int64_t>(encode(Number{7}).size()));
  CHECK(kit.results_alive() == 0);
}

TEST_CASE("an error from outside reaches the caller with its detail") {
  Kit kit;
  kit.on_call = [](std::string_view, const Bytes&, std::uint64_t) {
    return Answer{BP_NOT_FOUND, {}, "no such thing", encode(Number{3}), false};
  };
  const Answer answer = kit.ask("kit.ask", encode(Text{"q"}));
  check_error(answer, BP_NOT_FOUND, "no such thing");
  CHECK(decode<Number>(answer.detail).n == 3);
  kit.on_call = [](std::string_view, const Bytes&, std::uint64_t) { return Answer{BP_TIMEOUT, {}, "", {}, false}; };
  check_error(kit.ask("kit.ask", encode(Text{"q"})), BP_TIMEOUT, "other.lookup: answered TIMEOUT");
  kit.on_call = [](std::string_view, const Bytes&, std::uint64_t) {
    return Answer{BP_OK, encode(Text{"n"}), "", {}, false};
  };
  check_error(kit.ask("kit.ask", encode(Text{"q"})), BP_ERROR,
              "the answer of other.lookup has another form than expected: n: missing, expected int");
  CHECK(kit.results_alive() == 0);
}

TEST_CASE("answers may have members that the caller does not know, requests may not") {
  Kit kit;
  const Bytes more = hex("a2 61 6e 0a 61 78 f5");  // {n: 10, x: true}
  kit.on_call = [&](std::string_view, const Bytes&, std::uint64_t) { return Answer{BP_OK, more, "", {}, false}; };
  kit.on_host_call = kit.on_call;
  CHECK(kit.number("kit.ask", Text{"q"}) == 20);
  check_error(kit.ask("kit.accumulate", more), BP_BAD_PAYLOAD, "x: unknown field; known: n");
}

TEST_CASE("the deadline of a call outwards is an error, that of the request itself ends the handler") {
  Kit kit;
  kit.on_call = [](std::string_view, const Bytes&, std::uint64_t) {
    return Answer{BP_DEADLINE, {}, "other.lookup took too long", {}, false};
  };
  check_error(kit.ask("kit.ask", encode(Text{"q"})), BP_DEADLINE, "other.lookup took too long");
  kit.state = BP_DEADLINE;
  check_error(kit.ask("kit.ask", encode(Text{"q"})), BP_DEADLINE, "the call's deadline has passed");
}

TEST_CASE("partial answers come before the terminal one") {
  Kit kit;
  const fake::Request request = kit.call("kit.stream", encode(Number{3}));
  REQUIRE(request.partial.size() == 3);
  CHECK(to_hex(request.partial[2].payload) == "a1616902");
  REQUIRE(request.terminal.size() == 1);
  CHECK(request.terminal[0].status == BP_OK);
}

TEST_CASE("a handler whose parts are no longer wanted ends as canceled") {
  Kit kit;
  kit.refuse_answers = true;
  const fake::Request request = kit.call("kit.stream", encode(Number{1'000'000'000}));
  CHECK(request.partial.empty());
}

TEST_CASE("a part waits for room without a bound, with one, or not at all") {
  Kit kit;
  CHECK(kit.call("kit.stream", encode(Number{1})).partial.size() == 1);
  CHECK(decode<Number>(kit.ask("kit.patient", encode(Number{40})).payload).n == 1);
  CHECK(kit.part_waits == std::vector<std::uint64_t>{0, 40});
  CHECK(decode<Number>(kit.ask("kit.try_stream", encode(Number{3})).payload).n == 3);
  CHECK(kit.part_waits.size() == 2);
  kit.part_status = BP_TIMEOUT;
  CHECK(decode<Number>(kit.ask("kit.patient", encode(Number{40})).payload).n == 0);
  kit.part_status = BP_OUT_OF_MEMORY;
  check_error(kit.ask("kit.stream", encode(Number{1})), BP_OUT_OF_MEMORY,
              "a partial answer was refused: the host answered OUT_OF_MEMORY");
  kit.part_status = BP_OK;
  kit.state = BP_CANCELED;
  check_error(kit.ask("kit.stream", encode(Number{1})), BP_CANCELED, "the call was canceled");
}

TEST_CASE("a handler reads the parts of its request, and is declared so") {
  Kit kit;
  CHECK(kit.handler("kit.total").flags == BP_HANDLER_PARTS);
  CHECK(kit.handler("kit.stream").flags == 0);
  CHECK(decode<Number>(kit.ask("kit.total", encode(Number{5})).payload).n == 5);
  for (std::uint32_t i = 1; i <= 3; ++i) kit.input_parts.push_back(encode(Part{i}));
  CHECK(decode<Number>(kit.ask("kit.total", encode(Number{5})).payload).n == 11);
  kit.input_parts.push_back(encode(Number{1}));
  CHECK(kit.ask("kit.total", encode(Number{5})).status == BP_BAD_PAYLOAD);
  kit.state = BP_DEADLINE;
  check_error(kit.ask("kit.total", encode(Number{5})), BP_DEADLINE, "the call's deadline has passed");
  CHECK(kit.results_alive() == 0);
}

TEST_CASE("an answer may come later, from another thread") {
  Kit kit;
  const fake::Request request = kit.call("kit.later", encode(Number{21}));
  CHECK(request.handled == BP_LATER);
  CHECK(decode<Number>(kit.wait_terminal(request.token).payload).n == 42);
}

TEST_CASE("whoever drops the duty to answer has answered no_reply") {
  Kit kit;
  check_error(kit.bytes("kit.dropped", ""), BP_NO_REPLY, "the handler dropped the call without an answer");
  check_error(kit.bytes("kit.ignored", ""), BP_NO_REPLY, "the handler dropped the call without an answer");
}

TEST_CASE("a handler that answers later may fail, before or after") {
  Kit kit;
  check_error(kit.bytes("kit.throws_early", ""), BP_IO, "too early");
  CHECK(decode<Number>(kit.bytes("kit.throws_late", "").payload).n == 1);
  check_error(kit.bytes("kit.refuses", ""), BP_NOT_FOUND, "looked everywhere");
  CHECK(to_hex(kit.bytes("kit.acknowledges", "").payload) == "f6");
}

TEST_CASE("a module offers host functions with the same kinds of functions") {
  Kit kit;
  CHECK(decode<Number>(kit.ask_function("maths.add", encode(Pair{20, 22})).payload).n == 42);
  CHECK(decode<Number>(kit.ask_function("maths.later", encode(Number{4})).payload).n == 8);
  check_error(kit.ask_function("maths.add", {}), BP_BAD_PAYLOAD, "a: missing, expected int");
}

TEST_CASE("events are typed, and a lost one is told or logged") {
  Kit kit;
  CHECK(kit.number("kit.emit", Number{5}) == BP_OK);
  REQUIRE(kit.emitted.size() == 1);
  CHECK(kit.emitted[0].name == "kit.happened");
  CHECK(kit.emitted[0].flags == BP_EVENT_TYPED);
  CHECK(decode<Number>(kit.emitted[0].payload).n == 5);
  kit.emit_status = BP_OVERFLOW;
  CHECK(kit.number("kit.emit", Number{5}) == BP_OVERFLOW);
  CHECK(kit.bytes("kit.announce", "a1 61 6e 01").status == BP_OK);
  REQUIRE(kit.logged.size() == 1);
  CHECK(kit.logged[0].second == "event kit.happened is lost: OVERFLOW");
}

TEST_CASE("handles name objects by type and id, and go when released") {
  Kit kit;
  const std::int64_t id = kit.number("kit.make", Number{9});
  CHECK(kit.number("kit.look", Number{id}) == 9);
  const std::string message = "handle " + std::to_string(id) + " names no live object of the expected type";
  check_error(kit.ask("kit.wrong_type", encode(Number{id})), BP_INVALID_HANDLE, message);
  CHECK(kit.number("kit.forget", Number{id}) == 0);
  check_error(kit.ask("kit.look", encode(Number{id})), BP_INVALID_HANDLE, message);
}

TEST_CASE("blocking handlers are registered as such") {
  Kit kit;
  CHECK(kit.handler("kit.sum").flags == 0);
  CHECK(kit.handler("kit.blocking").flags == BP_HANDLER_BLOCKING);
  CHECK(kit.handler("kit.concurrent").flags == (BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT));
  CHECK(kit.handler("kit.swallow").flags == BP_HANDLER_BLOCKING);
}

TEST_CASE("log lines below the host's level are not written") {
  Kit kit;
  kit.number("kit.wait", Number{3});
  REQUIRE(kit.logged.size() == 1);
  CHECK(kit.logged[0] == std::pair<int, std::string>(BP_LOG_INFO, "waited 3 ms in kit.wait"));
}
