// SPDX-License-Identifier: Apache-2.0
//
// A program asks whether it may use a module as it is now: embedded, connected, and of a host that cannot compare.
#include <backplane/interfaces.h>

#include <backplane/cbor/reader.hpp>

#include "pair.hpp"
#include "served.hpp"

namespace cbor = backplane::cbor;
namespace wire = backplane::host::wire;

namespace {

struct Interface {
  std::string hash, cddl;
};

/// Of a running module, as `bp_module_list` has it.
Interface interface_of(bp_context context, std::string_view module) {
  Result list;
  REQUIRE(bp_module_list(context, &list) == BP_OK);
  cbor::Reader reader(backplane::host::view(list.raw.payload));
  Interface out;
  reader.next();  // the map
  reader.next();  // "modules"
  const std::uint64_t count = reader.next().value;
  for (std::uint64_t i = 0; i < count; ++i) {
    Interface found;
    std::string name;
    const std::uint64_t members = reader.next().value;
    for (std::uint64_t k = 0; k < members; ++k) {
      const std::string key(reader.next().text());
      const cbor::Item value = reader.peek();
      reader.skip();
      if (key == "name") name = value.text();
      if (key == "interface_hash") found.hash = value.text();
      if (key == "cddl") found.cddl = value.text();
    }
    if (name == module) out = found;
  }
  REQUIRE(!out.hash.empty());
  return out;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  INFO(text);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

bp_status expect(bp_context context, std::string_view module, const Interface& interface, Result& out) {
  return bp_context_expect(context, {module.data(), module.size()}, {interface.hash.data(), interface.hash.size()},
                           {interface.cddl.data(), interface.cddl.size()}, &out);
}

}  // namespace

TEST_CASE("a program that was built for the interface that runs may go on, embedded and connected") {
  Served served;
  const Client client(served.path());
  const Interface now = interface_of(client.context, "echo");
  for (const bp_context context : {served.embedded.context, client.context}) {
    Result equal;
    CHECK(expect(context, "echo", now, equal) == BP_OK);
    CHECK(equal.message().empty());
    CHECK(equal.payload().empty());
    Result hash_alone;
    CHECK(expect(context, "echo", {now.hash, {}}, hash_alone) == BP_OK);
    Result none;
    CHECK(expect(context, "none", now, none) == BP_NOT_FOUND);
    CHECK_THAT(none.message(), Catch::Contains("\"none\""));
  }
}

TEST_CASE(
    "a compatible change is no error, and a breaking one names rule and member, what was expected and what is there") {
  Served served;
  const Client client(served.path());
  const Interface now = interface_of(client.context, "timer");
  // The program was built for a wire name that is gone.
  const Interface older{"0123456789abcdef", replaced(now.cddl, "timer.echo.request", "timer.gone_since.request")};
  for (const bp_context context : {served.embedded.context, client.context}) {
    INFO(now.cddl);
    Result changed;
    CHECK(expect(context, "timer", older, changed) == BP_INTERFACE_CHANGED);
    CHECK_THAT(changed.message(), Catch::Contains("found " + now.hash) &&
                                      Catch::Contains("expected 0123456789abcdef") &&
                                      Catch::Contains("timer.gone_since"));
    CHECK(changed.raw.detail.size != 0);
    CHECK(changed.payload().empty());
    Result unknown;
    CHECK(expect(context, "timer", {"0123456789abcdef", {}}, unknown) == BP_INTERFACE_CHANGED);
    CHECK_THAT(unknown.message(), Catch::Contains("without the text"));
    Result compatible;  // only words
    CHECK(expect(context, "timer", {"0123456789abcdef", now.cddl + "\n; another comment\n"}, compatible) == BP_OK);
    CHECK_THAT(compatible.message(), Catch::Contains("all changes are compatible"));
    CHECK(!compatible.payload().empty());
    Result bad;
    CHECK(expect(context, "timer", {"0123456789abcdef", "timer.x = ["}, bad) == BP_INVALID_ARGUMENT);
    CHECK_THAT(bad.message(), Catch::Contains("cannot be read"));
    Result empty;
    CHECK(expect(context, "timer", {}, empty) == BP_INVALID_ARGUMENT);
  }
}

TEST_CASE("a member with another type is named with its path") {
  Served served;
  const Client client(served.path());
  const Interface now = interface_of(client.context, "timer");
  const std::size_t at = now.cddl.find(" delay_ms:");
  REQUIRE(at != std::string::npos);
  const std::size_t colon = now.cddl.find(':', at);
  std::size_t end = colon + 1;
  while (now.cddl[end] == ' ') ++end;
  const std::size_t stop = now.cddl.find_first_of(" ,\n;}", end);
  const std::string older = now.cddl.substr(0, colon) + ": tstr" + now.cddl.substr(stop);
  INFO(older);
  Result changed;
  CHECK(expect(client.context, "timer", {"0123456789abcdef", older}, changed) == BP_INTERFACE_CHANGED);
  CHECK_THAT(changed.message(), Catch::Contains(".delay_ms: ") && Catch::Contains("tstr"));
}

TEST_CASE("the text goes over the socket only if the host asks for it") {
  Served served;
  RawPeer peer = RawPeer::connect(served.path());
  REQUIRE(peer.greet());
  const Interface now = interface_of(served.embedded.context, "echo");
  peer.send_frame(wire::Expect{1, "echo", now.hash, {}});
  auto reply = peer.receive_as<wire::Reply>();
  REQUIRE(reply);
  CHECK(reply->status == BP_OK);
  CHECK(wire::as_text(reply->payload) == "\xf6");
  peer.send_frame(wire::Expect{2, "echo", "other", {}});
  reply = peer.receive_as<wire::Reply>();
  REQUIRE(reply);
  CHECK(reply->status == BP_OK);
  CHECK(wire::as_text(reply->payload) ==
        "\xa1\x64"
        "cddl\x66wanted");
  peer.send_frame(wire::Expect{3, "echo", "other", "echo.shout.request = {}\necho.never.request = {}\n"});
  reply = peer.receive_as<wire::Reply>();
  REQUIRE(reply);
  CHECK(reply->status == BP_INTERFACE_CHANGED);
  CHECK(!reply->detail.empty());
}

TEST_CASE("of a host that cannot compare, the hashes alone count, without a verdict") {
  Pair pair;
  const auto list = [&](std::string_view hash) {
    std::thread serve([&pair, hash] {
      const auto frame = pair.host->receive_as<wire::List>();
      if (!frame) return;
      wire::Bytes out;
      cbor::Writer writer(out);
      writer.map(1);
      writer.text("modules");
      writer.array(1);
      writer.map(4);
      writer.text("new");
      writer.null();
      writer.text("name");
      writer.text("kv");
      writer.text("state");
      writer.text("running");
      writer.text("interface_hash");
      writer.text(hash);
      pair.host->send_frame(wire::Reply{frame->id, BP_OK, out, {}, {}});
    });
    return serve;
  };
  const backplane::host::ExpectedInterface expected{"kv", "1234", "kv.x.request = {}"};
  Result same;
  std::thread serve = list("1234");
  CHECK(pair.context->modules().expect(expected, same.raw) == BP_OK);
  serve.join();
  Result changed;
  serve = list("5678");
  CHECK(pair.context->modules().expect(expected, changed.raw) == BP_INTERFACE_CHANGED);
  serve.join();
  CHECK_THAT(changed.message(), Catch::Contains("found 5678, expected 1234") && Catch::Contains("too old"));
  Result none;
  serve = list("1234");
  CHECK(pair.context->modules().expect({"other", "1234", {}}, none.raw) == BP_NOT_FOUND);
  serve.join();
}
