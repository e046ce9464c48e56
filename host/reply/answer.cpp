// SPDX-License-Identifier: Apache-2.0
#include "reply/answer.hpp"

#include "support/result.hpp"
#include "support/views.hpp"

namespace backplane::host {

void Answer::assign_all(const bp_answer& from) noexcept {
  clear();
  status = from.status;
  if (from.buffer != nullptr) {
    payload_.adopt(from.buffer);
  } else if (!payload_.copy(from.payload)) {
    return fail(BP_OUT_OF_MEMORY, no_memory_for_payload);
  }
  if (from.message.size == 0 && from.detail.size == 0) return;
  try {
    const auto detail = backplane::host::view(from.detail);
    error_ = std::make_unique<Error>(
        Error{std::string(backplane::host::view(from.message)), {detail.begin(), detail.end()}});
  } catch (const std::bad_alloc&) {
    fail(BP_OUT_OF_MEMORY, {});
  }
}

void Answer::fail(bp_status why, std::string_view message) noexcept {
  clear();
  status = why;
  if (message.empty()) return;
  try {
    error_ = std::make_unique<Error>(Error{std::string(message), {}});
  } catch (const std::bad_alloc&) {
    // The answer has only its status.
  }
}

void Answer::show_error(bp_answer& answer) const noexcept {
  answer.message = str(error_->message);
  answer.detail = bytes(error_->detail);
}

bp_status Answer::fill_result(bp_result* result) const noexcept {
  const bp_answer seen = view();
  return set_result(result, status, backplane::host::view(seen.payload), backplane::host::view(seen.message),
                    backplane::host::view(seen.detail));
}

}  // namespace backplane::host
