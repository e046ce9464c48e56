// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace backplane::host {

/// Why an operation failed, in its passage through the host: thrown or returned inside, turned into
/// a bp_result at the border. `message` says what was found, what was expected and what to do.
struct Failure {
  bp_status status = BP_ERROR;
  std::string message;
};

/// Fills `result` with copies that it owns; what it held before is dropped unseen, so it must be
/// fresh. A null `result` is fine. Returns `status`; BP_OUT_OF_MEMORY, with no text, if the copies
/// cannot be had.
bp_status set_result(bp_result* result, bp_status status, std::span<const std::uint8_t> payload,
                     std::string_view message = {}, std::span<const std::uint8_t> detail = {}) noexcept;

inline bp_status set_result(bp_result* result, bp_status status, std::string_view message) noexcept {
  return set_result(result, status, {}, message);
}
inline bp_status set_result(bp_result* result, const Failure& failure) noexcept {
  return set_result(result, failure.status, failure.message);
}

/// Frees what set_result() put there.
void free_result(bp_result* result) noexcept;

}  // namespace backplane::host
