// SPDX-License-Identifier: Apache-2.0
//
// The versions of symbols in an ELF file: which the file defines, which it needs of others, and which each symbol has.
#include <algorithm>

#include "modules/elf_dynamic.hpp"

namespace backplane::host {
namespace {

constexpr std::uint32_t version_mask = 0x7fff;  // the highest bit hides a symbol

/// Two lists, one inside the other, linked by distances. The dynamic loader follows these without a bound.
class Versions {
 public:
  explicit Versions(const ElfDynamic& dynamic) : dynamic_(dynamic) {}

  void read_needed() {
    std::uint64_t at = *dynamic_.value(DT_VERNEED);
    const std::uint64_t count = dynamic_.required(DT_VERNEEDNUM, "DT_VERNEEDNUM");
    for (std::uint64_t i = 0;; ++i) {
      const auto entry = read<Elf64_Verneed>(at);
      if (i >= count || entry.vn_version != VER_NEED_CURRENT) broken();
      const std::string_view file = dynamic_.string(entry.vn_file);
      // The dynamic loader ends the process if it has no such file.
      if (std::find(dynamic_.needed().begin(), dynamic_.needed().end(), file) == dynamic_.needed().end()) {
        refuse_damaged("it needs versions of a library that DT_NEEDED does not name");
      }
      read_needed_of(at + entry.vn_aux, entry.vn_cnt);
      if (entry.vn_next == 0) {
        if (i + 1 != count) broken();
        return;
      }
      at += entry.vn_next;
    }
  }

  void read_defined() {
    std::uint64_t at = *dynamic_.value(DT_VERDEF);
    const std::uint64_t count = dynamic_.required(DT_VERDEFNUM, "DT_VERDEFNUM");
    for (std::uint64_t i = 0;; ++i) {
      const auto entry = read<Elf64_Verdef>(at);
      if (i >= count || entry.vd_version != VER_DEF_CURRENT) broken();
      note(entry.vd_ndx);
      dynamic_.string(read<Elf64_Verdaux>(at + entry.vd_aux).vda_name);
      if (entry.vd_next == 0) {
        if (i + 1 != count) broken();
        return;
      }
      at += entry.vd_next;
    }
  }

  /// The dynamic loader uses the version of a symbol as an index.
  void check_symbols() const {
    const std::uint64_t at = *dynamic_.value(DT_VERSYM);
    const std::string_view table = dynamic_.image().contents(at, dynamic_.symbol_count() * 2, "DT_VERSYM");
    for (std::size_t i = 0; i < dynamic_.symbol_count(); ++i) {
      if ((element_of<std::uint16_t>(table, i) & version_mask) > highest_) {
        refuse_damaged("a symbol has a version that the file does not name");
      }
    }
  }

 private:
  [[noreturn]] static void broken() { refuse_damaged("its tables of versions are broken"); }

  void read_needed_of(std::uint64_t at, std::size_t count) {
    for (std::size_t i = 0;; ++i) {
      const auto entry = read<Elf64_Vernaux>(at);
      if (i >= count) broken();
      note(entry.vna_other);
      dynamic_.string(entry.vna_name);
      if (entry.vna_next == 0) {
        if (i + 1 != count) broken();
        return;
      }
      at += entry.vna_next;
    }
  }

  // Lists that share their entries would turn a small file into much work.
  template <class T>
  T read(std::uint64_t at) {
    constexpr std::size_t most = std::size_t{1} << 16;
    if (++entries_ > most) broken();
    return element_of<T>(dynamic_.image().contents(at, sizeof(T), "a table of versions"), 0);
  }

  void note(std::uint32_t index) { highest_ = std::max(highest_, index & version_mask); }

  const ElfDynamic& dynamic_;
  std::size_t entries_ = 0;
  std::uint32_t highest_ = VER_NDX_GLOBAL;
};

}  // namespace

void check_versions(const ElfDynamic& dynamic) {
  Versions versions(dynamic);
  if (dynamic.value(DT_VERNEED)) versions.read_needed();
  if (dynamic.value(DT_VERDEF)) versions.read_defined();
  if (dynamic.value(DT_VERSYM)) versions.check_symbols();
}

}  // namespace backplane::host
