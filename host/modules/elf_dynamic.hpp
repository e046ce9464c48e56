// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "modules/elf_image.hpp"

namespace backplane::host {

/// The dynamic section, and the tables of names, symbols and hashes.
class ElfDynamic {
 public:
  /// `image` must outlive this object.
  explicit ElfDynamic(const ElfImage& image);

  const ElfImage& image() const noexcept { return image_; }
  std::optional<std::uint64_t> value(std::int64_t tag) const;
  /// The value of a tag that must be there if another one is.
  std::uint64_t required(std::int64_t tag, const char* name) const;
  std::string_view string(std::uint64_t offset) const;
  const std::vector<std::string_view>& needed() const noexcept { return needed_; }
  std::size_t symbol_count() const noexcept { return symbol_count_; }
  Elf64_Sym symbol(std::size_t index) const { return element_of<Elf64_Sym>(symbols_, index); }

 private:
  void read_tags();
  void add(const Elf64_Dyn& entry);
  void check_agreement() const;
  void agree(std::int64_t tag, std::uint32_t type, const char* name) const;
  void agree_on_size(std::int64_t tag, std::uint32_t type, const char* name) const;
  void check_code() const;
  void read_strings();
  std::size_t count_of_hash() const;
  std::size_t count_of_gnu_hash() const;
  void read_symbols();

  const ElfImage& image_;
  std::map<std::int64_t, std::uint64_t> tags_;
  std::vector<std::uint64_t> needed_offsets_;
  std::vector<std::string_view> needed_;
  std::string_view strings_;
  std::string_view symbols_;
  std::size_t symbol_count_ = 0;
};

void check_relocations(const ElfDynamic& dynamic);
void check_versions(const ElfDynamic& dynamic);

/// A file on which the dynamic loader does not fail badly: it trusts the dynamic section and all tables to which that
/// leads. The work is linear in the size of the file.
struct LoadableElf {
  /// `bytes` must outlive what is read from them. Throws Failure (BP_LOAD_REFUSED).
  explicit LoadableElf(std::span<const std::uint8_t> bytes) : image(bytes), dynamic(image) {
    check_relocations(dynamic);
    check_versions(dynamic);
  }
  LoadableElf(const LoadableElf&) = delete;
  LoadableElf& operator=(const LoadableElf&) = delete;

  const ElfImage image;
  const ElfDynamic dynamic;
};

}  // namespace backplane::host
