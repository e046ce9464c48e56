// SPDX-License-Identifier: Apache-2.0
#include "support/result.hpp"

#include <cstdlib>
#include <cstring>

namespace backplane::host {

bp_status set_result(bp_result* result, bp_status status, std::span<const std::uint8_t> payload,
                     std::string_view message, std::span<const std::uint8_t> detail) noexcept {
  if (result == nullptr) return status;
  const std::uint32_t struct_size = result->struct_size;
  *result = bp_result{};
  result->struct_size = struct_size;
  result->status = status;
  const std::size_t total = payload.size() + message.size() + detail.size();
  if (total == 0) return status;
  auto* memory = static_cast<std::uint8_t*>(std::malloc(total + 1));
  if (memory == nullptr) return result->status = BP_OUT_OF_MEMORY;
  result->owner = memory;
  const auto put = [&memory](const void* from, std::size_t size) {
    std::uint8_t* const begin = memory;
    if (size != 0) std::memcpy(begin, from, size);
    memory += size;
    return begin;
  };
  // The message comes last and has a NUL after it, for callers that print it as a C string.
  result->payload = {put(payload.data(), payload.size()), payload.size()};
  result->detail = {put(detail.data(), detail.size()), detail.size()};
  result->message = {reinterpret_cast<const char*>(put(message.data(), message.size())), message.size()};
  *memory = 0;
  return status;
}

void free_result(bp_result* result) noexcept {
  if (result == nullptr) return;
  std::free(result->owner);
  const std::uint32_t struct_size = result->struct_size;
  *result = bp_result{};
  result->struct_size = struct_size;
}

}  // namespace backplane::host
