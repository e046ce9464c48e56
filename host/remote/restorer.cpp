// SPDX-License-Identifier: Apache-2.0
#include "remote/restorer.hpp"

#include <utility>

#include "support/views.hpp"

namespace backplane::host {
namespace {

using std::chrono::milliseconds;

/// The host may not have noticed yet that the old connection, which provided the same names, has ended. It has so long.
constexpr milliseconds first_wait{5};
constexpr milliseconds last_wait{1'000};

}  // namespace

void add_refusal(std::string& text, std::string_view name, std::string_view why) {
  if (!text.empty()) text += "; ";
  text.append(name).append(": ").append(why);
}

Restorer::Restorer(Channel& channel, const Kept& kept, Sleep sleep)
    : channel_(channel), kept_(kept), sleep_(std::move(sleep)), wait_(first_wait) {}

bool Restorer::listeners() {
  for (const EventThread::Wanted& wanted : kept_.events->claim_all(channel_.number())) {
    if (!kept_.events->has(wanted.id)) continue;
    OwnedResult answer;
    const bp_status status = listen(wanted, answer.raw);
    if (is_no_answer(status)) return false;
    if (status == BP_OUT_OF_MEMORY) throw std::bad_alloc();
    if (status != BP_OK) {
      kept_.events->refused(wanted.id);
      add_refusal(refused_, wanted.pattern, view(answer.raw.message));
    } else if (!kept_.events->has(wanted.id)) {
      // It was removed meanwhile, and the host may have been told so before it was told of the listener.
      channel_.open(wire::Unlisten{0, wanted.id}, 0, {ignore_reply, nullptr, 0}, Channel::Use::service, nullptr);
    }
  }
  return true;
}

bp_status Restorer::listen(const EventThread::Wanted& wanted, bp_result& result) {
  if ((wanted.flags & BP_LISTEN_LOSSLESS) != 0 && !channel_.features().lossless) {
    return set_result(&result, BP_NOT_SUPPORTED, "this host knows no lossless listeners");
  }
  return ask_host(channel_, wire::Listen{0, wanted.id, wanted.pattern, wanted.flags}, wanted.pattern.size(), prompt,
                  result, Channel::Use::service);
}

bool Restorer::functions() {
  for (const std::string& name : kept_.functions->names()) {
    OwnedResult answer;
    const bp_status status = provide(name, answer.raw);
    if (is_no_answer(status)) return false;
    if (status == BP_OUT_OF_MEMORY) throw std::bad_alloc();
    if (status != BP_OK) {
      add_refusal(refused_, name, view(answer.raw.message));
      continue;
    }
    kept_.functions->unless_there(name, [&] {  // as above
      channel_.open(wire::Withdraw{0, name}, name.size(), {ignore_reply, nullptr, 0}, Channel::Use::service, nullptr);
    });
  }
  return true;
}

bp_status Restorer::provide(const std::string& name, bp_result& result) {
  if (!channel_.features().provide) {
    return set_result(&result, BP_NOT_SUPPORTED, "this host takes no host functions of connections");
  }
  for (;;) {
    const bp_status status =
        ask_host(channel_, wire::Provide{0, 0, name}, name.size(), prompt, result, Channel::Use::service);
    if (status != BP_NAME_TAKEN || wait_ > last_wait) return status;
    free_result(&result);
    if (!sleep_(std::exchange(wait_, wait_ * 2))) return set_result(&result, BP_CANCELED, std::string_view());
  }
}

/// A name that no module has is not refused: calls go by the name until it is resolved again.
bool Restorer::methods() {
  for (std::uint64_t id = 1; id <= kept_.methods->size(); ++id) {
    const auto target = kept_.methods->find({id}, channel_.number());
    if (!target || target->id != 0) continue;
    std::uint64_t host_id = 0;
    const bp_status status = ask_for_method(channel_, target->name, Channel::Use::service, host_id);
    if (is_no_answer(status)) return false;
    if (status == BP_OUT_OF_MEMORY) throw std::bad_alloc();
    if (status == BP_OK) kept_.methods->resolved({id}, host_id, channel_.number());
  }
  return true;
}

}  // namespace backplane::host
