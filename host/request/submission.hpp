// SPDX-License-Identifier: Apache-2.0
//
// What calls in a context and calls without one have in common.
#pragma once

#include <string>
#include <string_view>

#include "modules/registry.hpp"
#include "request/record.hpp"
#include "support/views.hpp"

namespace backplane::host {

/// Checks what a submission must have, and finds its method; null with BP_OK: nobody ever had the name.
bp_status resolve(const Registry& registry, const bp_submission& submission, const Method*& method);

/// Why a name was found to have no handler: the status, and the words. `module_runs` is what was seen at that
/// same moment: another look might find the next generation.
bp_status no_handler(const Method& method, bool module_runs, std::string& why);
std::string unknown_name_text(std::string_view name);

/// Calls the handler, on whatever thread and stack it is to run.
inline bp_handled call_handler(Request& request) {
  const Handler& handler = *request.handler;
  bp_call call{sizeof(bp_call),           0,       request.token(), request.payload.view(),
               str(request.method->name), nullptr, nullptr,         handler.data};
  if ((handler.flags & BP_HANDLER_STATIC) == 0) [[likely]] {
    call.instance = request.instance;
    call.state = request.instance->state;
  }
  return handler.function(&call);
}
/// What a caller is told whose handler did not answer.
std::string no_reply_text(const Request& request);

/// A call of a static name, all of it on the calling thread: on_reply has been called when it returns BP_OK.
bp_status submit_without_context(const Registry& registry, const bp_submission& submission);

}  // namespace backplane::host
