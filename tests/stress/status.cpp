// SPDX-License-Identifier: Apache-2.0
#include "status.hpp"

#include <backplane/cbor/reader.hpp>

#include "world.hpp"

namespace stress {
namespace {

using backplane::cbor::Error;
using backplane::cbor::Item;
using backplane::cbor::Reader;
using backplane::cbor::Type;

// Reads a map; what is neither a number nor a map goes to `other`, or is passed over.
template <class Other>
void read_map(Reader& in, const std::string& prefix, Numbers& out, Other other) {
  const Item map = in.next();
  if (map.type != Type::map || map.until_end) throw Error("the status report lacks a map", in.offset());
  for (std::uint64_t i = 0; i < map.value; ++i) {
    const std::string key = prefix + std::string(in.next().text());
    switch (in.peek().type) {
      case Type::uint:
        out.set(key, in.next().value);
        break;
      case Type::map:
        read_map(in, key + ".", out, other);
        break;
      default:
        other(key, in);
    }
  }
}

void pass_over(const std::string&, Reader& in) { in.skip(); }

// Of a context: its listeners go in as "listener.<id>.lost" and so on.
void read_context(Reader& in, Numbers& out) {
  read_map(in, "", out, [&out](const std::string& key, Reader& rest) {
    if (key != "events.listeners") return pass_over(key, rest);
    const Item array = rest.next();
    if (array.type != Type::array) throw Error("the listeners are no array", rest.offset());
    for (std::uint64_t i = 0; i < array.value; ++i) {
      Numbers listener;
      read_map(rest, "", listener, pass_over);
      for (const auto& [name, value] : listener.all()) {
        out.set("listener." + std::to_string(listener["id"]) + "." + name, value);
      }
    }
  });
}

}  // namespace

std::uint64_t Numbers::operator[](const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? 0 : found->second;
}

const Numbers* StatusReport::context(std::uint64_t id) const {
  for (const Numbers& each : contexts) {
    if (each["id"] == id) return &each;
  }
  return nullptr;
}

StatusReport read_status(bp_context context) {
  StatusReport report;
  Result result;
  report.status = bp_host_status(context, &result);
  if (report.status != BP_OK) return report;
  Reader in({result.payload.data, result.payload.size});
  read_map(in, "", report.host, [&report](const std::string& key, Reader& rest) {
    if (key != "contexts") return pass_over(key, rest);
    const Item array = rest.next();
    if (array.type != Type::array) throw Error("the contexts are no array", rest.offset());
    for (std::uint64_t i = 0; i < array.value; ++i) read_context(rest, report.contexts.emplace_back());
  });
  return report;
}

}  // namespace stress
