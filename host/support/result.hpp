// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host {

/// Why an operation failed. Thrown or returned inside the host; the C functions turn it into a bp_result. `message`
/// says what was found, what was expected and what to do.
struct Failure {
  bp_status status = BP_ERROR;
  std::string message;
  std::vector<std::uint8_t> detail{};  ///< one CBOR item for programs; empty: none
};

/// Fills `result` with copies that it owns. It must be empty before: old contents are not freed. A null `result` is
/// allowed. Returns `status`, or BP_OUT_OF_MEMORY without a text if the copies cannot be allocated.
bp_status set_result(bp_result* result, bp_status status, std::span<const std::uint8_t> payload,
                     std::string_view message = {}, std::span<const std::uint8_t> detail = {}) noexcept;

inline bp_status set_result(bp_result* result, bp_status status, std::string_view message) noexcept {
  return set_result(result, status, {}, message);
}
inline bp_status set_result(bp_result* result, const Failure& failure) noexcept {
  return set_result(result, failure.status, {}, failure.message, failure.detail);
}

/// Frees the contents from set_result().
void free_result(bp_result* result) noexcept;

}  // namespace backplane::host
