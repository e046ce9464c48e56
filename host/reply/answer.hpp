// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "reply/payload.hpp"

namespace backplane::host {

inline constexpr std::string_view no_memory_for_payload =
    "no memory for the answer's payload: the host's memory_limit is reached, or the system has none";

/// An answer that owns its payload, message and detail.
class Answer {
  [[no_unique_address]] Payload payload_;  // `status` lies in its padding

 public:
  bp_status status = BP_OK;

  /// Copies the contents of `from`, or takes ownership of its buffer. Never fails: if out of memory, the answer becomes
  /// BP_OUT_OF_MEMORY. The buffer is taken in any case.
  void assign(const bp_answer& from) noexcept {
    if (from.buffer != nullptr || from.message.size != 0 || from.detail.size != 0) return assign_all(from);
    clear();
    status = from.status;
    if (!payload_.copy(from.payload)) fail(BP_OUT_OF_MEMORY, no_memory_for_payload);
  }

  /// Makes this an error of the host.
  void fail(bp_status why, std::string_view message) noexcept;

  void clear() noexcept {
    status = BP_OK;
    payload_.clear();
    if (error_ != nullptr) error_.reset();
  }

  /// A view of this answer, valid until the answer changes.
  bp_answer view() const noexcept {
    bp_answer answer{sizeof(bp_answer), status, payload_.view(), {"", 0}, {nullptr, 0}, nullptr};
    if (error_ != nullptr) show_error(answer);
    return answer;
  }

  /// Copies the answer into a result that the caller owns.
  bp_status fill_result(bp_result* result) const noexcept;

  Payload& payload() noexcept { return payload_; }

 private:
  void assign_all(const bp_answer& from) noexcept;
  void show_error(bp_answer& answer) const noexcept;

  struct Error {
    std::string message;
    std::vector<std::uint8_t> detail;
  };

  std::unique_ptr<Error> error_;
};
static_assert(sizeof(Answer) == Payload::inline_capacity + 16, "each open call has one");

/// Whether `status` may end a call, as the answer of a handler or a host function.
constexpr bool is_terminal(bp_status status) noexcept {
  return status >= 0 && status != BP_MISSING_CALLBACK && status != BP_STALE && status != BP_PARTIAL;
}

}  // namespace backplane::host
