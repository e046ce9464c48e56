// SPDX-License-Identifier: Apache-2.0
//
// Files that lie. Whatever the bytes say, a manifest is read or refused with words; nothing else.
#include <elf.h>

#include <backplane/cbor/reader.hpp>
#include <catch2/catch.hpp>
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
    cbor::check_well_formed(report(manifest, "x.so", {}));
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
