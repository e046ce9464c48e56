// SPDX-License-Identifier: Apache-2.0
//
// What a connected application provides, and what it expects of modules.
#include <backplane/cbor/utf8.hpp>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "remote/questions.hpp"
#include "remote/remote_context.hpp"
#include "support/names.hpp"
#include "support/result.hpp"
#include "support/views.hpp"

namespace backplane::host {
namespace {

/// A name that the host is told of without waiting for its answer.
struct Told {
  std::shared_ptr<RemoteFunctions> functions;
  std::weak_ptr<Link> link;
  std::string name;

  static void on_reply(void* user, const bp_answer* answer) {
    const std::unique_ptr<Told> self(static_cast<Told*>(user));
    if (answer->status == BP_OK) return;
    if (const auto link = self->link.lock(); answer->status == BP_UNREACHABLE && link != nullptr && link->reconnects())
      return;  // the next connection is told
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

}  // namespace

bp_status RemoteContext::change_function(const FunctionChange& change) {
  if (!is_wire_name(change.name)) return BP_INVALID_ARGUMENT;
  if (!link_->channel()->features().provide) return BP_NOT_SUPPORTED;
  RemoteFunctions::Next next{};
  const bp_status status = kept_.functions->change(change, link_->channel()->is_this_thread(), next);
  if (status != BP_OK || next == RemoteFunctions::Next::nothing) return status;
  if (next == RemoteFunctions::Next::provide) return provide(change.name);
  // No call reaches the function any more. The host learns of it without waiting, if it still exists.
  const wire::Withdraw frame{0, change.name};
  link_->channel()->open(frame, change.name.size(), {ignore_reply, nullptr, 0}, Channel::Use::service, nullptr);
  return BP_OK;
}

bp_status RemoteContext::provide(std::string_view name) {
  const auto channel = link_->channel();  // after the function is there; see the rules of Link
  const wire::Provide frame{0, 0, name};
  bp_status status = BP_OK;
  if (on_own_thread()) {  // do not wait: the answer would arrive on the reader thread
    auto told = std::make_unique<Told>(Told{kept_.functions, link_, std::string(name)});
    status = channel->open(frame, name.size(), {Told::on_reply, told.get(), 0}, Channel::Use::attach, nullptr);
    if (status == BP_OK) static_cast<void>(told.release());
  } else {
    OwnedResult result;
    status = ask(*channel, frame, name.size(), prompt, result.raw, Channel::Use::attach);
  }
  if (status == BP_UNREACHABLE && link_->reconnects()) return BP_OK;  // the next connection is told
  if (status != BP_OK) kept_.functions->refused(name);
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
  const bp_status status = kept_.functions->complete(token, frame);
  if (status == BP_OK) bp_buffer_free(buffer);
  return status;
}

bp_status RemoteContext::expect(const ExpectedInterface& expected, bp_result& result) {
  if (on_own_thread()) return set_result(&result, BP_REENTRANT, bp_status_text(BP_REENTRANT));
  const bool keeps = link_->reconnects();
  if (keeps) watch_modules();
  const bp_status status = ask_for_interface(*link_->channel(), expected, Channel::Use::call, result);
  if (status != BP_OK || !keeps) return status;
  try {
    kept_.expected->accept(expected.module, expected.hash, expected.cddl);
  } catch (const std::bad_alloc&) {
    free_result(&result);
    return set_result(&result, BP_OUT_OF_MEMORY, "out of memory");
  }
  link_->look_again();  // the module, or the connection, may have changed since the host has answered
  return BP_OK;
}

/// If the host refuses the listener, the next expect() tries again. Until then only a reconnect looks.
void RemoteContext::watch_modules() {
  if (watches_.exchange(true)) return;
  bp_subscription subscription{};
  subscription.pattern = BP_STR("backplane.module_*");
  subscription.on_event = [](void* user, const bp_event*) { static_cast<Link*>(user)->look_again(); };
  subscription.user = link_.get();
  bp_listener made{};
  try {
    if (listen(subscription, made) == BP_OK) {
      watch_ = made.id;
      link_->look_again();  // another thread may have gone on without it
    } else {
      watches_ = false;  // the next call tries again
    }
  } catch (const std::bad_alloc&) {
    watches_ = false;
    throw;
  }
}

}  // namespace backplane::host
