// SPDX-License-Identifier: Apache-2.0
//
// Outlines of interfaces, which generators of bindings read.
#include "cddl/outline.hpp"

#include <catch2/catch.hpp>

#include <backplane/cbor/reader.hpp>
#include <fstream>
#include <map>
#include <sstream>

#include "cli/json/json.hpp"
#include "outline_sample.hpp"

using namespace backplane::host;
using namespace backplane::host::cddl;
using outline_sample::outline;
using outline_sample::ref;
using outline_sample::type;
using outline_sample::warning;

namespace {

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// The texts and lists of a JSON document.
struct Document {
  std::string text;
  std::vector<Document> items;
  std::map<std::string, Document> members;

  static Document read(backplane::cbor::Reader& in) {
    Document out;
    const backplane::cbor::Item item = in.next();
    if (item.type == backplane::cbor::Type::text) out.text = item.text();
    for (std::uint64_t i = 0; item.type == backplane::cbor::Type::array && i < item.value; ++i) {
      out.items.push_back(read(in));
    }
    for (std::uint64_t i = 0; item.type == backplane::cbor::Type::map && i < item.value; ++i) {
      const std::string key(in.next().text());
      out.members[key] = read(in);
    }
    return out;
  }
  std::vector<std::string> names(const char* list) const {
    std::vector<std::string> out;
    for (const Document& each : members.at(list).items) out.push_back(each.members.at("name").text);
    return out;
  }
};

// Makes the outline of a module from the text and the names that a stored outline has.
std::string again(const std::string& stored) {
  const backplane::cbor::Bytes encoded = json_to_cbor(stored);
  backplane::cbor::Reader in(encoded);
  const Document document = Document::read(in);
  std::vector<Outline> out;
  for (const Document& module : document.members.at("modules").items) {
    const auto field = [&](const char* name) { return module.members.at(name).text; };
    const std::string name = field("name"), cddl = field("cddl");
    const auto provides = module.names("calls"), calls = module.names("functions"), emits = module.names("events"),
               listens = module.names("listens");
    Outline& each = out.emplace_back(outline_of({name, cddl, provides, {}, emits, calls, listens}, parse(cddl)));
    each.version = field("version");
    each.summary = field("summary");
    each.hash = field("hash");
    CHECK(each.warnings == std::vector<std::string>{});
  }
  backplane::cbor::Bytes bytes;
  backplane::cbor::Writer writer(bytes);
  write_outlines(writer, document.members.at("generator").text, out);
  return cbor_to_json(bytes, JsonStyle::indented) + "\n";
}

}  // namespace

TEST_CASE("the outlines of the bundled modules, and of a module with every form of the SDK, are as stored") {
  for (const char* const name : {"echo", "timer", "kv", "session", "generator", "forms"}) {
    INFO(name);
    const std::string stored = contents(std::string(OUTLINES) + "/" + name + ".json");
    const std::string made = again(stored);
    std::istringstream expected(stored), found(made);
    std::string a, b;
    while (std::getline(expected, a)) {
      std::getline(found, b);
      REQUIRE(b == a);
    }
    CHECK(made == stored);
  }
}

TEST_CASE("each form of CDDL has a type in bindings") {
  CHECK(ref("tstr") == R"({"kind":"text"})");
  CHECK(ref("text") == R"({"kind":"text"})");
  CHECK(ref("bytes") == R"({"kind":"bytes"})");
  CHECK(ref("bstr .size 16") == R"({"kind":"bytes","size":16})");
  CHECK(ref("bstr .size (1..16)") == R"({"kind":"bytes"})");
  CHECK(ref("bool") == R"({"kind":"bool"})");
  CHECK(ref("true / false") == R"({"kind":"bool"})");
  CHECK(ref("any") == R"({"kind":"any"})");
  CHECK(ref("#") == R"({"kind":"any"})");
  CHECK(ref("nil") == R"({"kind":"null"})");
  CHECK(ref("int") == R"({"kind":"int","bits":64,"signed":true})");
  CHECK(ref("#0") == R"({"kind":"int","bits":64,"signed":false})");
  CHECK(ref("0..255") == R"({"kind":"int","bits":8,"signed":false})");
  CHECK(ref("0...256") == R"({"kind":"int","bits":8,"signed":false})");
  CHECK(ref("0..256") == R"({"kind":"int","bits":16,"signed":false})");
  CHECK(ref("-1..32767") == R"({"kind":"int","bits":16,"signed":true})");
  CHECK(ref("-32769..0") == R"({"kind":"int","bits":32,"signed":true})");
  CHECK(ref("uint .size 3") == R"({"kind":"int","bits":32,"signed":false})");
  CHECK(ref("uint .le 9") == R"({"kind":"int","bits":64,"signed":false})");
  CHECK(ref("number") == R"({"kind":"float","bits":64})");
  CHECK(ref("float32") == R"({"kind":"float","bits":32})");
  CHECK(ref("float / int") == R"({"kind":"float","bits":64})");
  CHECK(ref("0.5..1.5") == R"({"kind":"float","bits":64})");
  CHECK(ref("single", "single = float / int") == R"({"kind":"float","bits":32})");
  CHECK(ref("days", "days = int16\nint16 = -32768..32767") ==
        R"({"kind":"int","bits":16,"signed":true,"unit":"days"})");
  CHECK(ref("hours_uint8", "hours_uint8 = 0..255") == R"({"kind":"int","bits":8,"signed":false,"unit":"hours"})");
  CHECK(ref("[* tstr]") == R"({"kind":"list","of":{"kind":"text"},"least":0,"most":null})");
  CHECK(ref("[2*4 bool]") == R"({"kind":"list","of":{"kind":"bool"},"least":2,"most":4})");
  CHECK(ref("[? bool]") == R"({"kind":"list","of":{"kind":"bool"},"least":0,"most":1})");
  CHECK(ref("[x: bool, y: tstr]") == R"({"kind":"tuple","items":[{"kind":"bool"},{"kind":"text"}]})");
  CHECK(ref("[0*0 (bool / tstr), bool, tstr]") == R"({"kind":"tuple","items":[{"kind":"bool"},{"kind":"text"}]})");
  CHECK(ref("[]") == R"({"kind":"tuple","items":[]})");
  CHECK(ref("{* tstr => bool}") == R"({"kind":"map","key":{"kind":"text"},"value":{"kind":"bool"}})");
  CHECK(ref("{* 0..9 => bool}") ==
        R"({"kind":"map","key":{"kind":"int","bits":8,"signed":false},"value":{"kind":"bool"}})");
  CHECK(ref("{* k => bool}", "k = \"a\" / \"b\"") == R"({"kind":"map","key":{"kind":"text"},"value":{"kind":"bool"}})");
  CHECK(ref("\"x\"") == R"({"kind":"literal","value":"x"})");
  CHECK(ref("-7") == R"({"kind":"literal","value":{"int":"-7"}})");
  CHECK(ref("h'0aff'") == R"({"kind":"literal","value":{"bytes":"0aff"}})");
  CHECK(ref("true") == R"({"kind":"literal","value":true})");
}

TEST_CASE("choices are joined, and null makes them nullable") {
  CHECK(ref("tstr / null") == R"({"kind":"nullable","of":{"kind":"text"}})");
  CHECK(ref("null / (tstr / uint)") ==
        R"({"kind":"nullable","of":{"kind":"choice","of":[{"kind":"text"},{"kind":"int","bits":64,"signed":false}]}})");
  CHECK(ref("tstr / tstr") == R"({"kind":"text"})");
  CHECK(ref("\"a\" / tstr") == R"({"kind":"text"})");
  CHECK(ref("1 / uint") == R"({"kind":"int","bits":64,"signed":false})");
  CHECK(ref("\"auto\" / bool") == R"({"kind":"choice","of":[{"kind":"literal","value":"auto"},{"kind":"bool"}]})");
  CHECK(ref("tstr / any") == R"({"kind":"any"})");
  CHECK(ref("1 / 2 / 300") == R"({"kind":"int","bits":16,"signed":false})");
  CHECK(warning("1 / 2 / 300") == "T.m: found 1 / 2 / 300; bindings have it as uint16");
  CHECK(ref("&(a: -1, b: 1)") == R"({"kind":"int","bits":8,"signed":true})");
}

TEST_CASE("what has no name gets one from its place") {
  const std::string rules = "T = { m: \"a\" / \"b\", n: { x: int }, l: [* { y: int }], o: { z: int } / null }";
  CHECK(
      type("TM", rules) ==
      R"({"name":"TM","doc":"","kind":"enum","values":[{"value":"a","doc":""},{"value":"b","doc":""}],"sent":true,"received":false})");
  CHECK(type("TN", rules).find(R"("members":[{"name":"x")") != std::string::npos);
  CHECK(type("TLItem", rules).find(R"("members":[{"name":"y")") != std::string::npos);
  CHECK(type("TO", rules).find(R"("members":[{"name":"z")") != std::string::npos);
  const auto made = outline("m.get_it.request = { a: int }\nm.get_it.reply = { b: int }\no.f.request = { c: int }\n");
  REQUIRE(made.types.size() == 3);
  CHECK(made.types[0].name == "GetItRequest");
  CHECK(made.types[1].name == "GetItReply");
  CHECK(made.types[2].name == "OFRequest");
}

TEST_CASE("names of types are made into words that every language has, and differ") {
  const auto made = outline("my-type = {a: int}\nMyType = {b: int}\nmy.type = {c: int}\n$ = {d: int}\n3d = {e: int}");
  std::string names;
  for (const OutlineType& each : made.types) names += each.name + " ";
  CHECK(names == "MyType MyType_2 MyType_3 Type Type3d ");
}

TEST_CASE("groups are read in place, and maps with one of several members are tagged") {
  CHECK(
      type("T", "T = { base, ? more, b: int }\nbase = ( a: bool )\nmore = ( c: tstr )")
          .find(
              R"("members":[{"name":"a","doc":"","type":{"kind":"bool"},"optional":false},{"name":"c","doc":"","type":{"kind":"text"},"optional":true},{"name":"b")") !=
      std::string::npos);
  CHECK(type("T", "T = { ~P, b: int }\nP = { a: bool }").find(R"("members":[{"name":"a")") != std::string::npos);
  const std::string tagged =
      R"({"name":"T","doc":"","kind":"tagged","cases":[{"name":"a","type":{"kind":"bool"},"doc":"yes"},{"name":"b","type":{"kind":"text"},"doc":""}],"sent":true,"received":false})";
  CHECK(type("T", "T = { a: bool ; yes\n // b: tstr }") == tagged);
  CHECK(type("T", "T = { a: bool ; yes\n} / { b: tstr }") == tagged);
  CHECK(warning("{ a: int, * tstr => any }") == "T.m: found * tstr => any beside named members; bindings leave it out");
}

TEST_CASE("docs stand behind what they tell of") {
  const auto made = outline(
      "T = {\n  a: int, ;  naïve — 日本語 \r\n  b: { c: int } ; of b\n} ; of T\n"
      "E = \"x\" / \"y\" ; of E; y: of y; and more\n"
      "N = int\n; not of N\n"
      "m.v.request = T ; what it does\nm.v.reply = null ; not shown\nm.v.error.1001 = E ; why");
  REQUIRE(made.types.size() == 4);
  CHECK(made.types[0].doc == "of T");
  CHECK(made.types[0].members[0].doc == "naïve — 日本語");
  CHECK(made.types[0].members[1].doc == "of b");
  CHECK(made.types[2].doc == "of E");
  CHECK(made.types[2].members[0].doc == "");
  CHECK(made.types[2].members[1].doc == "of y; and more");
  CHECK(made.types[3].doc == "");
  CHECK(made.calls.at(0).doc == "what it does");
  CHECK(made.calls.at(0).errors.at(0).doc == "why");
}

TEST_CASE("raw payloads are bytes whose comment says so") {
  const auto made = outline(
      "m.a.request = bstr ; raw: as it is; copies\nm.a.reply = bstr ; raw\n"
      "m.b.request = bstr ; rawhide\nm.b.reply = tstr ; raw");
  CHECK(made.calls.at(0).request->kind == Ref::Kind::raw);
  CHECK(made.calls.at(0).reply->kind == Ref::Kind::raw);
  CHECK(made.calls.at(0).doc == "copies");
  CHECK(made.calls.at(1).request->kind == Ref::Kind::bytes);
  CHECK(made.calls.at(1).reply->kind == Ref::Kind::text);
}

TEST_CASE("defaults and constants keep their values") {
  const auto value = [](const std::string& rule) {
    const std::string all = type("T", "T = { ? m: " + rule + " }\nr = float");
    const std::size_t at = all.find("\"default\":");
    return at == std::string::npos ? "none" : all.substr(at + 10, all.find("}],\"sent\"") - at - 10);
  };
  CHECK(value("tstr .default \"x\"") == "\"x\"");
  CHECK(value("uint .default 18446744073709551615") == R"({"int":"18446744073709551615"})");
  CHECK(value("int .default -9223372036854775808 / null") == R"({"int":"-9223372036854775808"})");
  CHECK(value("float .default 3") == "3.0");
  CHECK(value("r .default 3") == "3.0");
  CHECK(value("float .default 1.5e300") == "1.5e+300");
  CHECK(value("bool .default true") == "true");
  CHECK(value("bstr .default h'00ff'") == R"({"bytes":"00ff"})");
  CHECK(value("[* int] .default [1, 2]") == R"([{"int":"1"},{"int":"2"}])");
  CHECK(value("{* tstr => int} .default {\"int\": 1}") == R"({"map":[["int",{"int":"1"}]]})");
  CHECK(value("any .default tstr") == "none");
  CHECK(warning("any .default tstr") == "T.m: found .default tstr; bindings leave it out");
  const auto made =
      outline("m.c.constant = 5 ; five\no.d.constant = 6\nm.e.constant = int\nm.v.request = {}\nm.v.reply = null");
  REQUIRE(made.constants.size() == 1);
  CHECK(made.constants[0].name == "c");
  CHECK(made.constants[0].doc == "five");
  CHECK(made.warnings.at(0) == "m.e.constant: found int, expected a value; bindings leave it out");
}

TEST_CASE("what the application sends and receives follows the references") {
  const auto flow = [](const std::string& rules) {
    std::string out;
    for (const OutlineType& each : outline("A = { b: B }\nB = [* C]\nC = { ? a: A }\nD = int\n" + rules).types) {
      out += each.name + (each.sent ? "s" : "") + (each.received ? "r" : "") + " ";
    }
    return out;
  };
  CHECK(flow("m.v.request = {}\nm.v.reply = null") == "A B C D ");
  CHECK(flow("m.v.request = A\nm.v.reply = D") == "As Bs Cs Dr ");
  CHECK(flow("m.v.request = {}\nm.v.request.part = B\nm.v.partial = D") == "As Bs Cs Dr ");
  CHECK(flow("m.v.request = {}\nm.v.error.1001 = D") == "A B C Dr ");
  CHECK(flow("o.v.request = A\no.v.reply = D\no.v.error.1 = C\nm.w.request = {}\nm.w.reply = null") ==
        "Asr Bsr Csr Ds ");
  CHECK(flow("m.e.event = D") == "A B C Dr ");
  CHECK(flow("o.e.event = D\nm.v.request = {}\nm.v.reply = null") == "A B C Ds ");
  CHECK(flow("m.config = D\nm.v.request = {}") == "A B C Ds ");
}

TEST_CASE("a text without a manifest has the names of its most frequent first word") {
  const Schema schema = parse("T = int\nb.x.request = T\na.y.request = T\na.z.reply = T\na.e.event = T\nb.e.event = T");
  const TextNames found = names_of(schema, "");
  CHECK(found.module == "a");
  CHECK(found.provides == std::vector<std::string>{"a.y", "a.z"});
  CHECK(found.calls == std::vector<std::string>{"b.x"});
  CHECK(found.emits == std::vector<std::string>{"a.e"});
  CHECK(found.listens == std::vector<std::string>{"b.e"});
  CHECK(names_of(schema, "b").provides == std::vector<std::string>{"b.x"});
  CHECK(names_of(parse("T = int"), "").module.empty());
  CHECK(names_of(parse("m.config = {}"), "").module == "m");
}

TEST_CASE("names without rules are any, with a warning") {
  const std::string text = "m.b.request = {}";
  const std::vector<std::string> provides = {"m.a", "m.b"}, emits = {"m.e"};
  const Outline made = outline_of({"m", text, provides, {}, emits, {}, {}}, parse(text));
  REQUIRE(made.calls.size() == 2);
  CHECK(made.calls[0].name == "m.b");
  CHECK(made.calls[1].name == "m.a");
  CHECK(made.calls[1].request->kind == Ref::Kind::any);
  CHECK(made.calls[1].reply->kind == Ref::Kind::any);
  CHECK(made.events.at(0).payload->kind == Ref::Kind::any);
  CHECK(made.warnings == std::vector<std::string>{"m.b: found no rule m.b.reply; bindings have it as any",
                                                  "m.a: found no rule m.a.request; bindings have it as any",
                                                  "m.a: found no rule m.a.reply; bindings have it as any",
                                                  "m.e: found no rule m.e.event; bindings have it as any"});
}
