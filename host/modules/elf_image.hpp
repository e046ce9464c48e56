// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host {

/// Throws the Failure (BP_LOAD_REFUSED) of a file that is damaged: `what` says in which way.
[[noreturn]] void refuse_damaged(const std::string& what);

/// What the dynamic loader makes of an ELF file: its segments in memory. The dynamic loader trusts the program headers;
/// this class compares them with each other and with the sections. The work is linear in the size of the file.
class ElfImage {
 public:
  /// `bytes` must outlive this object, and ElfFile must have accepted their headers. Throws Failure (BP_LOAD_REFUSED)
  /// if mapping the file would go wrong.
  explicit ElfImage(std::span<const std::uint8_t> bytes);

  /// `size` bytes at an address that have contents in the file, and can be read. Throws Failure: `what` lies elsewhere.
  std::string_view contents(std::uint64_t address, std::uint64_t size, const char* what) const;
  /// Whether one segment with all of `flags` (PF_…) has this range in its memory.
  bool has(std::uint64_t address, std::uint64_t size, std::uint32_t flags) const noexcept;
  bool has_contents(std::uint64_t address, std::uint64_t size) const noexcept;
  /// The segment that contains this address; null: none does.
  const Elf64_Phdr* segment_at(std::uint64_t address) const noexcept;
  /// The only segment of a type that is not PT_LOAD; null: there is none.
  const Elf64_Phdr* special(std::uint32_t type) const noexcept;
  const std::vector<Elf64_Phdr>& loaded() const noexcept { return loaded_; }
  std::uint64_t end() const noexcept { return loaded_.back().p_vaddr + loaded_.back().p_memsz; }

  /// The sections that a segment loads.
  const std::vector<Elf64_Shdr>& sections() const noexcept { return sections_; }
  /// The first of a type; null: there is none.
  const Elf64_Shdr* section_of(std::uint32_t type) const noexcept;
  const Elf64_Shdr* section_named(std::string_view name) const noexcept;

 private:
  void read_segments();
  void check_order() const;
  void read_sections();
  void check_section(const Elf64_Shdr& section) const;
  void check_tls() const;
  void check_relro() const;
  void check_unwinding() const;
  std::string_view file_range(std::uint64_t offset, std::uint64_t size) const;

  std::span<const std::uint8_t> bytes_;
  std::vector<Elf64_Phdr> loaded_;   // by address
  std::vector<Elf64_Phdr> special_;  // the others that this host knows, at most one of each type
  std::vector<Elf64_Shdr> sections_;
  std::string_view names_;  // of sections
};

/// The element `index` of a table. Whoever calls this has checked the size.
template <class T>
T element_of(std::string_view table, std::size_t index) {
  T value;
  std::memcpy(&value, table.data() + index * sizeof(T), sizeof(T));
  return value;
}

}  // namespace backplane::host
