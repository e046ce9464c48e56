// SPDX-License-Identifier: Apache-2.0
//
// Questions to the host that take more than one frame, or whose answer must be read.
#include "remote/questions.hpp"

#include <backplane/cbor/reader.hpp>
#include <optional>
#include <string_view>

#include "support/views.hpp"

namespace backplane::host {
namespace {

bool is_null_item(bp_bytes payload) { return payload.size == 1 && payload.data[0] == 0xf6; }

/// Whether the host wants the text, too.
bool wants_text(bp_bytes payload) try {
  cbor::Reader reader(view(payload));
  if (reader.next().type != cbor::Type::map) return false;
  const cbor::Item key = reader.next();
  return key.type == cbor::Type::text && key.text() == "cddl";
} catch (const cbor::Error&) {
  return false;
}

/// Calls `f` with each member of the map that comes next; `f` must read its value. Anything else is passed over.
template <class F>
void each_member(cbor::Reader& reader, F f) {
  const cbor::Item head = reader.peek();
  if (head.type != cbor::Type::map || head.until_end) {
    reader.skip();
    return;
  }
  reader.next();
  for (std::uint64_t i = 0; i < head.value; ++i) {
    const cbor::Item key = reader.peek();
    reader.skip();
    f(key.type == cbor::Type::text ? key.text() : std::string_view());
  }
}

std::string_view next_text(cbor::Reader& reader) {
  const cbor::Item item = reader.peek();
  reader.skip();
  return item.type == cbor::Type::text && !item.until_end ? item.text() : std::string_view();
}

/// The interface hash of a running module in a module-list; none if it does not run. Empty: the host knows no hashes.
std::optional<std::string> hash_in(bp_bytes list, std::string_view module) {
  std::optional<std::string> found;
  cbor::Reader reader(view(list));
  each_member(reader, [&](std::string_view key) {
    const cbor::Item modules = reader.peek();
    if (key != "modules" || modules.type != cbor::Type::array || modules.until_end) {
      reader.skip();
      return;
    }
    reader.next();
    for (std::uint64_t i = 0; i < modules.value; ++i) {
      std::string_view name, state, hash;
      each_member(reader, [&](std::string_view member) {
        if (member == "name") {
          name = next_text(reader);
        } else if (member == "state") {
          state = next_text(reader);
        } else if (member == "interface_hash") {
          hash = next_text(reader);
        } else {
          reader.skip();
        }
      });
      if (name == module && state == "running") found = hash;
    }
  });
  return found;
}

std::string hashes(const ExpectedInterface& expected, const std::string& found) {
  return "the interface of \"" + std::string(expected.module) + "\" has changed since this program was built: found " +
         found + ", expected " + std::string(expected.hash);
}

/// Of a host that cannot compare.
bp_status expect_by_list(Channel& channel, const ExpectedInterface& expected, Channel::Use use, bp_result& result) {
  const bp_status status = ask_host(channel, wire::List{}, 0, report_bound(channel), result, use);
  if (status != BP_OK) return status;
  std::optional<std::string> found;
  bool readable = true;
  try {
    found = hash_in(result.payload, expected.module);
  } catch (const cbor::Error&) {
    readable = false;
  }
  free_result(&result);
  if (!readable) return set_result(&result, BP_PROTOCOL, "the host's list of modules is not well-formed CBOR");
  if (!found) {
    return set_result(&result, BP_NOT_FOUND,
                      "no module \"" + std::string(expected.module) + "\" is loaded; load it first");
  }
  if (found->empty() || *found == expected.hash) return BP_OK;
  return set_result(&result, BP_INTERFACE_CHANGED,
                    hashes(expected, *found) + "; this host is too old to say what is different");
}

}  // namespace

bp_status ask_for_method(Channel& channel, std::string_view name, Channel::Use use, std::uint64_t& id) {
  bp_result result{};
  result.struct_size = sizeof result;
  bp_status status = ask_host(channel, wire::Resolve{0, name}, name.size(), prompt, result, use);
  if (status == BP_OK) {
    try {
      const cbor::Item item = cbor::Reader(view(result.payload)).next();
      if (item.type != cbor::Type::uint) throw cbor::Error("no method id", 0);
      id = item.value;
    } catch (const cbor::Error&) {
      status = BP_PROTOCOL;
    }
  }
  free_result(&result);
  return status;
}

bp_status ask_for_interface(Channel& channel, const ExpectedInterface& expected, Channel::Use use, bp_result& result) {
  if (!channel.features().expect) return expect_by_list(channel, expected, use, result);
  wire::Expect frame{0, expected.module, expected.hash, {}};
  const std::size_t size = expected.module.size() + expected.hash.size();
  bp_status status = ask_host(channel, frame, size, prompt, result, use);
  if (status != BP_OK) return status;
  if (wants_text(result.payload)) {
    free_result(&result);
    if (expected.cddl.empty()) {
      return set_result(&result, BP_INTERFACE_CHANGED,
                        hashes(expected, "another one") +
                            "; without the text of that interface the host cannot say what is different");
    }
    frame.cddl = expected.cddl;
    status = ask_host(channel, frame, size + expected.cddl.size(), prompt, result, use);
  }
  if (status == BP_OK && is_null_item(result.payload)) free_result(&result);
  return status;
}

}  // namespace backplane::host
