// SPDX-License-Identifier: Apache-2.0
//
// Reads sections, dynamic symbols and flags of an ELF file, and refuses damaged files before the dynamic loader maps
// them.
#include "modules/elf.hpp"

#include <elf.h>

#include <cstring>

#include "modules/elf_dynamic.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

#if defined(__x86_64__)
constexpr unsigned this_machine = EM_X86_64;
constexpr const char* this_machine_name = "x86-64";
#elif defined(__aarch64__)
constexpr unsigned this_machine = EM_AARCH64;
constexpr const char* this_machine_name = "AArch64";
#else
#error "add the ELF machine number of this architecture"
#endif

[[noreturn]] void refuse(std::string message) { throw Failure{BP_LOAD_REFUSED, std::move(message)}; }

// The string at `offset` of a string table, or its beginning. Names may overlap, so that a small file may have many
// long ones. No name that means something to the host is so long.
constexpr std::size_t longest_name = 256;
std::string_view name_at(std::string_view table, std::uint64_t offset) {
  if (offset >= table.size()) refuse("it is a damaged ELF file: a name lies outside its string table");
  table = table.substr(offset, longest_name);
  return table.substr(0, table.find('\0'));
}

template <class T>
T element(std::string_view contents, std::size_t index) {
  T value;
  std::memcpy(&value, contents.data() + index * sizeof(T), sizeof(T));
  return value;
}

}  // namespace

ElfFile::ElfFile(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
  if (bytes.size() < SELFMAG || std::memcmp(bytes.data(), ELFMAG, SELFMAG) != 0) {
    refuse("it is not an ELF file; expected a shared object (.so), built with backplane_add_plugin or cc -shared");
  }
  const auto header = read<Elf64_Ehdr>(0);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != this_machine) {
    refuse(std::string("it is an ELF file for another machine (number ") + std::to_string(header.e_machine) +
           (header.e_ident[EI_CLASS] == ELFCLASS32 ? ", 32-bit" : "") +
           (header.e_ident[EI_DATA] == ELFDATA2MSB ? ", big-endian" : "") + "); expected 64-bit " + this_machine_name +
           "; build it for this machine");
  }
  if (header.e_type != ET_DYN) {
    refuse("it is an ELF file of type " + std::to_string(header.e_type) +
           ", expected a shared object; link it with -shared");
  }
  check_segments();
  read_sections();
  std::size_t symbol_tables = 0;
  std::size_t dynamic_sections = 0;
  for (const Section& table : sections_) {
    // An object has one of each. Many tables over the same bytes would turn a small file into much work.
    if (table.type == SHT_DYNSYM && ++symbol_tables > 1)
      refuse("it is a damaged ELF file: it has two tables of dynamic symbols");
    if (table.type == SHT_DYNAMIC && ++dynamic_sections > 1)
      refuse("it is a damaged ELF file: it has two dynamic sections");
    if (table.type == SHT_DYNAMIC && table.link >= sections_.size())
      refuse("it is a damaged ELF file: a dynamic section has no names");
    if (table.type == SHT_DYNSYM) read_symbols(table);
  }
  read_dynamic(LoadableElf(bytes).dynamic);
}

std::string_view ElfFile::section(std::string_view name) const noexcept {
  for (const Section& candidate : sections_) {
    if (candidate.name == name) return candidate.contents;
  }
  return {};
}

template <class T>
T ElfFile::read(std::uint64_t offset) const {
  T value;
  std::memcpy(&value, range(offset, sizeof(T)).data(), sizeof(T));
  return value;
}

std::string_view ElfFile::range(std::uint64_t offset, std::uint64_t size) const {
  if (offset > bytes_.size() || size > bytes_.size() - offset) {
    refuse("it is a damaged or truncated ELF file: it has " + std::to_string(bytes_.size()) +
           " bytes, and one of its parts ends beyond them");
  }
  return {reinterpret_cast<const char*>(bytes_.data()) + offset, size};
}

// The dynamic loader uses the segments and trusts them. So check that the file contains all that it would map.
void ElfFile::check_segments() const {
  const auto header = read<Elf64_Ehdr>(0);
  if (header.e_phnum == 0 || header.e_phentsize != sizeof(Elf64_Phdr)) {
    refuse("it is a damaged ELF file: it has no program headers, or they have an unknown size");
  }
  const std::string_view table = range(header.e_phoff, std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr));
  bool loads = false;
  bool stack = false;
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    const auto segment = element<Elf64_Phdr>(table, i);
    if (segment.p_type == PT_NULL) continue;
    range(segment.p_offset, segment.p_filesz);
    if (segment.p_type == PT_GNU_STACK) {
      stack = true;
      if ((segment.p_flags & PF_X) != 0) {
        refuse(
            "it asks for an executable stack, and the dynamic loader would make the stacks of all threads executable; "
            "link it with -z noexecstack, and use no nested functions of GNU C");
      }
    }
    if (segment.p_type != PT_LOAD) continue;
    if (segment.p_filesz > segment.p_memsz) refuse("it is a damaged ELF file: a segment is larger than its memory");
    loads = true;
  }
  if (!loads) {
    refuse("it has no segments to load; expected a shared object, not a file of debug information");
  }
  if (!stack) {
    refuse(
        "it does not say whether it needs an executable stack (it has no PT_GNU_STACK), so the dynamic loader would "
        "make the stacks of all threads executable; link it with -z noexecstack");
  }
}

void ElfFile::read_sections() {
  const auto header = read<Elf64_Ehdr>(0);
  if (header.e_shnum != 0 && header.e_shentsize != sizeof(Elf64_Shdr)) {
    refuse("it is a damaged ELF file: its section headers have an unknown size");
  }
  std::vector<Elf64_Shdr> headers;
  const std::string_view table = range(header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr));
  for (std::size_t i = 0; i < header.e_shnum; ++i) headers.push_back(element<Elf64_Shdr>(table, i));
  if (header.e_shstrndx >= headers.size()) refuse("it has no ELF section names; do not strip the section headers");
  const Elf64_Shdr& names_header = headers[header.e_shstrndx];
  const std::string_view names = range(names_header.sh_offset, names_header.sh_size);
  for (const Elf64_Shdr& each : headers) {
    const std::string_view contents =
        each.sh_type == SHT_NOBITS ? std::string_view() : range(each.sh_offset, each.sh_size);
    sections_.push_back({name_at(names, each.sh_name), each.sh_type, contents, each.sh_link});
  }
}

void ElfFile::read_symbols(const Section& table) {
  if (table.link >= sections_.size()) refuse("it is a damaged ELF file: a symbol table has no names");
  const std::string_view names = sections_[table.link].contents;
  for (std::size_t i = 1; i < table.contents.size() / sizeof(Elf64_Sym); ++i) {
    const auto symbol = element<Elf64_Sym>(table.contents, i);
    const unsigned binding = ELF64_ST_BIND(symbol.st_info);
    symbols_.push_back({name_at(names, symbol.st_name), symbol.st_shndx != SHN_UNDEF, binding != STB_LOCAL,
                        binding == STB_GNU_UNIQUE});
  }
}

// The paths may be long, and the names of libraries are as long as those of symbols.
void ElfFile::read_dynamic(const ElfDynamic& dynamic) {
  constexpr std::size_t longest_path = 4096;
  for (const std::string_view name : dynamic.needed()) needed_.push_back(name.substr(0, longest_name));
  const auto text = [&](std::int64_t tag, std::size_t most) {
    const auto offset = dynamic.value(tag);
    return offset ? dynamic.string(*offset).substr(0, most) : std::string_view();
  };
  soname_ = text(DT_SONAME, longest_name);
  runpath_ = text(DT_RUNPATH, longest_path);
  rpath_ = text(DT_RPATH, longest_path);
  no_delete_ = (dynamic.value(DT_FLAGS_1).value_or(0) & DF_1_NODELETE) != 0;
  static_tls_ = (dynamic.value(DT_FLAGS).value_or(0) & DF_STATIC_TLS) != 0;
}

}  // namespace backplane::host
