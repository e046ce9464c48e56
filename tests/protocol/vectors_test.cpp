// SPDX-License-Identifier: Apache-2.0
//
// The host's codec against the vectors, which are made without it.
#include <backplane/cbor/reader.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "cli/json/json.hpp"
#include "wire/frame.hpp"
#include "wire/frame_quick.hpp"

using namespace backplane::host;
namespace cbor = backplane::cbor;

namespace {

/// A value of a JSON file.
struct Json {
  std::map<std::string, Json> members;
  std::vector<Json> items;
  std::string text;
  std::uint64_t number = 0;  ///< negative: two's complement
  bool truth = false;

  const Json& operator[](const std::string& key) const {
    const auto found = members.find(key);
    INFO(key);
    REQUIRE(found != members.end());
    return found->second;
  }
  bool has(const std::string& key) const { return members.contains(key); }

  std::uint64_t uint() const { return has("int") ? std::stoull((*this)["int"].text) : number; }
  std::uint32_t uint32() const { return static_cast<std::uint32_t>(number); }
  wire::Bytes bytes() const { return unhex((*this)["bytes"].text); }

  static wire::Bytes unhex(const std::string& digits) {
    wire::Bytes out;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
      out.push_back(static_cast<std::uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
    }
    return out;
  }
};

Json read(cbor::Reader& reader) {
  Json out;
  const cbor::Item item = reader.next();
  switch (item.type) {
    case cbor::Type::map:
      for (std::uint64_t i = 0; i < item.value; ++i) {
        const std::string key(reader.next().text());
        out.members[key] = read(reader);
      }
      break;
    case cbor::Type::array:
      for (std::uint64_t i = 0; i < item.value; ++i) out.items.push_back(read(reader));
      break;
    case cbor::Type::text:
      out.text = item.text();
      break;
    case cbor::Type::negint:
      out.number = ~item.value;
      break;
    default:
      out.number = item.value;
      out.truth = item.type == cbor::Type::boolean && item.value != 0;
  }
  return out;
}

Json vectors_of(const std::string& file) {
  std::ifstream in(BP_TEST_SOURCE_DIR "/tests/protocol/vectors/" + file);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const cbor::Bytes bytes = json_to_cbor(text);
  cbor::Reader reader(bytes);
  return read(reader)["vectors"];
}

/// A frame as the file says what it means. It keeps what the views point to.
class Meaning {
 public:
  explicit Meaning(const Json& frame) : frame_(frame) {}

  wire::Bytes encoded() {
    const std::string name = frame_["frame"].text;
    if (name == "hello") return of(hello());
    if (name == "call") return of(call());
    if (name == "cancel") return of(wire::Cancel{id()});
    if (name == "resolve") return of(wire::Resolve{id(), text("name")});
    if (name == "listen") return of(wire::Listen{id(), uint("listener"), text("pattern"), uint32("flags")});
    if (name == "unlisten") return of(wire::Unlisten{id(), uint("listener")});
    if (name == "heard") return of(wire::Heard{uint("listener"), uint("bytes")});
    if (name == "load") return of(settings(wire::Load{id(), bytes("path"), bytes("config")}));
    if (name == "unload") return of(wire::Unload{id(), text("module"), uint("timeout-ms")});
    if (name == "reload") {
      return of(settings(wire::Reload{id(), text("module"), bytes("path"), bytes("config"), uint("timeout-ms")}));
    }
    if (name == "list") return of(wire::List{id()});
    if (name == "status") return of(wire::Status{id()});
    if (name == "stop") return of(wire::Stop{id()});
    if (name == "credit") return of(wire::Credit{id(), uint("bytes")});
    if (name == "part") return of(wire::Part{id(), bytes("payload"), uint32("flags")});
    if (name == "log") return of(wire::Log{id(), text("module"), text("level")});
    if (name == "begin") {
      return of(settings(wire::Begin{id(), uint32("kind"), text("module"), bytes("path"), bytes("config")}));
    }
    if (name == "wait") return of(wire::Wait{id(), uint("operation"), uint("timeout-ms")});
    if (name == "undo") return of(wire::Undo{id(), uint("operation")});
    if (name == "reconfigure") return of(wire::Reconfigure{id(), uint32("flags")});
    if (name == "expect") return of(wire::Expect{id(), text("module"), text("hash"), text("cddl")});
    if (name == "provide") {
      return of(wire::Provide{id(), uint("kind"), text("name"), uint32("flags"), uint("window-bytes"),
                              uint32("window-parts")});
    }
    if (name == "withdraw") return of(wire::Withdraw{id(), text("name")});
    if (name == "ask") {
      return of(wire::Ask{uint("token"), text("name"), bytes("payload"), uint("timeout-ms"), uint32("flags")});
    }
    if (name == "answer") {
      return of(wire::Answer{uint("token"), status(), bytes("payload"), text("message"), bytes("detail")});
    }
    if (name == "unask") return of(wire::Unask{uint("token")});
    if (name == "reply") return of(wire::Reply{id(), status(), bytes("payload"), text("message"), bytes("detail")});
    if (name == "event") {
      return of(wire::Event{uint("listener"), uint32("flags"), text("name"), bytes("payload")});
    }
    REQUIRE(name == "error");
    return of(wire::Error{status(), text("message")});
  }

 private:
  template <class T>
  static wire::Bytes of(const T& frame) {
    wire::Bytes out;
    wire::encode(out, frame);
    return out;
  }
  template <class T>
  T settings(T frame) {
    frame.flags = uint32("flags");
    frame.stack_size = uint("stack-size");
    frame.workers = uint32("workers");
    frame.drain_ms = uint32("drain-ms");
    return frame;
  }
  wire::Hello hello() {
    wire::Hello out{uint("protocol"), text("version"), uint("pid"), uint("max-frame"), uint("oldest-protocol")};
    out.window_bytes = uint("window-bytes");
    out.window_parts = uint32("window-parts");
    const std::map<std::string, bool wire::Features::*> known = {
        {"credit", &wire::Features::credit},         {"parts", &wire::Features::parts},
        {"lossless", &wire::Features::lossless},     {"log", &wire::Features::log},
        {"operations", &wire::Features::operations}, {"reconfigure", &wire::Features::reconfigure},
        {"settings", &wire::Features::settings},     {"compare", &wire::Features::compare},
        {"provide", &wire::Features::provide},       {"expect", &wire::Features::expect}};
    for (const Json& each : frame_["features"].items) {
      if (const auto found = known.find(each.text); found != known.end()) out.features.*(found->second) = true;
    }
    return out;
  }
  wire::Call call() {
    wire::Call out;
    out.id = id();
    const Json& target = frame_["target"];
    (target.text.empty() ? void(out.target.method = target.uint()) : void(out.target.name = target.text));
    out.payload = bytes("payload");
    out.timeout_ms = uint("timeout-ms");
    out.flags = uint32("flags");
    out.window_bytes = uint("window-bytes");
    out.window_parts = uint32("window-parts");
    return out;
  }

  std::uint64_t id() const { return uint("id"); }
  std::uint64_t uint(const char* key) const { return frame_[key].uint(); }
  std::uint32_t uint32(const char* key) const { return frame_[key].uint32(); }
  bp_status status() const { return static_cast<bp_status>(frame_["status"].number); }
  std::string_view text(const char* key) const { return frame_[key].text; }
  wire::View bytes(const char* key) {
    kept_.push_back(std::make_unique<wire::Bytes>(frame_[key].bytes()));
    return *kept_.back();
  }

  const Json& frame_;
  std::vector<std::unique_ptr<wire::Bytes>> kept_;
};

wire::Bytes again(const wire::Frame& frame) {
  wire::Bytes out;
  std::visit([&out](const auto& each) { wire::encode(out, each); }, frame);
  return out;
}

wire::View body(const wire::Bytes& frame) {
  REQUIRE(frame.size() >= wire::header_size);
  REQUIRE(wire::frame_size(frame, 0) == frame.size());
  return wire::View(frame).subspan(wire::header_size);
}

}  // namespace

TEST_CASE("each frame of the vectors means what they say, and is written as they say") {
  std::size_t exact = 0;
  for (const char* const file : {"frames.json", "lenient.json"}) {
    const Json all = vectors_of(file);
    REQUIRE(all.items.size() > 10);
    for (const Json& each : all.items) {
      INFO(file << ": " << each["name"].text);
      const wire::Bytes bytes = Json::unhex(each["bytes"].text);
      const wire::Bytes meant = Meaning(each["frame"]).encoded();
      CHECK(again(wire::decode(body(bytes))) == meant);
      if (each["exact"].truth) CHECK(meant == bytes);
      exact += each["exact"].truth ? 1 : 0;
    }
  }
  CHECK(exact > 40);
}

TEST_CASE("the vectors have every frame") {
  std::map<std::string, int> seen;
  for (const Json& each : vectors_of("frames.json").items) ++seen[each["frame"]["frame"].text];
  CHECK(seen.size() == std::variant_size_v<wire::Frame>);
}

TEST_CASE("a call in an unusual form is read as in its usual one, quickly or not at all") {
  for (const Json& each : vectors_of("lenient.json").items) {
    if (each["frame"]["frame"].text != "call") continue;
    INFO(each["name"].text);
    const wire::Bytes bytes = Json::unhex(each["bytes"].text);
    wire::Call quick;
    if (!wire::quick_decode(body(bytes), quick)) continue;
    wire::Bytes out;
    wire::encode(out, quick);
    CHECK(out == Meaning(each["frame"]).encoded());
  }
}

TEST_CASE("bytes that end the connection are refused, with a reason") {
  const Json all = vectors_of("errors.json");
  REQUIRE(all.items.size() > 20);
  for (const Json& each : all.items) {
    INFO(each["name"].text << ": " << each["why"].text);
    const wire::Bytes bytes = Json::unhex(each["bytes"].text);
    CHECK_THROWS_AS(wire::decode(body(bytes)), wire::ProtocolError);
    wire::Call quick;
    CHECK_FALSE(wire::quick_decode(body(bytes), quick));
  }
}

TEST_CASE("frames in the wrong direction are well-formed") {
  for (const Json& each : vectors_of("wrong_direction.json").items) {
    INFO(each["name"].text);
    CHECK_NOTHROW(wire::decode(body(Json::unhex(each["bytes"].text))));
  }
}
