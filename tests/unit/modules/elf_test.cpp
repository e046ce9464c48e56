// SPDX-License-Identifier: Apache-2.0
//
// Files that lie. Whatever the bytes say, a manifest is read or refused with words; nothing else.
#include <elf.h>

#include <backplane/plugin.h>

#include <backplane/cbor/reader.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "modules/elf.hpp"
#include "modules/manifest.hpp"
#include "support/result.hpp"

using namespace backplane::host;
namespace cbor = backplane::cbor;
using Bytes = std::vector<std::uint8_t>;

namespace {

Bytes module_bytes(const std::string& name) {
  std::ifstream file(BP_TEST_BUILD_DIR "/tests/modules/" + name + ".so", std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Empty if the bytes give a manifest, and one that can be reported; else why not.
std::string refusal(const Bytes& bytes) {
  try {
    const Manifest manifest = read_manifest(bytes);
    cbor::check_well_formed(report(manifest, "x.so", {}, {}));
    check_needs(manifest, [](const char*) -> const void* { return "any extension"; });
    return {};
  } catch (const Failure& failure) {
    CHECK(failure.status == BP_LOAD_REFUSED);
    CHECK_FALSE(failure.message.empty());
    return failure.message;
  }
}

Elf64_Ehdr header_of(const Bytes& bytes) {
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header;
}

Elf64_Shdr section_at(const Bytes& bytes, std::size_t index) {
  Elf64_Shdr section;
  std::memcpy(&section, bytes.data() + header_of(bytes).e_shoff + index * sizeof section, sizeof section);
  return section;
}

void put_section(Bytes& bytes, std::size_t index, const Elf64_Shdr& section) {
  std::memcpy(bytes.data() + header_of(bytes).e_shoff + index * sizeof section, &section, sizeof section);
}

}  // namespace

TEST_CASE("a sound module's manifest is read from its bytes") {
  const Manifest manifest = read_manifest(module_bytes("sleeper"));
  CHECK(manifest.name == "sleeper");
  CHECK(manifest.version == "1");
  CHECK(manifest.provides == std::vector<std::string>{"sleeper.sleep", "sleeper.stubborn", "sleeper.remaining"});
  CHECK(manifest.needs == std::vector<std::string>{"bp.await/1"});
  CHECK_FALSE(manifest.unload_never);
}

TEST_CASE("what is no ELF file is refused and says so") {
  const std::string script = "#!/bin/sh\n";
  for (const Bytes& bytes :
       {Bytes{}, Bytes{0x7f}, Bytes{0x7f, 'E', 'L', 'F'}, Bytes(64, 0), Bytes(script.begin(), script.end())}) {
    CHECK_FALSE(refusal(bytes).empty());
  }
}

TEST_CASE("a module cut off at any length is refused") {
  const Bytes whole = module_bytes("slow");
  REQUIRE(refusal(whole).empty());
  for (std::size_t size = 0; size < whole.size(); size += size < 200 ? 1 : 61) {
    CAPTURE(size);
    REQUIRE_FALSE(refusal(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))).empty());
  }
}

TEST_CASE("a section that points beyond the file, or wraps around, is refused") {
  const Bytes whole = module_bytes("slow");
  const std::size_t count = header_of(whole).e_shnum;
  for (std::size_t i = 1; i < count; ++i) {
    if (section_at(whole, i).sh_type == SHT_NOBITS) continue;
    for (const auto& [offset, size] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
             {whole.size(), 1}, {UINT64_MAX, 2}, {UINT64_MAX - 8, 64}, {8, UINT64_MAX}, {8, UINT64_MAX - 4}}) {
      CAPTURE(i, offset, size);
      Bytes bytes = whole;
      Elf64_Shdr section = section_at(whole, i);
      section.sh_offset = offset;
      section.sh_size = size;
      put_section(bytes, i, section);
      REQUIRE_FALSE(refusal(bytes).empty());
    }
  }
}

TEST_CASE("names and links that lead out of their tables are refused") {
  const Bytes whole = module_bytes("slow");
  for (std::size_t i = 1; i < header_of(whole).e_shnum; ++i) {
    Bytes bytes = whole;
    Elf64_Shdr section = section_at(whole, i);
    section.sh_name = UINT32_MAX;
    put_section(bytes, i, section);
    REQUIRE_FALSE(refusal(bytes).empty());
    if (section.sh_type != SHT_DYNSYM && section.sh_type != SHT_DYNAMIC) continue;
    bytes = whole;
    section = section_at(whole, i);
    section.sh_link = UINT32_MAX;
    put_section(bytes, i, section);
    REQUIRE_FALSE(refusal(bytes).empty());
  }
}

TEST_CASE("a file full of symbol tables that all show the same bytes costs no more than its size") {
  Bytes bytes = module_bytes("slow");
  Elf64_Ehdr header = header_of(bytes);
  Elf64_Shdr symbols{};
  for (std::size_t i = 1; i < header.e_shnum; ++i) {
    if (section_at(bytes, i).sh_type == SHT_DYNSYM) symbols = section_at(bytes, i);
  }
  REQUIRE(symbols.sh_size != 0);
  const std::size_t strings = header.e_shstrndx;
  std::vector<Elf64_Shdr> sections;
  for (std::size_t i = 0; i < header.e_shnum; ++i) sections.push_back(section_at(bytes, i));
  while (sections.size() < 60'000) sections.push_back(symbols);
  header.e_shnum = static_cast<Elf64_Half>(sections.size());
  header.e_shstrndx = static_cast<Elf64_Half>(strings);
  header.e_shoff = bytes.size();
  std::memcpy(bytes.data(), &header, sizeof header);
  const auto* const raw = reinterpret_cast<const std::uint8_t*>(sections.data());
  bytes.insert(bytes.end(), raw, raw + sections.size() * sizeof(Elf64_Shdr));
  CHECK_FALSE(refusal(bytes).empty());
}

TEST_CASE("a module with an executable stack, or that does not say so, is refused") {
  CHECK_THAT(refusal(module_bytes("executable_stack")), Catch::Contains("it asks for an executable stack"));
  Bytes bytes = module_bytes("slow");
  const Elf64_Ehdr header = header_of(bytes);
  bool found = false;
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::uint8_t* const at = bytes.data() + header.e_phoff + i * sizeof segment;
    std::memcpy(&segment, at, sizeof segment);
    if (segment.p_type != PT_GNU_STACK) continue;
    found = true;
    segment.p_type = PT_NULL;
    std::memcpy(at, &segment, sizeof segment);
  }
  REQUIRE(found);
  CHECK_THAT(refusal(bytes), Catch::Contains("has no PT_GNU_STACK"));
}

namespace {

/// The module "slow" with other sections behind it.
class Crafted {
 public:
  Crafted() : bytes_(module_bytes("slow")) {
    for (std::size_t i = 0; i < header_of(bytes_).e_shnum; ++i) sections_.push_back(section_at(bytes_, i));
  }

  std::size_t find(std::string_view name) const {
    const Elf64_Shdr& names = sections_[header_of(bytes_).e_shstrndx];
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      if (reinterpret_cast<const char*>(bytes_.data()) + names.sh_offset + sections_[i].sh_name == name) return i;
    }
    FAIL("no section " << name);
    return 0;
  }
  std::size_t find(std::uint32_t type) const {
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      if (sections_[i].sh_type == type) return i;
    }
    FAIL("no section of type " << type);
    return 0;
  }
  Elf64_Shdr& at(std::size_t section) { return sections_[section]; }
  void add(const Elf64_Shdr& section) { sections_.push_back(section); }
  std::size_t size() const { return sections_.size(); }

  /// Gives a section other contents.
  void put(std::size_t section, const std::string& contents) {
    sections_[section].sh_offset = bytes_.size();
    sections_[section].sh_size = contents.size();
    sections_[section].sh_flags &= ~std::uint64_t{SHF_ALLOC};  // no segment has these bytes
    bytes_.insert(bytes_.end(), contents.begin(), contents.end());
  }
  std::string contents(std::size_t section) const {
    const auto* const from = reinterpret_cast<const char*>(bytes_.data()) + sections_[section].sh_offset;
    return {from, sections_[section].sh_size};
  }

  Bytes file() {
    Elf64_Ehdr header = header_of(bytes_);
    header.e_shnum = static_cast<Elf64_Half>(sections_.size());
    header.e_shoff = bytes_.size();
    std::memcpy(bytes_.data(), &header, sizeof header);
    const auto* const raw = reinterpret_cast<const std::uint8_t*>(sections_.data());
    Bytes out = bytes_;
    out.insert(out.end(), raw, raw + sections_.size() * sizeof(Elf64_Shdr));
    return out;
  }

 private:
  Bytes bytes_;
  std::vector<Elf64_Shdr> sections_;
};

/// What reading takes; a file of some megabytes takes a few hundredths of a second.
double seconds_of(const Bytes& bytes, std::string* why = nullptr) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string refused = refusal(bytes);
  if (why != nullptr) *why = refused;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

constexpr double bound_s = 2;
constexpr std::size_t long_name = std::size_t{4} << 20;

}  // namespace

TEST_CASE("sixty thousand sections that share a name of four megabytes cost no more than the file") {
  Crafted file;
  const std::size_t names = header_of(file.file()).e_shstrndx;
  const std::string before = file.contents(names);
  file.put(names, before + std::string(long_name, 'n') + '\0');
  Elf64_Shdr section{};
  section.sh_type = SHT_PROGBITS;
  section.sh_name = static_cast<Elf64_Word>(before.size());
  while (file.size() < 60'000) file.add(section);
  std::string why;
  CHECK(seconds_of(file.file(), &why) < bound_s);
  CHECK(why.empty());
}

TEST_CASE("two hundred thousand symbols that share a name of four megabytes cost no more than the file") {
  Crafted file;
  const std::size_t table = file.find(SHT_DYNSYM);
  const std::size_t names = file.at(table).sh_link;
  const std::string before = file.contents(names);
  file.put(names, before + std::string(long_name, 'n') + '\0');
  Elf64_Sym symbol{};
  symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
  symbol.st_shndx = 1;
  symbol.st_name = static_cast<Elf64_Word>(before.size());
  std::string symbols = file.contents(table);
  while (symbols.size() < 200'000 * sizeof symbol)
    symbols.append(reinterpret_cast<const char*>(&symbol), sizeof symbol);
  file.put(table, symbols);
  std::string why;
  CHECK(seconds_of(file.file(), &why) < bound_s);
  CHECK(why.empty());
}

TEST_CASE("symbols that all mean the same warning give one warning") {
  Crafted file;
  const std::size_t table = file.find(SHT_DYNSYM);
  const std::size_t names = file.at(table).sh_link;
  const std::string before = file.contents(names);
  file.put(names, before + "__cxa_thread_atexit" + '\0');
  Elf64_Sym symbol{};
  symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
  symbol.st_name = static_cast<Elf64_Word>(before.size());
  std::string symbols = file.contents(table);
  for (int i = 0; i < 1000; ++i) symbols.append(reinterpret_cast<const char*>(&symbol), sizeof symbol);
  file.put(table, symbols);
  CHECK(read_manifest(file.file()).warnings.size() == 1);
}

TEST_CASE("many dynamic sections over the same bytes are refused at the second") {
  Crafted file;
  const Elf64_Shdr dynamic = file.at(file.find(SHT_DYNAMIC));
  file.add(dynamic);
  CHECK_THAT(refusal(file.file()), Catch::Contains("two dynamic sections"));
}

TEST_CASE("unknown keys of a manifest are one warning, and its sections are bounded") {
  Crafted file;
  const std::size_t manifest = file.find(BP_MANIFEST_SECTION);
  const std::string before = file.contents(manifest);
  std::string keys = before;
  for (int i = 0; keys.size() < 900'000; ++i) keys += "key" + std::to_string(i) + "=x" + '\0';
  file.put(manifest, keys);
  const Manifest read = read_manifest(file.file());
  REQUIRE(read.warnings.size() == 1);
  CHECK_THAT(read.warnings[0], Catch::Contains("the unknown key \"key0\" and ") && Catch::Contains(" more"));

  file.put(manifest, before + std::string((1 << 20) + 1, '\0'));
  CHECK_THAT(refusal(file.file()), Catch::Contains(".bp.manifest has ") && Catch::Contains("at most 1048576"));
  file.put(manifest, before + "summary=" + std::string(5000, 's') + '\0');
  CHECK_THAT(refusal(file.file()), Catch::Contains("summary= of 5000 bytes, expected at most 4096"));
}

TEST_CASE("a CDDL of more than four megabytes is refused") {
  Crafted file;
  const std::size_t names = header_of(file.file()).e_shstrndx;
  const std::string before = file.contents(names);
  file.put(names, before + BP_CDDL_SECTION + '\0');
  Elf64_Shdr section{};
  section.sh_type = SHT_PROGBITS;
  section.sh_name = static_cast<Elf64_Word>(before.size());
  file.add(section);
  file.put(file.size() - 1, std::string(4 << 20, 'x'));
  CHECK(refusal(file.file()).empty());
  file.put(file.size() - 1, std::string((4 << 20) + 1, 'x'));
  CHECK_THAT(refusal(file.file()), Catch::Contains(".bp.cddl has 4194305 bytes, expected at most 4194304"));
}

TEST_CASE("names of a module cannot forge other lines in a refusal") {
  Crafted file;
  const std::size_t manifest = file.find(BP_MANIFEST_SECTION);
  file.put(manifest, file.contents(manifest) + "provides=a\nb\x1b[2K\u202e" + std::string(100'000, 'x') + '\0');
  const std::string why = refusal(file.file());
  CHECK_THAT(why, Catch::Contains(R"(provides="a\x0ab\x1b[2K\u202exxx)"));
  CHECK(why.size() < 1000);
}

TEST_CASE("an ABI version is two numbers and nothing else") {
  for (const char* name : {"abi_1_x", "abi_1_0_0", "abi_01_0"}) {
    CAPTURE(name);
    CHECK_THAT(refusal(module_bytes(name)), Catch::Contains("expected \"major.minor\""));
  }
}

TEST_CASE("a module may neither be named as the host nor emit foreign events") {
  Crafted file;
  const std::size_t manifest = file.find(BP_MANIFEST_SECTION);
  const std::string before = file.contents(manifest);
  file.put(manifest, before + "emits=backplane.disconnected" + '\0');
  CHECK_THAT(refusal(file.file()), Catch::Contains("expected events that begin with \"slow.\""));
  file.put(manifest, std::string("abi=1.0\0name=backplane\0version=1\0", 34));
  CHECK_THAT(refusal(file.file()), Catch::Contains("the name of the host itself"));
}

TEST_CASE("a module with random bytes changed is read or refused, and nothing worse") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const Bytes whole = module_bytes("slow");
  const Elf64_Ehdr header = header_of(whole);
  const std::size_t table = header.e_shoff;
  const std::size_t table_size = std::size_t{header.e_shnum} * sizeof(Elf64_Shdr);
  std::size_t manifest = 0;
  std::size_t manifest_size = 0;
  const Elf64_Shdr names = section_at(whole, header.e_shstrndx);
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr section = section_at(whole, i);
    const char* const name = reinterpret_cast<const char*>(whole.data()) + names.sh_offset + section.sh_name;
    if (std::strcmp(name, ".bp.manifest") != 0) continue;
    manifest = section.sh_offset;
    manifest_size = section.sh_size;
  }
  REQUIRE(manifest_size != 0);
  int read = 0;
  int refused = 0;
  for (int round = 0; round < 6'000; ++round) {
    CAPTURE(round);
    Bytes bytes = whole;
    const unsigned changes = 1 + random() % 8;
    for (unsigned c = 0; c < changes; ++c) {
      std::size_t at = 0;
      switch (random() % 4) {  // most of it where it matters
        case 0:
          at = random() % sizeof(Elf64_Ehdr);
          break;
        case 1:
          at = table + random() % table_size;
          break;
        case 2:
          at = manifest + random() % manifest_size;
          break;
        default:
          at = random() % bytes.size();
      }
      bytes[at] = static_cast<std::uint8_t>(random());
    }
    ++(refusal(bytes).empty() ? read : refused);
  }
  CHECK(read > 0);
  CHECK(refused > 0);
}
