// SPDX-License-Identifier: Apache-2.0
#include "request/handler_errors.hpp"

#include <new>
#include <string>

#include "support/status_name.hpp"
#include "support/views.hpp"

namespace backplane::host {

void log_error_closely(const Request& request) noexcept try {
  if (request.handler == nullptr || request.method == nullptr) return;
  const bp_answer answer = request.answer.view();
  const std::string call = std::to_string(request.token());
  const std::string number = std::to_string(answer.status);
  const char* const status = status_name(answer.status);
  std::string text = "\"" + request.method->name + "\" ended with " + status + " (" + number + "), call " + call;
  if (answer.message.size != 0) text.append(": ").append(view(answer.message));
  const std::string members = "\"name\":\"" + request.method->name + "\",\"status\":\"" + status +
                              "\",\"status_code\":" + number + ",\"call\":" + call;
  log::write(BP_LOG_DEBUG, request.handler->generation->source(), text, {.members = members});
} catch (const std::bad_alloc&) {
  // The call's statistics count it all the same.
}

}  // namespace backplane::host
