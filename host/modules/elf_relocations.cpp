// SPDX-License-Identifier: Apache-2.0
//
// The relocations of an ELF file: the dynamic loader writes to each place that they name, without a look.
#include <algorithm>
#include <array>
#include <utility>

#include "modules/elf_dynamic.hpp"

namespace backplane::host {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t type_none = R_X86_64_NONE;
constexpr std::uint32_t type_relative = R_X86_64_RELATIVE;
constexpr std::uint32_t type_irelative = R_X86_64_IRELATIVE;
constexpr std::uint32_t type_slot = R_X86_64_JUMP_SLOT;
constexpr std::uint32_t type_got = R_X86_64_GLOB_DAT;
constexpr std::uint32_t type_address = R_X86_64_64;
constexpr std::uint32_t type_descriptor = R_X86_64_TLSDESC;
constexpr std::array tls_types = {std::uint32_t{R_X86_64_DTPMOD64}, std::uint32_t{R_X86_64_DTPOFF64},
                                  std::uint32_t{R_X86_64_TPOFF64}, std::uint32_t{R_X86_64_TLSDESC}};
constexpr std::array other_types = {std::uint32_t{R_X86_64_PC32}, std::uint32_t{R_X86_64_32},
                                    std::uint32_t{R_X86_64_SIZE32}, std::uint32_t{R_X86_64_SIZE64},
                                    std::uint32_t{R_X86_64_PC64}};
#else
constexpr std::uint32_t type_none = R_AARCH64_NONE;
constexpr std::uint32_t type_relative = R_AARCH64_RELATIVE;
constexpr std::uint32_t type_irelative = R_AARCH64_IRELATIVE;
constexpr std::uint32_t type_slot = R_AARCH64_JUMP_SLOT;
constexpr std::uint32_t type_got = R_AARCH64_GLOB_DAT;
constexpr std::uint32_t type_address = R_AARCH64_ABS64;
constexpr std::uint32_t type_descriptor = R_AARCH64_TLSDESC;
constexpr std::array tls_types = {std::uint32_t{R_AARCH64_TLS_DTPMOD}, std::uint32_t{R_AARCH64_TLS_DTPREL},
                                  std::uint32_t{R_AARCH64_TLS_TPREL}, std::uint32_t{R_AARCH64_TLSDESC}};
constexpr std::array other_types = {std::uint32_t{R_AARCH64_ABS32}, std::uint32_t{R_AARCH64_PREL32}};
#endif

constexpr std::int64_t tag_relr = 36;  // DT_RELR and its size and entries
constexpr std::int64_t tag_relrsz = 35;
constexpr std::int64_t tag_relrent = 37;
constexpr std::uint64_t word = 8;

template <class A>
bool has(const A& types, std::uint32_t type) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

/// The places that are written to. Each has one relocation: two that meet there are one that was damaged.
class Places {
 public:
  explicit Places(const ElfImage& image) : image_(image) {
    for (const Elf64_Phdr& each : image.loaded()) {
      taken_.emplace_back((each.p_flags & PF_W) != 0 ? each.p_filesz : 0);
    }
  }

  /// Returns false if the place is taken. Places in memory without contents in the file, or in code, are not noted.
  bool take(std::uint64_t at, std::uint64_t size) {
    std::vector<bool>* const of = of_segment(at);
    if (of == nullptr) return true;
    const std::uint64_t first = at - image_.segment_at(at)->p_vaddr;
    for (std::uint64_t i = first; i < first + size && i < of->size(); ++i) {
      if ((*of)[i]) return false;
      (*of)[i] = true;
    }
    return true;
  }
  bool taken(std::uint64_t at) {
    std::vector<bool>* const of = of_segment(at);
    const std::uint64_t i = of == nullptr ? 0 : at - image_.segment_at(at)->p_vaddr;
    return of != nullptr && i < of->size() && (*of)[i];
  }

 private:
  std::vector<bool>* of_segment(std::uint64_t at) {
    const Elf64_Phdr* const segment = image_.segment_at(at);
    return segment == nullptr ? nullptr : &taken_[static_cast<std::size_t>(segment - image_.loaded().data())];
  }

  const ElfImage& image_;
  std::vector<std::vector<bool>> taken_;  // by segment: its bytes
};

class Relocations {
 public:
  explicit Relocations(const ElfDynamic& dynamic)
      : dynamic_(dynamic),
        image_(dynamic.image()),
        places_(image_),
        code_only_({range_of(DT_INIT_ARRAY, DT_INIT_ARRAYSZ), range_of(DT_FINI_ARRAY, DT_FINI_ARRAYSZ)}) {
    text_too_ = dynamic.value(DT_TEXTREL).has_value() || (dynamic.value(DT_FLAGS).value_or(0) & DF_TEXTREL) != 0;
  }

  void check() {
    const Table all = table(DT_RELA, DT_RELASZ, "DT_RELA");
    const Table plt = table(DT_JMPREL, DT_PLTRELSZ, "DT_JMPREL");
    if (all.size != 0 && dynamic_.required(DT_RELAENT, "DT_RELAENT") != sizeof(Elf64_Rela)) {
      refuse_damaged("DT_RELAENT is wrong");
    }
    if (plt.size != 0 && dynamic_.required(DT_PLTREL, "DT_PLTREL") != DT_RELA) refuse_damaged("DT_PLTREL is wrong");
    check_sections(all, plt);
    const std::uint64_t relative = dynamic_.value(DT_RELACOUNT).value_or(0);
    read(all, relative);
    // Some linkers count the second table as the end of the first.
    if (!(plt.at >= all.at && plt.at + plt.size <= all.at + all.size)) read(plt, 0);
    read_packed();
    check_calls();
  }

 private:
  struct Table {
    std::uint64_t at = 0;
    std::uint64_t size = 0;
  };

  Table range_of(std::int64_t tag, std::int64_t size_tag) const {
    return {dynamic_.value(tag).value_or(0), dynamic_.value(size_tag).value_or(0)};
  }

  Table table(std::int64_t tag, std::int64_t size_tag, const char* name) const {
    const auto at = dynamic_.value(tag);
    if (!at) {
      if (dynamic_.value(size_tag).value_or(0) != 0) refuse_damaged(std::string("its dynamic section lacks ") + name);
      return {};
    }
    const Table found{*at, dynamic_.required(size_tag, name)};
    if (found.size % sizeof(Elf64_Rela) != 0) refuse_damaged(std::string("the size of ") + name + " is wrong");
    if (found.size != 0) image_.contents(found.at, found.size, name);
    return found;
  }

  // Each section of relocations belongs to one of the tables as a whole, and the tables have nothing else.
  void check_sections(const Table& all, const Table& plt) const {
    std::uint64_t in_sections = 0;
    for (const Elf64_Shdr& section : image_.sections()) {
      if (section.sh_type != SHT_RELA || section.sh_size == 0) continue;
      in_sections += section.sh_size;
      const auto inside = [&section](const Table& of) {
        return section.sh_addr >= of.at && section.sh_addr - of.at <= of.size &&
               section.sh_size <= of.size - (section.sh_addr - of.at);
      };
      if (!inside(all) && !inside(plt)) refuse_damaged("the dynamic section leaves out relocations");
    }
    const bool apart = plt.size == 0 || !(plt.at >= all.at && plt.at + plt.size <= all.at + all.size);
    if (in_sections != 0 && in_sections != all.size + (apart ? plt.size : 0)) {
      refuse_damaged("the dynamic section counts more relocations than the sections have");
    }
  }

  void read(const Table& table, std::uint64_t relative) {
    if (table.size == 0) {
      if (relative != 0) refuse_damaged("DT_RELACOUNT is wrong");
      return;
    }
    const std::string_view entries = image_.contents(table.at, table.size, "a table of relocations");
    const std::size_t count = entries.size() / sizeof(Elf64_Rela);
    if (relative > count) refuse_damaged("DT_RELACOUNT is wrong");
    for (std::size_t i = 0; i < count; ++i) {
      const auto entry = element_of<Elf64_Rela>(entries, i);
      // The dynamic loader ends the process if it finds another kind among these.
      if (i < relative && ELF64_R_TYPE(entry.r_info) != type_relative) refuse_damaged("DT_RELACOUNT is wrong");
      check(entry);
    }
  }

  void check(const Elf64_Rela& entry) {
    const auto type = static_cast<std::uint32_t>(ELF64_R_TYPE(entry.r_info));
    const std::uint64_t index = ELF64_R_SYM(entry.r_info);
    if (type == type_none) return;
    if (index >= std::max<std::size_t>(dynamic_.symbol_count(), 1)) refuse_damaged("a relocation names no symbol");
    const bool is_tls = has(tls_types, type);
    const bool is_slot = type == type_slot || type == type_got;
    const auto addend = static_cast<std::uint64_t>(entry.r_addend);
    if (type == type_relative || type == type_irelative) {
      if (index != 0) refuse_damaged("a relocation has a symbol that it cannot have");
      check_own_address(entry.r_offset, addend, type == type_irelative);
    } else if (!is_tls && !is_slot && type != type_address && !has(other_types, type)) {
      refuse_damaged("a relocation is of a kind that this machine does not have (" + std::to_string(type) + ")");
    }
    if (is_slot && index == 0) refuse_damaged("a relocation names no symbol");
    if (is_tls) check_tls(index);
    if ((is_slot || is_tls) && entry.r_offset % word != 0) refuse_damaged("a relocation changes an odd place");
    const bool is_half = has(other_types, type);
    take(entry.r_offset, type == type_descriptor ? 2 * word : is_half ? word / 2 : word);
  }

  // What is called must be code; every other address lies in the image, or just behind it.
  void check_own_address(std::uint64_t place, std::uint64_t address, bool called) {
    for (const Table& range : code_only_) called = called || (place >= range.at && place - range.at < range.size);
    constexpr std::uint64_t around = 4096;  // compilers form addresses beside an array, too
    if (called && !image_.has(address, 1, PF_X)) refuse_damaged("it would run what is not code");
    if (address + around > image_.end() + 2 * around) refuse_damaged("a relocation leads out of the file");
  }

  void check_tls(std::uint64_t index) const {
    if (index == 0) {
      if (image_.special(PT_TLS) == nullptr) refuse_damaged("a relocation needs PT_TLS, which is not there");
      return;
    }
    const Elf64_Sym symbol = dynamic_.symbol(index);
    const unsigned type = ELF64_ST_TYPE(symbol.st_info);
    if (type != STT_TLS && (symbol.st_shndx != SHN_UNDEF || type != STT_NOTYPE)) {
      refuse_damaged("a thread-local relocation names a symbol of another kind");
    }
  }

  void take(std::uint64_t at, std::uint64_t size) {
    if (!image_.has(at, size, text_too_ ? 0 : PF_W)) refuse_damaged("a relocation changes what is not writable");
    if (!text_too_ && !image_.has_contents(at, size)) refuse_damaged("a relocation changes memory without contents");
    if (!places_.take(at, size)) refuse_damaged("two relocations change one place");
  }

  // DT_RELR: an address, then words whose bits stand for the places behind it.
  void read_packed() {
    const auto at = dynamic_.value(tag_relr);
    if (!at) return;
    const std::uint64_t size = dynamic_.required(tag_relrsz, "DT_RELRSZ");
    if (dynamic_.required(tag_relrent, "DT_RELRENT") != word || size % word != 0) refuse_damaged("DT_RELRSZ is wrong");
    const std::string_view entries = image_.contents(*at, size, "DT_RELR");
    constexpr std::uint64_t places_of_word = 63;
    std::uint64_t next = 0;
    for (std::size_t i = 0; i < entries.size() / word; ++i) {
      const auto entry = element_of<std::uint64_t>(entries, i);
      if ((entry & 1U) == 0) {
        take_packed(entry);
        next = entry + word;
        continue;
      }
      if (i == 0) refuse_damaged("DT_RELR does not begin with an address");
      for (std::uint64_t bit = 0; bit < places_of_word; ++bit) {
        if ((entry >> (bit + 1) & 1U) != 0) take_packed(next + bit * word);
      }
      next += places_of_word * word;
    }
  }

  void take_packed(std::uint64_t at) {
    take(at, word);
    check_own_address(at, element_of<std::uint64_t>(image_.contents(at, word, "a packed relocation"), 0), false);
  }

  // The dynamic loader calls whatever is in these, so each needs a relocation that puts an address there.
  void check_calls() {
    for (const Table& range : code_only_) {
      if (range.size == 0) continue;
      if (range.size % word != 0) refuse_damaged("the size of an array of functions is wrong");
      image_.contents(range.at, range.size, "an array of functions");
      for (std::uint64_t at = range.at; at < range.at + range.size; at += word) {
        if (!places_.taken(at)) refuse_damaged("it would run a function without an address");
      }
    }
  }

  const ElfDynamic& dynamic_;
  const ElfImage& image_;
  Places places_;
  std::array<Table, 2> code_only_;
  bool text_too_ = false;
};

}  // namespace

void check_relocations(const ElfDynamic& dynamic) { Relocations(dynamic).check(); }

}  // namespace backplane::host
