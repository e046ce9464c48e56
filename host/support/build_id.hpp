// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace backplane::host {

/// The bytes of the GNU build id in ELF notes; empty: there is none. The notes are untrusted. Allocates nothing, so
/// that signal handlers may call it.
inline std::string_view build_id_in(std::string_view notes) noexcept {
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
    if (head.n_type == NT_GNU_BUILD_ID && notes.substr(0, head.n_namesz) == owner && id.size() <= most_bytes) return id;
    notes.remove_prefix(std::min(notes.size(), name + padded(head.n_descsz)));
  }
  return {};
}

}  // namespace backplane::host
