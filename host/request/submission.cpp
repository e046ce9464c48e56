// SPDX-License-Identifier: Apache-2.0
#include "request/submission.hpp"

#include "request/stream.hpp"

namespace backplane::host {

bool comes_in_parts(const Request& request) noexcept {
  const Stream* const stream = request.stream.load(std::memory_order_acquire);
  return stream != nullptr && stream->comes_in_parts;
}

std::string unknown_name_text(std::string_view name) noexcept {
  return text_or_none([name] {
    return "no loaded module has the wire name \"" + std::string(name) +
           "\"; list the names there are, or load the module that has it";
  });
}

bp_status no_handler(const Method& method, bool module_runs, std::string& why) noexcept {
  const Module& module = *method.module;
  if (!method.answered.load(std::memory_order_acquire)) {  // its module has been refused
    why = unknown_name_text(method.name);
    return BP_UNKNOWN_NAME;
  }
  if (module.held.load(std::memory_order_acquire) != 0) {  // a call in a context waits; see HeldCalls
    why = text_or_none([&] {
      return "the module \"" + module.name +
             "\" is being replaced, and calls without a context cannot wait for that; call again, or in a context";
    });
    return BP_OVERLOADED;
  }
  if (module_runs) {
    why = text_or_none(
        [&] { return "the running generation of \"" + module.name + "\" has no \"" + method.name + "\""; });
    return BP_UNKNOWN_NAME;
  }
  why = text_or_none([&] {
    if (std::string hangs = module.hang_words(); !hangs.empty()) return hangs;
    return "the module \"" + module.name + "\", which had \"" + method.name +
           "\", is not loaded any more; load it again";
  });
  return BP_MODULE_GONE;
}

std::string no_reply_text(const Request& request) noexcept {
  const bool is_static = (request.handler->flags & BP_HANDLER_STATIC) != 0;
  return text_or_none([&] {
    return "the handler of \"" + request.method->name + "\" returned without a terminal reply; " +
           (is_static ? "a static one must reply before it returns" : "it must reply, or return BP_LATER");
  });
}

}  // namespace backplane::host
