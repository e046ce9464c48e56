// SPDX-License-Identifier: Apache-2.0
//
// What calls in a context and calls without one have in common.
#pragma once

#include <new>
#include <string>
#include <string_view>

#include "modules/registry.hpp"
#include "request/record.hpp"
#include "support/views.hpp"

namespace backplane::host {

/// Checks a submission and finds its method. BP_OK with a null method: no module ever had the name.
bp_status resolve(const Registry& registry, const bp_submission& submission, const Method*& method);

/// The text that `make` returns; empty if there is no memory for it. For messages of answers, which must come anyway.
template <class F>
std::string text_or_none(F make) noexcept {
  try {
    return make();
  } catch (const std::bad_alloc&) {
    return {};
  }
}

/// Why a name has no handler: the status, and the message in `why`. `module_runs`: whether a generation ran when the
/// handler was looked for. Another look might find the next generation.
bp_status no_handler(const Method& method, bool module_runs, std::string& why) noexcept;
std::string unknown_name_text(std::string_view name) noexcept;

/// Whether a request was submitted with BP_SUBMIT_PARTS. The thread that runs it, or that submits it.
bool comes_in_parts(const Request& request) noexcept;

/// Calls the handler on the calling thread and stack.
inline bp_handled call_handler(Request& request) {
  const Handler& handler = *request.handler;
  bp_call call{sizeof(bp_call),           0,       request.token(), request.payload.view(),
               str(request.method->name), nullptr, nullptr,         handler.data};
  if ((handler.flags & BP_HANDLER_STATIC) == 0) [[likely]] {
    call.instance = request.instance;
    call.state = request.instance->state;
    if ((handler.flags & BP_HANDLER_PARTS) != 0 && comes_in_parts(request)) call.flags = BP_CALL_PARTS;
  }
  return handler.function(&call);
}
/// The message for a call whose handler did not answer.
std::string no_reply_text(const Request& request) noexcept;

/// Makes a call of a static name on the calling thread. With BP_OK, on_reply has been called.
bp_status submit_without_context(const Registry& registry, const bp_submission& submission);

}  // namespace backplane::host
