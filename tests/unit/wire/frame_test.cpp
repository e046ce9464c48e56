// SPDX-License-Identifier: Apache-2.0
//
// The codec of frames: bytes on the wire, round trips, and refusals of malformed frames.
#include "wire/frame.hpp"

#include <backplane/backplane.h>

#include <backplane/cbor/reader.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "wire/frame_buffer.hpp"

using namespace backplane::host;
namespace cbor = backplane::cbor;

namespace {

wire::Bytes bytes_of(std::initializer_list<int> values) { return wire::Bytes(values.begin(), values.end()); }

template <class T>
wire::Bytes whole(const T& frame) {
  wire::Bytes out;
  wire::encode(out, frame);
  return out;
}

wire::View body(const wire::Bytes& frame) { return wire::View(frame).subspan(wire::header_size); }

template <class T>
T round_trip(const wire::Bytes& encoded) {
  const wire::Frame frame = wire::decode(body(encoded));
  REQUIRE(std::holds_alternative<T>(frame));
  return std::get<T>(frame);
}

template <class T>
std::string refusal(const T& damaged) {
  try {
    wire::decode(damaged);
  } catch (const wire::ProtocolError& error) {
    return error.what();
  }
  return "accepted";
}

bool same(wire::View a, wire::View b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

}  // namespace

TEST_CASE("a frame is called by its name, with the right article") {
  CHECK(wire::a_frame(wire::Frame(wire::Call{})) == "a call frame");
  CHECK(wire::a_frame(wire::Frame(wire::Unlisten{})) == "an unlisten frame");
  CHECK(wire::a_frame(wire::Frame(wire::Error{})) == "an error frame");
  CHECK(refusal(bytes_of({0x81, 3})).find("a cancel frame with 1 item; expected at least 2") == 0);
}

TEST_CASE("a call comes back as it was sent, by name and by method") {
  const wire::Bytes payload = bytes_of({0, 1, 2, 255});
  wire::Call call;
  call.id = 0xFFFFFFFFFFFFFFFFu;
  call.target.name = "echo.shout";
  call.payload = payload;
  call.timeout_ms = 1500;
  call.flags = 1;
  const wire::Bytes by_name = whole(call);
  const auto named = round_trip<wire::Call>(by_name);
  CHECK(named.id == call.id);
  CHECK(named.target.method == 0);
  CHECK(named.target.name == "echo.shout");
  CHECK(same(named.payload, payload));
  CHECK(named.timeout_ms == 1500);
  CHECK(named.flags == 1);

  call.target.method = 77;
  const wire::Bytes by_method = whole(call);
  CHECK(round_trip<wire::Call>(by_method).target.method == 77);
  CHECK(round_trip<wire::Call>(by_method).target.name.empty());
}

TEST_CASE("every kind of frame comes back as it was sent") {
  const wire::Bytes config = bytes_of({0xa0});
  const std::string path = "/tmp/\xff.so";
  CHECK(round_trip<wire::Hello>(whole(wire::Hello{1, "0.1.0", 42, 1000})).pid == 42);
  CHECK(round_trip<wire::Hello>(whole(wire::Hello{1, "0.1.0", 42, 1000})).max_frame == 1000);
  CHECK(round_trip<wire::Cancel>(whole(wire::Cancel{7})).id == 7);
  CHECK(round_trip<wire::Resolve>(whole(wire::Resolve{7, "kv.get"})).id == 7);
  CHECK(round_trip<wire::Listen>(whole(wire::Listen{7, 8, "kv.*"})).listener == 8);
  CHECK(round_trip<wire::Listen>(whole(wire::Listen{7, 8, "kv.*", 2})).flags == 2);
  CHECK(round_trip<wire::Unlisten>(whole(wire::Unlisten{7, 8})).listener == 8);
  CHECK(round_trip<wire::Heard>(whole(wire::Heard{8, 300})).bytes == 300);
  const wire::Bytes load = whole(wire::Load{9, wire::as_bytes(path), config});
  CHECK(wire::as_text(round_trip<wire::Load>(load).path) == path);
  CHECK(same(round_trip<wire::Load>(load).config, config));
  CHECK(round_trip<wire::Unload>(whole(wire::Unload{7, "kv", 300})).timeout_ms == 300);
  CHECK(round_trip<wire::Reload>(whole(wire::Reload{7, "kv", {}, {}, 300})).path.empty());
  CHECK(round_trip<wire::List>(whole(wire::List{1})).id == 1);
  CHECK(round_trip<wire::Status>(whole(wire::Status{2})).id == 2);
  CHECK(round_trip<wire::Stop>(whole(wire::Stop{3})).id == 3);
  const wire::Bytes log = whole(wire::Log{4, "kv", "debug"});
  CHECK(round_trip<wire::Log>(log).module == "kv");
  CHECK(round_trip<wire::Log>(log).level == "debug");
  const wire::Bytes event = whole(wire::Event{4, 1, "kv.changed", config});
  CHECK(round_trip<wire::Event>(event).name == "kv.changed");
  CHECK(same(round_trip<wire::Event>(event).payload, config));
  const wire::Bytes error = whole(wire::Error{BP_PROTOCOL, "no"});
  CHECK(round_trip<wire::Error>(error).status == BP_PROTOCOL);
  CHECK(round_trip<wire::Error>(error).message == "no");
}

TEST_CASE("a reply keeps every status, also those below zero and above the host's") {
  for (const bp_status status : {BP_OK + 0, BP_ERROR + 0, BP_PARTIAL + 0, 1000, 2147483647, -1, -2147483647 - 1}) {
    const wire::Bytes detail = bytes_of({0xf6});
    const wire::Bytes encoded = whole(wire::Reply{5, status, {}, "why \xc3\xa9", detail});
    const auto reply = round_trip<wire::Reply>(encoded);
    CHECK(reply.status == status);
    CHECK(reply.message == "why \xc3\xa9");
    CHECK(same(reply.detail, detail));
  }
}

TEST_CASE("the settings of a module come back as they were sent, and are missing if there are none") {
  wire::Load load{9, {}, {}};
  CHECK(whole(load) == bytes_of({0, 0, 0, 5, 0x84, 0x07, 0x09, 0x40, 0x40}));
  load.workers = 2;
  CHECK(whole(load) == bytes_of({0, 0, 0, 9, 0x88, 0x07, 0x09, 0x40, 0x40, 0x00, 0x00, 0x02, 0x00}));
  CHECK(round_trip<wire::Load>(whole(load)).workers == 2);
  wire::Reload reload{7, "kv", {}, {}, 300};
  reload.flags = BP_LOAD_SETTINGS;
  CHECK(round_trip<wire::Reload>(whole(reload)).flags == BP_LOAD_SETTINGS);
  CHECK(round_trip<wire::Reload>(whole(reload)).timeout_ms == 300);
  wire::Begin begin{7, BP_OPERATION_LOAD, {}, {}, {}};
  begin.stack_size = 1 << 20;
  CHECK(round_trip<wire::Begin>(whole(begin)).stack_size == 1 << 20);
  wire::Hello hello{1, "0.1.0", 42, 1000};
  CHECK_FALSE(round_trip<wire::Hello>(whole(hello)).features.settings);
  hello.features.settings = true;
  CHECK(round_trip<wire::Hello>(whole(hello)).features.settings);
  CHECK_FALSE(round_trip<wire::Hello>(whole(hello)).features.compare);
  hello.features.compare = true;
  CHECK(round_trip<wire::Hello>(whole(hello)).features.compare);
}

TEST_CASE("the frames on the wire are those that docs/protocol.md describes, byte for byte") {
  CHECK(whole(wire::Cancel{24}) == bytes_of({0, 0, 0, 4, 0x82, 0x03, 0x18, 24}));
  CHECK(whole(wire::Call{1, {0, "a.b"}, {}, 0, 0}) ==
        bytes_of({0, 0, 0, 10, 0x86, 0x02, 0x01, 0x63, 'a', '.', 'b', 0x40, 0x00, 0x00}));
  // Without flags, as hosts expect it that know none.
  CHECK(whole(wire::Listen{1, 2, "a.b"}) == bytes_of({0, 0, 0, 8, 0x84, 0x05, 0x01, 0x02, 0x63, 'a', '.', 'b'}));
  CHECK(whole(wire::Listen{1, 2, "a.b", 2}) == bytes_of({0, 0, 0, 9, 0x85, 0x05, 0x01, 0x02, 0x63, 'a', '.', 'b', 2}));
  CHECK(whole(wire::Heard{2, 24}) == bytes_of({0, 0, 0, 5, 0x83, 0x0f, 0x02, 0x18, 24}));
  CHECK(whole(wire::Call{1, {9, {}}, {}, 0, 0}) == bytes_of({0, 0, 0, 7, 0x86, 0x02, 0x01, 0x09, 0x40, 0x00, 0x00}));
}

TEST_CASE("the example in docs/protocol.md is what goes over the wire") {
  std::ifstream file(BP_TEST_SOURCE_DIR "/docs/protocol.md");
  std::vector<wire::Bytes> shown;
  for (std::string line; std::getline(file, line);) {
    const std::size_t bar = line.find(" | ");
    if (!line.starts_with("    ") || bar == std::string::npos) continue;
    std::string digits = line.substr(bar - 8, 8) + line.substr(bar + 3);
    std::erase(digits, ' ');
    wire::Bytes bytes;
    for (std::size_t i = 0; i < digits.size(); i += 2) {
      bytes.push_back(static_cast<std::uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
    }
    shown.push_back(bytes);
  }
  REQUIRE(shown.size() == 3);
  CHECK(shown[0] == whole(wire::Hello{1, "0.1.0", 4242, wire::default_max_frame, 1, {true, true}}));
  const wire::Bytes empty_map = bytes_of({0xa0});
  CHECK(shown[1] == whole(wire::Call{1, {0, "echo.version"}, empty_map, 1000, 0}));
  wire::Bytes payload;
  cbor::Writer writer(payload);
  writer.map(1);
  writer.text("version");
  writer.text("1.0.0");
  CHECK(shown[2] == whole(wire::Reply{1, BP_OK, payload, {}, {}}));
}

TEST_CASE("items that an older peer does not send have their defaults") {
  const auto hello = std::get<wire::Hello>(
      wire::decode(bytes_of({0x86, 1, 0x69, 'b', 'a', 'c', 'k', 'p', 'l', 'a', 'n', 'e', 1, 0x61, 'x', 7, 8})));
  CHECK(hello.max_frame == 8);
  CHECK(hello.oldest == 0);
  CHECK_FALSE(hello.features.credit);
  const auto call = std::get<wire::Call>(wire::decode(bytes_of({0x87, 2, 1, 3, 0x40, 0, 0, 9})));
  CHECK(call.window_bytes == 9);
  CHECK(call.window_parts == 0);
}

TEST_CASE("features that this side does not know are passed over") {
  const auto hello = std::get<wire::Hello>(
      wire::decode(bytes_of({0x88, 1, 0x69, 'b', 'a',  'c',  'k', 'p',  'l', 'a', 'n', 'e', 1,  0x61,
                             'x',  7, 8,    1,   0x82, 0x61, 'y', 0x65, 'p', 'a', 'r', 't', 's'})));
  CHECK(hello.oldest == 1);
  CHECK(hello.features.parts);
  CHECK_FALSE(hello.features.credit);
  CHECK(refusal(bytes_of({0x88, 1, 0x69, 'b', 'a', 'c', 'k', 'p', 'l', 'a', 'n', 'e', 1, 0x61, 'x', 7, 8, 1, 0x81, 1}))
            .find("expected an array of texts") != std::string::npos);
}

TEST_CASE("items that a newer peer adds at the end of a frame are passed over") {
  CHECK(std::get<wire::Cancel>(wire::decode(bytes_of({0x84, 3, 7, 0x61, 'x', 0xa1, 1, 2}))).id == 7);
}

TEST_CASE("a frame of the wrong shape is refused with what was found and what was expected") {
  CHECK(refusal(bytes_of({0xa0})).find("begins with map; expected an array") != std::string::npos);
  CHECK(refusal(bytes_of({0x80})).find("expected an array") != std::string::npos);
  CHECK(refusal(bytes_of({0x9f, 0x03, 0x07, 0xff})).find("expected an array of known length") != std::string::npos);
  CHECK(refusal(bytes_of({0x81, 0x00})).find("unknown type (0)") != std::string::npos);
  CHECK(refusal(bytes_of({0x81, 0x1b, 1, 0, 0, 0, 0, 0, 0, 1})).find("unknown type") != std::string::npos);
  CHECK(refusal(bytes_of({0x81, 0x03})).find("cancel frame with 1 item; expected at least 2") != std::string::npos);
  CHECK(refusal(bytes_of({0x82, 0x03, 0x61, 'x'})).find("with text as item 1; expected an unsigned int") !=
        std::string::npos);
  CHECK(refusal(bytes_of({0x82, 0x03, 0x20})).find("expected an unsigned int") != std::string::npos);
  CHECK(refusal(bytes_of({0x82, 0x03, 0x07, 0x00})).find("more bytes after its end") != std::string::npos);
  CHECK(refusal(bytes_of({0x83, 0x04, 0x07, 0x7f, 0x61, 'x', 0xff})).find("text of known length") != std::string::npos);
  CHECK(refusal(bytes_of({0x83, 0x04, 0x07, 0x61, 0xff})).find("UTF-8") != std::string::npos);
  CHECK(refusal(bytes_of({0x86, 1, 0x64, 'h', 't', 't', 'p', 1, 0x60, 1, 1})).find("expected \"backplane\"") !=
        std::string::npos);
  CHECK(refusal(wire::Bytes{}).find("ends too early") != std::string::npos);
}

TEST_CASE("one read brings many frames, and the ends of frames that began before") {
  wire::Bytes stream;
  constexpr std::uint64_t count = 500;
  for (std::uint64_t id = 0; id < count; ++id) wire::encode(stream, wire::Cancel{id});
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{7}, std::size_t{1000}, stream.size()}) {
    wire::FrameBuffer buffer(1024);
    std::uint64_t next = 0;
    for (std::size_t at = 0; at < stream.size();) {
      const auto room = buffer.room();
      const std::size_t size = std::min({step, room.size(), stream.size() - at});
      std::copy_n(stream.begin() + static_cast<std::ptrdiff_t>(at), size, room.begin());
      buffer.filled(size);
      at += size;
      for (wire::View frame; buffer.next(frame); ++next) {
        REQUIRE(std::get<wire::Cancel>(wire::decode(frame)).id == next);
      }
    }
    CHECK(next == count);
  }
}

TEST_CASE("a frame that announces more than is allowed is refused before any of it has come") {
  wire::FrameBuffer buffer(wire::default_max_frame);
  auto room = buffer.room();
  const wire::Bytes head = bytes_of({0x04, 0, 0, 1});
  std::copy(head.begin(), head.end(), room.begin());
  buffer.filled(head.size());
  wire::View frame;
  CHECK_THROWS_AS(buffer.next(frame), wire::ProtocolError);
}

TEST_CASE("a frame that announces much and brings little takes little memory") {
  wire::FrameBuffer buffer(wire::default_max_frame);
  auto room = buffer.room();
  const wire::Bytes head = bytes_of({0x04, 0, 0, 0, 1, 2, 3});
  std::copy(head.begin(), head.end(), room.begin());
  buffer.filled(head.size());
  wire::View frame;
  CHECK_FALSE(buffer.next(frame));
  CHECK(buffer.room().size() < 100'000);
}

TEST_CASE("a large frame comes through in small reads, and its memory goes back") {
  wire::Call call;
  const wire::Bytes payload(3'000'000, 0x5a);
  call.target.name = "echo.raw";
  call.payload = payload;
  const wire::Bytes stream = whole(call);
  wire::FrameBuffer buffer(wire::default_max_frame);
  wire::View frame;
  bool complete = false;
  for (std::size_t at = 0; at < stream.size();) {
    REQUIRE_FALSE(complete);
    const auto room = buffer.room();
    const std::size_t size = std::min({std::size_t{65536}, room.size(), stream.size() - at});
    std::copy_n(stream.begin() + static_cast<std::ptrdiff_t>(at), size, room.begin());
    buffer.filled(size);
    at += size;
    complete = buffer.next(frame);
  }
  REQUIRE(complete);
  CHECK(same(std::get<wire::Call>(wire::decode(frame)).payload, payload));
  CHECK(buffer.room().size() < 100'000);
}
