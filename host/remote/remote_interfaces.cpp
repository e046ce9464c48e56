// SPDX-License-Identifier: Apache-2.0
//
// What a connected application provides, and what it expects of modules.
#include <backplane/cbor/reader.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "remote/remote_context.hpp"
#include "support/names.hpp"
#include "support/result.hpp"
#include "support/views.hpp"

namespace backplane::host {
namespace {

using std::chrono::milliseconds;

/// Timeout for requests that a running host answers at once.
constexpr milliseconds prompt{30'000};

void ignore_reply(void*, const bp_answer*) {}

/// A name that the host is told of without waiting for its answer.
struct Told {
  std::shared_ptr<RemoteFunctions> functions;
  std::string name;

  static void on_reply(void* user, const bp_answer* answer) {
    const std::unique_ptr<Told> self(static_cast<Told*>(user));
    if (answer->status == BP_OK) return;
    self->functions->refused(self->name);
    try {
      const std::string line =
          "the host refuses the host function \"" + self->name + "\": " + std::string(view(answer->message));
      bp_log_write(BP_LOG_ERROR, 0, BP_STR("remote"), str(line));
    } catch (const std::bad_alloc&) {
      bp_log_write(BP_LOG_ERROR, 0, BP_STR("remote"), BP_STR("the host refuses a host function"));
    }
  }
};

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

}  // namespace

bp_status RemoteContext::change_function(const FunctionChange& change) {
  if (!is_wire_name(change.name)) return BP_INVALID_ARGUMENT;
  if (!channel_->features().provide) return BP_NOT_SUPPORTED;
  RemoteFunctions::Next next{};
  const bp_status status = functions_->change(change, channel_->is_this_thread(), next);
  if (status != BP_OK || next == RemoteFunctions::Next::nothing) return status;
  if (next == RemoteFunctions::Next::provide) return provide(change.name);
  // No call reaches the function any more. The host learns of it without waiting, if it still exists.
  const wire::Withdraw frame{0, change.name};
  channel_->open(frame, change.name.size(), {ignore_reply, nullptr, 0}, Channel::Use::service, nullptr);
  return BP_OK;
}

bp_status RemoteContext::provide(std::string_view name) {
  const wire::Provide frame{0, 0, name};
  bp_status status = BP_OK;
  if (on_own_thread()) {  // do not wait: the answer would arrive on the reader thread
    auto told = std::make_unique<Told>(Told{functions_, std::string(name)});
    status = channel_->open(frame, name.size(), {Told::on_reply, told.get(), 0}, Channel::Use::call, nullptr);
    if (status == BP_OK) static_cast<void>(told.release());
  } else {
    bp_result result{};
    result.struct_size = sizeof result;
    status = ask(frame, name.size(), prompt, result);
    free_result(&result);
  }
  if (status != BP_OK) functions_->refused(name);
  return status;
}

bp_status RemoteContext::complete(bp_token token, const bp_answer& answer) {
  bp_buffer* const buffer = answer.buffer;
  const wire::View payload = buffer != nullptr ? wire::View(buffer->data, buffer->size) : view(answer.payload);
  // A frame cannot carry text that is not UTF-8.
  const std::string_view message = view(answer.message);
  const wire::Answer frame{token, answer.status, answer.status == BP_OK ? payload : wire::View(),
                           cbor::valid_utf8(message) ? message : "the message of the answer is not UTF-8",
                           view(answer.detail)};
  const bp_status status =
      functions_->complete(token, frame, [this](const wire::Answer& whole) { return channel_->answer(whole); });
  if (status == BP_OK) bp_buffer_free(buffer);
  return status;
}

/// The text is sent only if the hash differs.
bp_status RemoteContext::expect(const ExpectedInterface& expected, bp_result& result) {
  if (!channel_->features().expect) return expect_by_list(expected, result);
  wire::Expect frame{0, expected.module, expected.hash, {}};
  const std::size_t size = expected.module.size() + expected.hash.size();
  bp_status status = ask(frame, size, prompt, result);
  if (status != BP_OK) return status;
  if (wants_text(result.payload)) {
    free_result(&result);
    if (expected.cddl.empty()) {
      return set_result(&result, BP_INTERFACE_CHANGED,
                        hashes(expected, "another one") +
                            "; without the text of that interface the host cannot say what is different");
    }
    frame.cddl = expected.cddl;
    status = ask(frame, size + expected.cddl.size(), prompt, result);
  }
  if (status == BP_OK && is_null_item(result.payload)) free_result(&result);
  return status;
}

/// Of a host that cannot compare.
bp_status RemoteContext::expect_by_list(const ExpectedInterface& expected, bp_result& result) {
  if (const bp_status status = list(result); status != BP_OK) return status;
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

}  // namespace backplane::host
