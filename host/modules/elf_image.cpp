// SPDX-License-Identifier: Apache-2.0
//
// Compares the program headers of an ELF file with each other and with its sections. What the linker wrote agrees; a
// damaged header does not.
#include "modules/elf_image.hpp"

#include <algorithm>
#include <array>

#include "support/result.hpp"

namespace backplane::host {
namespace {

constexpr std::uint64_t page = 4096;  // the smallest of any machine
// The addresses of the image begin near 0. No module needs so many.
constexpr std::uint64_t most_memory = std::uint64_t{1} << 36;
constexpr std::uint64_t most_alignment = std::uint64_t{1} << 30;

// Types of which the dynamic loader takes the last one.
constexpr std::array<std::uint32_t, 6> special_types = {PT_DYNAMIC,      PT_TLS,       PT_GNU_RELRO,
                                                        PT_GNU_EH_FRAME, PT_GNU_STACK, PT_PHDR};

constexpr std::uint64_t page_down(std::uint64_t address) { return address & ~(page - 1); }
constexpr std::uint64_t page_up(std::uint64_t address) { return page_down(address + page - 1); }
constexpr bool power_of_two(std::uint64_t value) { return value != 0 && (value & (value - 1)) == 0; }

bool within(std::uint64_t address, std::uint64_t size, std::uint64_t begin, std::uint64_t length) {
  return address >= begin && address - begin <= length && size <= length - (address - begin);
}

// What has no place in the image: of its sections, uninitialised thread-local memory has an address, but no bytes.
bool takes_memory(const Elf64_Shdr& section) {
  return section.sh_size != 0 && !(section.sh_type == SHT_NOBITS && (section.sh_flags & SHF_TLS) != 0);
}

}  // namespace

void refuse_damaged(const std::string& what) {
  throw Failure{BP_LOAD_REFUSED,
                "it is a damaged ELF file: " + what + "; build it again, or copy it again from where it is sound"};
}

ElfImage::ElfImage(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
  read_segments();
  check_order();
  read_sections();
  for (const Elf64_Shdr& section : sections_) {
    if (takes_memory(section)) check_section(section);
  }
  if (const Elf64_Phdr* const headers = special(PT_PHDR)) {
    const auto header = element_of<Elf64_Ehdr>(file_range(0, sizeof(Elf64_Ehdr)), 0);
    const Elf64_Phdr* const segment = segment_at(headers->p_vaddr);
    if (segment == nullptr || headers->p_vaddr - segment->p_vaddr + segment->p_offset != header.e_phoff) {
      refuse_damaged("PT_PHDR does not lead to the program headers");
    }
  }
  check_tls();
  check_relro();
  check_unwinding();
}

std::string_view ElfImage::file_range(std::uint64_t offset, std::uint64_t size) const {
  if (!within(offset, size, 0, bytes_.size())) refuse_damaged("one of its parts ends beyond the file");
  return {reinterpret_cast<const char*>(bytes_.data()) + offset, size};
}

void ElfImage::read_segments() {
  const auto header = element_of<Elf64_Ehdr>(file_range(0, sizeof(Elf64_Ehdr)), 0);
  const std::string_view table = file_range(header.e_phoff, std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr));
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    const auto segment = element_of<Elf64_Phdr>(table, i);
    if (segment.p_type == PT_LOAD) loaded_.push_back(segment);
    if (std::find(special_types.begin(), special_types.end(), segment.p_type) == special_types.end()) continue;
    if (special(segment.p_type) != nullptr) refuse_damaged("it has two program headers of one kind");
    special_.push_back(segment);
  }
  if (loaded_.empty()) refuse_damaged("it has no segments to load");
  if (special(PT_DYNAMIC) == nullptr) {
    throw Failure{BP_LOAD_REFUSED, "it has no dynamic section (PT_DYNAMIC); link it with -shared"};
  }
}

void ElfImage::check_order() const {
  std::uint64_t end = 0;
  for (const Elf64_Phdr& each : loaded_) {
    if (each.p_vaddr > most_memory || each.p_memsz > most_memory || each.p_filesz > each.p_memsz) {
      refuse_damaged("a segment is larger than any module's");
    }
    if (!power_of_two(each.p_align) || each.p_align < page || each.p_align > most_alignment ||
        ((each.p_vaddr - each.p_offset) & (each.p_align - 1)) != 0) {
      refuse_damaged("a segment has no sound alignment");
    }
    if (page_down(each.p_vaddr) < end) refuse_damaged("two segments overlap, or are not ordered by address");
    end = page_up(each.p_vaddr + each.p_memsz);
  }
}

void ElfImage::read_sections() {
  const auto header = element_of<Elf64_Ehdr>(file_range(0, sizeof(Elf64_Ehdr)), 0);
  const std::string_view table = file_range(header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr));
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    const auto section = element_of<Elf64_Shdr>(table, i);
    if (i == header.e_shstrndx) names_ = file_range(section.sh_offset, section.sh_size);
    if ((section.sh_flags & SHF_ALLOC) != 0) sections_.push_back(section);
  }
}

void ElfImage::check_section(const Elf64_Shdr& section) const {
  const Elf64_Phdr* const segment = segment_at(section.sh_addr);
  if (segment == nullptr || !within(section.sh_addr, section.sh_size, segment->p_vaddr, segment->p_memsz)) {
    refuse_damaged("a section that is to be loaded lies in no segment");
  }
  const std::uint64_t inside = section.sh_addr - segment->p_vaddr;
  if (section.sh_type != SHT_NOBITS &&
      (section.sh_offset != segment->p_offset + inside ||
       !within(section.sh_addr, section.sh_size, segment->p_vaddr, segment->p_filesz))) {
    refuse_damaged("a section and its segment do not agree where its contents are");
  }
  const std::uint32_t flags =
      PF_R | ((section.sh_flags & SHF_WRITE) != 0 ? PF_W : 0U) | ((section.sh_flags & SHF_EXECINSTR) != 0 ? PF_X : 0U);
  if ((segment->p_flags & flags) != flags) refuse_damaged("a segment lacks a permission that its sections need");
}

// Thread-local memory: the segment holds the TLS sections, and nothing else.
void ElfImage::check_tls() const {
  const Elf64_Phdr* const tls = special(PT_TLS);
  std::uint64_t begin = UINT64_MAX;
  std::uint64_t end = 0;
  std::uint64_t contents_end = 0;
  std::uint64_t alignment = 1;
  for (const Elf64_Shdr& section : sections_) {
    if ((section.sh_flags & SHF_TLS) == 0 || section.sh_size == 0) continue;
    if (section.sh_addr > most_memory || section.sh_size > most_memory) refuse_damaged("a TLS section is too large");
    begin = std::min(begin, section.sh_addr);
    end = std::max(end, section.sh_addr + section.sh_size);
    alignment = std::max(alignment, section.sh_addralign);
    if (section.sh_type != SHT_NOBITS) contents_end = std::max(contents_end, section.sh_addr + section.sh_size);
  }
  if (tls == nullptr && end != 0) refuse_damaged("it has thread-local sections, but no PT_TLS");
  if (tls == nullptr || (end == 0 && tls->p_memsz == 0)) return;
  if (end == 0 || tls->p_vaddr != begin || !power_of_two(tls->p_align) || tls->p_align < alignment ||
      tls->p_align > most_alignment || tls->p_memsz > most_memory || tls->p_filesz > tls->p_memsz ||
      tls->p_vaddr + tls->p_memsz < end || tls->p_vaddr + tls->p_memsz > end + tls->p_align) {
    refuse_damaged("PT_TLS and the thread-local sections do not agree");
  }
  if (tls->p_filesz != 0) contents(tls->p_vaddr, tls->p_filesz, "PT_TLS");
  if (contents_end != 0 && tls->p_vaddr + tls->p_filesz < contents_end) refuse_damaged("PT_TLS is too short");
}

// The dynamic loader makes this range read-only after relocation. So nothing that changes later may lie in it.
void ElfImage::check_relro() const {
  const Elf64_Phdr* const relro = special(PT_GNU_RELRO);
  if (relro == nullptr || relro->p_memsz == 0) return;
  const Elf64_Phdr* const segment = segment_at(relro->p_vaddr);
  // The linker may round its end up to the next page.
  if (segment == nullptr || (segment->p_flags & PF_W) == 0 || relro->p_memsz > most_memory ||
      relro->p_vaddr + relro->p_memsz > page_up(segment->p_vaddr + segment->p_memsz)) {
    refuse_damaged("PT_GNU_RELRO does not lie in a writable segment");
  }
  const std::uint64_t end = page_down(relro->p_vaddr + relro->p_memsz);
  for (const char* const name : {".data", ".bss"}) {
    const Elf64_Shdr* const section = section_named(name);
    if (section == nullptr || section->sh_size == 0 || (section->sh_flags & SHF_WRITE) == 0) continue;
    if (section->sh_addr + section->sh_size > page_down(relro->p_vaddr) && section->sh_addr < end) {
      refuse_damaged(std::string("PT_GNU_RELRO would make ") + name + " read-only");
    }
  }
}

void ElfImage::check_unwinding() const {
  const Elf64_Phdr* const unwinding = special(PT_GNU_EH_FRAME);
  const Elf64_Shdr* const section = section_named(".eh_frame_hdr");
  if (unwinding == nullptr && section == nullptr) return;
  if (unwinding == nullptr || section == nullptr || unwinding->p_vaddr != section->sh_addr ||
      unwinding->p_filesz != section->sh_size) {
    refuse_damaged("PT_GNU_EH_FRAME and the section .eh_frame_hdr do not agree");
  }
}

std::string_view ElfImage::contents(std::uint64_t address, std::uint64_t size, const char* what) const {
  const Elf64_Phdr* const segment = segment_at(address);
  if (segment == nullptr || (segment->p_flags & PF_R) == 0 ||
      !within(address, size, segment->p_vaddr, segment->p_filesz)) {
    refuse_damaged(std::string(what) + " does not lie in what is loaded from the file");
  }
  return file_range(segment->p_offset + (address - segment->p_vaddr), size);
}

bool ElfImage::has(std::uint64_t address, std::uint64_t size, std::uint32_t flags) const noexcept {
  const Elf64_Phdr* const segment = segment_at(address);
  return segment != nullptr && (segment->p_flags & flags) == flags &&
         within(address, size, segment->p_vaddr, segment->p_memsz);
}

bool ElfImage::has_contents(std::uint64_t address, std::uint64_t size) const noexcept {
  const Elf64_Phdr* const segment = segment_at(address);
  return segment != nullptr && within(address, size, segment->p_vaddr, segment->p_filesz);
}

const Elf64_Phdr* ElfImage::segment_at(std::uint64_t address) const noexcept {
  const auto after = std::upper_bound(loaded_.begin(), loaded_.end(), address,
                                      [](std::uint64_t at, const Elf64_Phdr& each) { return at < each.p_vaddr; });
  if (after == loaded_.begin()) return nullptr;
  const Elf64_Phdr& found = *(after - 1);
  return address - found.p_vaddr < found.p_memsz ? &found : nullptr;
}

const Elf64_Phdr* ElfImage::special(std::uint32_t type) const noexcept {
  for (const Elf64_Phdr& each : special_) {
    if (each.p_type == type) return &each;
  }
  return nullptr;
}

const Elf64_Shdr* ElfImage::section_of(std::uint32_t type) const noexcept {
  for (const Elf64_Shdr& each : sections_) {
    if (each.sh_type == type) return &each;
  }
  return nullptr;
}

const Elf64_Shdr* ElfImage::section_named(std::string_view name) const noexcept {
  for (const Elf64_Shdr& each : sections_) {
    if (each.sh_name >= names_.size()) continue;
    const std::string_view at = names_.substr(each.sh_name);
    if (at.size() > name.size() && at.starts_with(name) && at[name.size()] == '\0') return &each;
  }
  return nullptr;
}

}  // namespace backplane::host
