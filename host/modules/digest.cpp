// SPDX-License-Identifier: Apache-2.0
#include "modules/digest.hpp"

#include <elf.h>
#include <sha2.h>

#include <algorithm>
#include <cstring>

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
  constexpr std::string_view owner("GNU", 4);
  constexpr std::size_t most_bytes = 64;
  const auto padded = [](std::size_t size) { return (size + 3) & ~std::size_t{3}; };
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr head;
    std::memcpy(&head, notes.data(), sizeof head);
    notes.remove_prefix(sizeof head);
    const std::size_t name = padded(head.n_namesz);
    if (name > notes.size() || head.n_descsz > notes.size() - name) break;
    const std::string_view id = notes.substr(name, head.n_descsz);
    if (head.n_type == NT_GNU_BUILD_ID && notes.substr(0, head.n_namesz) == owner && id.size() <= most_bytes) {
      return hexadecimal({reinterpret_cast<const std::uint8_t*>(id.data()), id.size()});
    }
    notes.remove_prefix(std::min(notes.size(), name + padded(head.n_descsz)));
  }
  return {};
}

}  // namespace backplane::host
