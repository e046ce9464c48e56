// SPDX-License-Identifier: Apache-2.0
//
// Writes outlines as the CBOR of their JSON form. docs/bindings.md describes it.
#include <functional>
#include <string>

#include "cddl/outline.hpp"
#include "support/status_name.hpp"

namespace backplane::host::cddl {
namespace {

constexpr std::uint64_t form = 1;

std::string decimal(const Constant& integer) {
  if (!integer.flag) return std::to_string(integer.number);
  if (integer.number == UINT64_MAX) return "-18446744073709551616";
  return "-" + std::to_string(integer.number + 1);
}

std::string hexadecimal(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

class OutlineWriter {
 public:
  explicit OutlineWriter(cbor::Writer& out) : out_(out) {}

  void write(const Outline& outline) {
    out_.map(13);
    field("name", outline.name);
    field("version", outline.version);
    field("summary", outline.summary);
    field("hash", outline.hash);
    field("cddl", outline.cddl);
    list("types", outline.types, [&](const OutlineType& each) { type(each); });
    list("calls", outline.calls, [&](const OutlineCall& each) { call(each); });
    list("functions", outline.functions, [&](const OutlineCall& each) { call(each); });
    list("events", outline.events, [&](const OutlineEvent& each) { event(each); });
    list("listens", outline.listens, [&](const OutlineEvent& each) { event(each); });
    list("constants", outline.constants, [&](const OutlineConstant& each) {
      out_.map(3);
      field("name", each.name);
      out_.text("value");
      constant(each.value);
      field("doc", each.doc);
    });
    maybe("config", outline.config);
    field("config_doc", outline.config_doc);
  }

 private:
  void field(const char* key, std::string_view text) {
    out_.text(key);
    out_.text(text);
  }
  void field(const char* key, bool value) {
    out_.text(key);
    out_.boolean(value);
  }
  void number(const char* key, std::uint64_t value) {
    out_.text(key);
    out_.uint(value);
  }
  void maybe(const char* key, const std::optional<Ref>& value) {
    out_.text(key);
    if (value) return ref(*value);
    out_.null();
  }
  template <class T, class Write>
  void list(const char* key, const std::vector<T>& items, Write write) {
    out_.text(key);
    out_.array(items.size());
    for (const T& each : items) write(each);
  }

  void call(const OutlineCall& call) {
    out_.map(7);
    field("name", call.name);
    field("doc", call.doc);
    maybe("request", call.request);
    maybe("request_part", call.request_part);
    maybe("reply", call.reply);
    maybe("partial", call.partial);
    list("errors", call.errors, [&](const OutlineError& each) {
      out_.map(4);
      number("status", static_cast<std::uint64_t>(each.status));
      maybe("detail", each.detail);
      field("doc", each.doc);
      out_.text("builtin");
      const std::string_view name = status_name(each.status);
      if (each.status >= BP_STATUS_MODULE_FIRST || name == "unknown") return out_.null();
      out_.text(name);
    });
  }

  void event(const OutlineEvent& event) {
    out_.map(3);
    field("name", event.name);
    field("doc", event.doc);
    maybe("payload", event.payload);
  }

  void type(const OutlineType& type) {
    out_.map(6);
    field("name", type.name);
    field("doc", type.doc);
    switch (type.kind) {
      case OutlineType::Kind::structure:
        field("kind", std::string_view("struct"));
        list("members", type.members, [&](const OutlineMember& each) { member(each); });
        break;
      case OutlineType::Kind::enumeration:
        field("kind", std::string_view("enum"));
        list("values", type.members, [&](const OutlineMember& each) {
          out_.map(2);
          field("value", each.name);
          field("doc", each.doc);
        });
        break;
      case OutlineType::Kind::tagged:
        field("kind", std::string_view("tagged"));
        list("cases", type.members, [&](const OutlineMember& each) {
          out_.map(3);
          field("name", each.name);
          out_.text("type");
          ref(each.type);
          field("doc", each.doc);
        });
        break;
      case OutlineType::Kind::alias:
        field("kind", std::string_view("alias"));
        out_.text("type");
        ref(type.type);
        break;
    }
    field("sent", type.sent);
    field("received", type.received);
  }

  void member(const OutlineMember& member) {
    out_.map(member.default_value ? 5 : 4);
    field("name", member.name);
    field("doc", member.doc);
    out_.text("type");
    ref(member.type);
    field("optional", member.optional);
    if (!member.default_value) return;
    out_.text("default");
    constant(*member.default_value);
  }

  void begin(const char* kind, std::size_t more) {
    out_.map(1 + more);
    field("kind", std::string_view(kind));
  }
  void inner(const char* key, const Ref& value) {
    out_.text(key);
    ref(value);
  }
  void all(const char* key, const std::vector<Ref>& values) {
    list(key, values, [&](const Ref& each) { ref(each); });
  }

  void ref(const Ref& ref) {
    switch (ref.kind) {
      case Ref::Kind::boolean:
        return begin("bool", 0);
      case Ref::Kind::integer:
        begin("int", ref.unit.empty() ? 2 : 3);
        number("bits", ref.bits);
        field("signed", ref.is_signed);
        if (!ref.unit.empty()) field("unit", ref.unit);
        return;
      case Ref::Kind::real:
        begin("float", 1);
        return number("bits", ref.bits);
      case Ref::Kind::text:
        return begin("text", 0);
      case Ref::Kind::bytes:
        begin("bytes", ref.size ? 1 : 0);
        if (ref.size) number("size", *ref.size);
        return;
      case Ref::Kind::any:
        return begin("any", 0);
      case Ref::Kind::null:
        return begin("null", 0);
      case Ref::Kind::raw:
        return begin("raw", 0);
      case Ref::Kind::named:
        begin("named", 1);
        return field("name", ref.name);
      case Ref::Kind::nullable:
        begin("nullable", 1);
        return inner("of", ref.of[0]);
      case Ref::Kind::list:
        begin("list", 3);
        inner("of", ref.of[0]);
        number("least", ref.least);
        if (ref.most != no_limit) return number("most", ref.most);
        out_.text("most");
        return out_.null();
      case Ref::Kind::map:
        begin("map", 2);
        inner("key", ref.of[0]);
        return inner("value", ref.of[1]);
      case Ref::Kind::tuple:
        begin("tuple", 1);
        return all("items", ref.of);
      case Ref::Kind::choice:
        begin("choice", 1);
        return all("of", ref.of);
      case Ref::Kind::literal:
        begin("literal", 1);
        out_.text("value");
        return constant(ref.value);
    }
  }

  // Integers are text, since many readers of JSON keep numbers as doubles. A map has a form of its own, since it could
  // look like that of an integer.
  void constant(const Constant& value) {
    switch (value.kind) {
      case Constant::Kind::null:
        return out_.null();
      case Constant::Kind::boolean:
        return out_.boolean(value.flag);
      case Constant::Kind::integer:
        out_.map(1);
        return field("int", decimal(value));
      case Constant::Kind::real:
        return out_.real(value.real);
      case Constant::Kind::text:
        return out_.text(value.text);
      case Constant::Kind::bytes:
        out_.map(1);
        return field("bytes", hexadecimal(value.text));
      case Constant::Kind::list:
        out_.array(value.items.size());
        for (const Constant& each : value.items) constant(each);
        return;
      case Constant::Kind::map:
        out_.map(1);
        out_.text("map");
        out_.array(value.items.size() / 2);
        for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
          out_.array(2);
          constant(value.items[i]);
          constant(value.items[i + 1]);
        }
    }
  }

  cbor::Writer& out_;
};

}  // namespace

void write_outlines(cbor::Writer& out, std::string_view generator, const std::vector<Outline>& modules) {
  out.map(3);
  out.text("form");
  out.uint(form);
  out.text("generator");
  out.text(generator);
  out.text("modules");
  out.array(modules.size());
  for (const Outline& each : modules) OutlineWriter(out).write(each);
}

}  // namespace backplane::host::cddl
