// SPDX-License-Identifier: Apache-2.0
//
// Reads the dynamic section of an ELF file as the dynamic loader does, but checks each value: against the segments, and
// against the section headers, which say the same a second time.
#include "modules/elf_dynamic.hpp"

#include <algorithm>
#include <array>

#include "support/result.hpp"

namespace backplane::host {
namespace {

constexpr std::uint32_t type_relr = 19;  // SHT_RELR
constexpr std::int64_t tag_relr = 36;    // DT_RELR
constexpr std::int64_t tag_relrsz = 35;

// A known number, or one of those that are left to systems and processors.
bool may_be_tag(std::int64_t tag) {
  constexpr std::int64_t last_standard = 37;  // DT_RELRENT
  return (tag >= 0 && tag <= last_standard) || (tag >= DT_LOOS && tag <= DT_HIPROC);
}

bool may_repeat(std::int64_t tag) {
  return tag == DT_NEEDED || tag == DT_AUXILIARY || tag == DT_FILTER || tag == DT_DEBUG;
}

}  // namespace

ElfDynamic::ElfDynamic(const ElfImage& image) : image_(image) {
  read_tags();
  if ((value(DT_FLAGS_1).value_or(0) & DF_1_PIE) != 0) {
    throw Failure{BP_LOAD_REFUSED, "it is an executable, expected a shared object; link it with -shared"};
  }
  check_agreement();
  read_strings();
  read_symbols();
  check_code();
}

std::optional<std::uint64_t> ElfDynamic::value(std::int64_t tag) const {
  const auto found = tags_.find(tag);
  return found == tags_.end() ? std::nullopt : std::optional(found->second);
}

std::uint64_t ElfDynamic::required(std::int64_t tag, const char* name) const {
  const auto found = value(tag);
  if (!found) refuse_damaged(std::string("its dynamic section lacks ") + name);
  return *found;
}

void ElfDynamic::read_tags() {
  const Elf64_Phdr& segment = *image_.special(PT_DYNAMIC);
  const Elf64_Shdr* const section = image_.section_of(SHT_DYNAMIC);
  if (section != nullptr && (section->sh_addr != segment.p_vaddr || section->sh_size != segment.p_memsz)) {
    refuse_damaged("PT_DYNAMIC and the dynamic section do not agree");
  }
  if (segment.p_memsz != segment.p_filesz) refuse_damaged("PT_DYNAMIC has no contents in the file");
  // The dynamic loader writes to the table, unless its header says that it must not.
  if ((segment.p_flags & PF_W) != 0 && !image_.has(segment.p_vaddr, segment.p_memsz, PF_W)) {
    refuse_damaged("PT_DYNAMIC does not lie in a writable segment");
  }
  const std::string_view table = image_.contents(segment.p_vaddr, segment.p_memsz, "PT_DYNAMIC");
  bool ended = false;
  for (std::size_t i = 0; i < table.size() / sizeof(Elf64_Dyn); ++i) {
    const auto entry = element_of<Elf64_Dyn>(table, i);
    if (entry.d_tag == DT_NULL) {
      ended = true;
    } else if (ended) {
      refuse_damaged("its dynamic section goes on after its end");
    } else {
      add(entry);
    }
  }
  if (!ended) refuse_damaged("its dynamic section has no end");
}

void ElfDynamic::add(const Elf64_Dyn& entry) {
  if (!may_be_tag(entry.d_tag)) refuse_damaged("its dynamic section has an entry of no known kind");
  constexpr std::size_t most_needed = 1024;
  if (entry.d_tag == DT_NEEDED) needed_offsets_.push_back(entry.d_un.d_val);
  if (needed_offsets_.size() > most_needed) {
    throw Failure{BP_LOAD_REFUSED, "it needs more than " + std::to_string(most_needed) + " libraries"};
  }
  const bool fresh = tags_.insert_or_assign(entry.d_tag, entry.d_un.d_val).second;
  if (!fresh && !may_repeat(entry.d_tag)) {
    refuse_damaged("its dynamic section has two entries of one kind (" + std::to_string(entry.d_tag) + ")");
  }
}

void ElfDynamic::agree(std::int64_t tag, std::uint32_t type, const char* name) const {
  const Elf64_Shdr* const section = image_.section_of(type);
  if (section == nullptr || section->sh_size == 0) return;
  if (required(tag, name) != section->sh_addr) {
    refuse_damaged(std::string(name) + " and the section that it names do not agree");
  }
}

void ElfDynamic::agree_on_size(std::int64_t tag, std::uint32_t type, const char* name) const {
  const Elf64_Shdr* const section = image_.section_of(type);
  if (section == nullptr || section->sh_size == 0) return;
  if (required(tag, name) != section->sh_size) {
    refuse_damaged(std::string(name) + " and the size of its section do not agree");
  }
}

void ElfDynamic::check_agreement() const {
  agree(DT_STRTAB, SHT_STRTAB, "DT_STRTAB");
  agree(DT_SYMTAB, SHT_DYNSYM, "DT_SYMTAB");
  agree(DT_HASH, SHT_HASH, "DT_HASH");
  agree(DT_GNU_HASH, SHT_GNU_HASH, "DT_GNU_HASH");
  agree(DT_VERSYM, SHT_GNU_versym, "DT_VERSYM");
  agree(DT_VERNEED, SHT_GNU_verneed, "DT_VERNEED");
  agree(DT_VERDEF, SHT_GNU_verdef, "DT_VERDEF");
  agree(DT_INIT_ARRAY, SHT_INIT_ARRAY, "DT_INIT_ARRAY");
  agree_on_size(DT_INIT_ARRAYSZ, SHT_INIT_ARRAY, "DT_INIT_ARRAYSZ");
  agree(DT_FINI_ARRAY, SHT_FINI_ARRAY, "DT_FINI_ARRAY");
  agree_on_size(DT_FINI_ARRAYSZ, SHT_FINI_ARRAY, "DT_FINI_ARRAYSZ");
  agree(tag_relr, type_relr, "DT_RELR");
  agree_on_size(tag_relrsz, type_relr, "DT_RELRSZ");
}

void ElfDynamic::read_strings() {
  strings_ = image_.contents(required(DT_STRTAB, "DT_STRTAB"), required(DT_STRSZ, "DT_STRSZ"), "DT_STRTAB");
  if (strings_.empty() || strings_.back() != '\0') refuse_damaged("its table of dynamic strings has no end");
  for (const std::int64_t tag : {DT_SONAME, DT_RPATH, DT_RUNPATH, DT_AUXILIARY, DT_FILTER}) {
    if (const auto offset = value(tag)) string(*offset);
  }
  for (const std::uint64_t offset : needed_offsets_) needed_.push_back(string(offset));
}

std::string_view ElfDynamic::string(std::uint64_t offset) const {
  if (offset >= strings_.size()) refuse_damaged("a name lies outside the table of dynamic strings");
  return strings_.data() + offset;  // the table ends with a zero
}

// The old table: a chain for each bucket. A chain without an end would never let the dynamic loader go.
std::size_t ElfDynamic::count_of_hash() const {
  const std::uint64_t at = *value(DT_HASH);
  const auto word = [](std::string_view table, std::size_t i) { return element_of<std::uint32_t>(table, i); };
  const std::string_view head = image_.contents(at, 8, "DT_HASH");
  const std::uint64_t buckets = word(head, 0);
  const std::uint64_t count = word(head, 1);
  const std::string_view all = image_.contents(at, (2 + buckets + count) * 4, "DT_HASH");
  std::vector<bool> seen(count);
  for (std::uint64_t bucket = 0; bucket < buckets; ++bucket) {
    for (std::uint64_t i = word(all, 2 + bucket); i != 0; i = word(all, 2 + buckets + i)) {
      if (i >= count || seen[i]) refuse_damaged("its table DT_HASH is broken");
      seen[i] = true;
    }
  }
  return count;
}

// The newer one: filter words, buckets with the first symbol of each, and one word for each symbol. A word with bit 0
// set ends the symbols of a bucket.
std::size_t ElfDynamic::count_of_gnu_hash() const {
  const std::uint64_t at = *value(DT_GNU_HASH);
  const auto word = [](std::string_view table, std::size_t i) { return element_of<std::uint32_t>(table, i); };
  const std::string_view head = image_.contents(at, 16, "DT_GNU_HASH");
  const std::uint64_t buckets = word(head, 0);
  const std::uint64_t first = word(head, 1);
  const std::uint64_t filter = word(head, 2);
  constexpr std::uint32_t word_bits = 64;
  if (filter == 0 || (filter & (filter - 1)) != 0 || word(head, 3) >= word_bits) {
    refuse_damaged("its table DT_GNU_HASH is broken");
  }
  const std::uint64_t tables = at + 16 + filter * 8;
  const std::string_view starts = image_.contents(tables, buckets * 4, "DT_GNU_HASH");
  std::uint64_t last = 0;
  for (std::uint64_t bucket = 0; bucket < buckets; ++bucket) {
    const std::uint64_t start = word(starts, bucket);
    if (start != 0 && start < first) refuse_damaged("its table DT_GNU_HASH is broken");
    last = std::max(last, start);
  }
  if (last == 0) return 0;
  const std::uint64_t chains = tables + buckets * 4;
  while ((word(image_.contents(chains + (last - first) * 4, 4, "DT_GNU_HASH"), 0) & 1U) == 0) ++last;
  return last + 1;
}

void ElfDynamic::read_symbols() {
  const std::uint64_t at = required(DT_SYMTAB, "DT_SYMTAB");
  if (value(DT_SYMENT).value_or(sizeof(Elf64_Sym)) != sizeof(Elf64_Sym)) refuse_damaged("DT_SYMENT is wrong");
  if (value(DT_HASH)) symbol_count_ = std::max(symbol_count_, count_of_hash());
  if (value(DT_GNU_HASH)) symbol_count_ = std::max(symbol_count_, count_of_gnu_hash());
  if (const Elf64_Shdr* const section = image_.section_of(SHT_DYNSYM)) {
    symbol_count_ = std::max<std::size_t>(symbol_count_, section->sh_size / sizeof(Elf64_Sym));
  }
  symbols_ = image_.contents(at, symbol_count_ * sizeof(Elf64_Sym), "DT_SYMTAB");
  for (std::size_t i = 0; i < symbol_count_; ++i) {
    const Elf64_Sym each = symbol(i);
    if (each.st_name >= strings_.size()) refuse_damaged("a name lies outside the table of dynamic strings");
    // The dynamic loader calls the function of such a symbol to learn its address.
    if (each.st_shndx != SHN_UNDEF && ELF64_ST_TYPE(each.st_info) == STT_GNU_IFUNC &&
        !image_.has(each.st_value, 1, PF_X)) {
      refuse_damaged("the function that chooses an implementation lies outside the code");
    }
  }
}

// What the dynamic loader calls, or writes to.
void ElfDynamic::check_code() const {
  for (const std::int64_t tag : {DT_INIT, DT_FINI}) {
    const auto at = value(tag);
    if (at && !image_.has(*at, 1, PF_X)) refuse_damaged("DT_INIT or DT_FINI lies outside the code");
  }
  if (const auto at = value(DT_PLTGOT); at && !image_.has(*at, 8, PF_W)) {
    refuse_damaged("DT_PLTGOT does not lie in a writable segment");
  }
}

}  // namespace backplane::host
