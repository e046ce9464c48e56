// SPDX-License-Identifier: Apache-2.0
//
// What the dynamic loader would trust, and what is wrong with it. Sound files of all kinds pass.
#include <elf.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "modules/elf.hpp"
#include "modules/elf_dynamic.hpp"
#include "support/result.hpp"

using namespace backplane::host;
using Bytes = std::vector<std::uint8_t>;
namespace fs = std::filesystem;

namespace {

Bytes bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Bytes module_bytes(const std::string& name) {
  Bytes bytes = bytes_of(BP_TEST_BUILD_DIR "/tests/modules/" + name + ".so");
  REQUIRE_FALSE(bytes.empty());
  return bytes;
}

std::string refusal(const Bytes& bytes) {
  try {
    const ElfFile file(bytes);
    return {};
  } catch (const Failure& failure) {
    CHECK(failure.status == BP_LOAD_REFUSED);
    return failure.message;
  }
}

/// A sound module with one thing changed.
class Damaged {
 public:
  explicit Damaged(const std::string& name = "generation_a") : bytes_(module_bytes(name)) {
    std::memcpy(&header_, bytes_.data(), sizeof header_);
  }

  std::string segment(std::uint32_t type, const std::function<void(Elf64_Phdr&)>& change, int nth = 0) {
    Bytes bytes = bytes_;
    for (std::size_t i = 0; i < header_.e_phnum; ++i) {
      Elf64_Phdr segment;
      std::uint8_t* const at = bytes.data() + header_.e_phoff + i * sizeof segment;
      std::memcpy(&segment, at, sizeof segment);
      if (segment.p_type != type || nth-- > 0) continue;
      change(segment);
      std::memcpy(at, &segment, sizeof segment);
      return refusal(bytes);
    }
    FAIL("no such segment");
    return {};
  }

  std::string tag(std::int64_t tag, const std::function<void(Elf64_Dyn&)>& change) {
    Bytes bytes = bytes_;
    const Elf64_Phdr table = dynamic();
    for (std::size_t i = 0; i < table.p_filesz / sizeof(Elf64_Dyn); ++i) {
      Elf64_Dyn entry;
      std::uint8_t* const at = bytes.data() + table.p_offset + i * sizeof entry;
      std::memcpy(&entry, at, sizeof entry);
      if (entry.d_tag != tag) continue;
      change(entry);
      std::memcpy(at, &entry, sizeof entry);
      return refusal(bytes);
    }
    FAIL("no such tag " << tag);
    return {};
  }

  /// The first relocation of a type.
  std::string relocation(std::uint32_t type, const std::function<void(Elf64_Rela&)>& change) {
    Bytes bytes = bytes_;
    for (std::size_t i = 0; i < header_.e_shnum; ++i) {
      Elf64_Shdr section;
      std::memcpy(&section, bytes.data() + header_.e_shoff + i * sizeof section, sizeof section);
      if (section.sh_type != SHT_RELA) continue;
      for (std::size_t r = 0; r < section.sh_size / sizeof(Elf64_Rela); ++r) {
        Elf64_Rela entry;
        std::uint8_t* const at = bytes.data() + section.sh_offset + r * sizeof entry;
        std::memcpy(&entry, at, sizeof entry);
        if (ELF64_R_TYPE(entry.r_info) != type) continue;
        change(entry);
        std::memcpy(at, &entry, sizeof entry);
        return refusal(bytes);
      }
    }
    FAIL("no such relocation");
    return {};
  }

 private:
  Elf64_Phdr dynamic() const {
    for (std::size_t i = 0; i < header_.e_phnum; ++i) {
      Elf64_Phdr segment;
      std::memcpy(&segment, bytes_.data() + header_.e_phoff + i * sizeof segment, sizeof segment);
      if (segment.p_type == PT_DYNAMIC) return segment;
    }
    FAIL("no PT_DYNAMIC");
    return {};
  }

  Bytes bytes_;
  Elf64_Ehdr header_{};
};

const std::string damaged = "it is a damaged ELF file";

}  // namespace

TEST_CASE("program headers that contradict each other or the sections are refused") {
  Damaged file;
  const auto wrong = [&](std::uint32_t type, const std::function<void(Elf64_Phdr&)>& change, int nth = 0) {
    CHECK_THAT(file.segment(type, change, nth), Catch::Contains(damaged));
  };
  for (int nth = 0; nth < 4; ++nth) {
    CAPTURE(nth);
    wrong(
        PT_LOAD, [](Elf64_Phdr& p) { p.p_vaddr += 0x10000; }, nth);
    wrong(
        PT_LOAD, [](Elf64_Phdr& p) { p.p_vaddr += 1; }, nth);
    wrong(
        PT_LOAD, [](Elf64_Phdr& p) { p.p_memsz = UINT64_MAX; }, nth);
    wrong(
        PT_LOAD, [](Elf64_Phdr& p) { p.p_filesz = p.p_memsz = 8; }, nth);
    wrong(
        PT_LOAD, [](Elf64_Phdr& p) { p.p_flags = 0; }, nth);
    wrong(
        PT_LOAD, [](Elf64_Phdr& p) { p.p_align = 3; }, nth);
    wrong(
        PT_LOAD, [](Elf64_Phdr& p) { p.p_align = std::uint64_t{1} << 40; }, nth);
    wrong(
        PT_LOAD, [](Elf64_Phdr& p) { p.p_type = PT_NOTE; }, nth);
  }
  wrong(PT_DYNAMIC, [](Elf64_Phdr& p) { p.p_vaddr += 16; });
  wrong(PT_DYNAMIC, [](Elf64_Phdr& p) { p.p_memsz -= 16; });
  CHECK_THAT(file.segment(PT_DYNAMIC, [](Elf64_Phdr& p) { p.p_type = PT_NULL; }),
             Catch::Contains("no dynamic section"));
  wrong(PT_GNU_RELRO, [](Elf64_Phdr& p) { p.p_vaddr = 0; });
  wrong(PT_GNU_RELRO, [](Elf64_Phdr& p) { p.p_memsz += 0x100000; });
  wrong(PT_GNU_EH_FRAME, [](Elf64_Phdr& p) { p.p_vaddr += 4; });
  wrong(PT_GNU_EH_FRAME, [](Elf64_Phdr& p) { p.p_type = PT_NOTE; });
  Damaged tls("tls_destructor");
  CHECK_THAT(tls.segment(PT_TLS, [](Elf64_Phdr& p) { p.p_memsz <<= 20; }), Catch::Contains("PT_TLS"));
  CHECK_THAT(tls.segment(PT_TLS, [](Elf64_Phdr& p) { p.p_align = 7; }), Catch::Contains("PT_TLS"));
  CHECK_THAT(tls.segment(PT_TLS, [](Elf64_Phdr& p) { p.p_type = PT_NOTE; }), Catch::Contains("no PT_TLS"));
}

TEST_CASE("a dynamic section that does not lead to its tables is refused") {
  Damaged file;
  const auto moved = [](Elf64_Dyn& d) { d.d_un.d_val += 0x1000000; };
  const auto shifted = [](Elf64_Dyn& d) { d.d_un.d_val += 8; };
  const auto gone = [](Elf64_Dyn& d) { d.d_tag = DT_NULL; };
  for (const std::int64_t tag : {DT_STRTAB, DT_SYMTAB, DT_GNU_HASH, DT_RELA, DT_VERSYM, DT_VERNEED, DT_INIT_ARRAY,
                                 DT_FINI_ARRAY, DT_INIT_ARRAYSZ, DT_FINI_ARRAYSZ, DT_RELASZ, DT_RELAENT}) {
    CAPTURE(tag);
    CHECK_THAT(file.tag(tag, moved), Catch::Contains(damaged));
    CHECK_THAT(file.tag(tag, shifted), Catch::Contains(damaged));
    CHECK_THAT(file.tag(tag, gone), Catch::Contains(damaged));
  }
  for (const std::int64_t tag : {DT_STRSZ, DT_INIT, DT_FINI, DT_NEEDED, DT_VERNEEDNUM, DT_RELACOUNT, DT_PLTGOT}) {
    CAPTURE(tag);
    CHECK_THAT(file.tag(tag, moved), Catch::Contains(damaged));
  }
  CHECK_THAT(file.tag(DT_STRSZ, [](Elf64_Dyn& d) { d.d_un.d_val = 1; }), Catch::Contains(damaged));
  CHECK_THAT(file.tag(DT_SYMENT, shifted), Catch::Contains("DT_SYMENT"));
  CHECK_THAT(file.tag(DT_RELACOUNT, [](Elf64_Dyn& d) { d.d_un.d_val += 1; }), Catch::Contains("DT_RELACOUNT"));
  CHECK_THAT(file.tag(DT_FINI, [](Elf64_Dyn& d) { d.d_tag = DT_INIT; }), Catch::Contains("two entries of one kind"));
  CHECK_THAT(file.tag(DT_RELACOUNT, [](Elf64_Dyn& d) { d.d_tag = 0x123456; }), Catch::Contains("no known kind"));
}

TEST_CASE("relocations that lead out of what they may change are refused") {
  Damaged file;
  const auto wrong = [&](std::uint32_t type, const std::function<void(Elf64_Rela&)>& change) {
    CHECK_THAT(file.relocation(type, change), Catch::Contains(damaged));
  };
#if defined(__x86_64__)
  constexpr std::uint32_t relative = R_X86_64_RELATIVE;
  constexpr std::uint32_t got = R_X86_64_GLOB_DAT;
#else
  constexpr std::uint32_t relative = R_AARCH64_RELATIVE;
  constexpr std::uint32_t got = R_AARCH64_GLOB_DAT;
#endif
  wrong(relative, [](Elf64_Rela& r) { r.r_offset = 0; });
  wrong(relative, [](Elf64_Rela& r) { r.r_offset += 0x1000000; });
  wrong(relative, [](Elf64_Rela& r) { r.r_offset += 8; });  // meets the next one
  wrong(relative, [](Elf64_Rela& r) { r.r_addend = 0; });   // in the array of constructors
  wrong(relative, [](Elf64_Rela& r) { r.r_addend += std::int64_t{1} << 40; });
  wrong(relative, [](Elf64_Rela& r) { r.r_info = ELF64_R_INFO(1, relative); });
  wrong(relative, [](Elf64_Rela& r) { r.r_info = ELF64_R_INFO(0, 200); });
  wrong(relative, [](Elf64_Rela& r) { r.r_info = 0; });
  wrong(got, [](Elf64_Rela& r) { r.r_info = ELF64_R_INFO(5000, got); });
  wrong(got, [](Elf64_Rela& r) { r.r_info = ELF64_R_INFO(0, got); });
  wrong(got, [](Elf64_Rela& r) { r.r_offset += 1; });
}

TEST_CASE("a module is sound whatever the linker's options are") {
  for (const fs::directory_entry& each : fs::directory_iterator(BP_TEST_BUILD_DIR "/tests/modules")) {
    const std::string name = each.path().filename().string();
    if (each.path().extension() != ".so" || name == "executable_stack.so") continue;
    CAPTURE(name);
    CHECK(refusal(bytes_of(each.path())).empty());
  }
}

TEST_CASE("the shared objects of the system are sound") {
  constexpr std::size_t most_files = 250;
  constexpr std::uintmax_t most_bytes = 4 << 20;
  std::vector<fs::path> paths;
  std::error_code error;
  for (const char* const dir : {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"}) {
    for (const fs::directory_entry& each : fs::directory_iterator(dir, error)) {
      if (each.is_symlink() || !each.is_regular_file() || each.file_size() > most_bytes) continue;
      if (each.path().filename().string().find(".so") != std::string::npos) paths.push_back(each.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::size_t sound = 0;
  for (std::size_t i = 0; i < paths.size(); i += std::max<std::size_t>(1, paths.size() / most_files)) {
    const Bytes bytes = bytes_of(paths[i]);
    if (bytes.size() < sizeof(Elf64_Ehdr) || std::memcmp(bytes.data(), ELFMAG, SELFMAG) != 0) continue;
    CAPTURE(paths[i]);
    CHECK_NOTHROW(LoadableElf(bytes));
    ++sound;
  }
  CHECK(sound > 10);
}

TEST_CASE("most single bytes that are changed in the tables of the loader are noticed") {
  const Bytes whole = module_bytes("generation_a");
  Elf64_Ehdr header;
  std::memcpy(&header, whole.data(), sizeof header);
  std::size_t dynamic = 0;
  std::size_t size = 0;
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, whole.data() + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type != PT_DYNAMIC) continue;
    dynamic = segment.p_offset;
    size = segment.p_filesz;
  }
  int noticed = 0;
  for (std::size_t i = 0; i < size; ++i) {
    Bytes bytes = whole;
    bytes[dynamic + i] ^= 0x55;
    if (!refusal(bytes).empty()) ++noticed;
  }
  CAPTURE(noticed, size);
  // Some values matter to nobody, such as the flags.
  CHECK(noticed * 10 > static_cast<int>(size) * 8);
}
