// SPDX-License-Identifier: Apache-2.0
#include "support/digest.hpp"

#include <sha2.h>

#include "support/build_id.hpp"

namespace backplane::host {
namespace {

std::string hexadecimal(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace

std::string sha256_of(std::span<const std::uint8_t> bytes) {
  SHA2_CTX context;
  std::uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256Init(&context);
  SHA256Update(&context, bytes.data(), bytes.size());
  SHA256Final(digest, &context);
  return hexadecimal(digest);
}

std::string build_id_of(std::string_view notes) {
  const std::string_view id = build_id_in(notes);
  return hexadecimal({reinterpret_cast<const std::uint8_t*>(id.data()), id.size()});
}

}  // namespace backplane::host
