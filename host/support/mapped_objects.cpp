// SPDX-License-Identifier: Apache-2.0
#include "support/mapped_objects.hpp"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <string_view>

#include "support/build_id.hpp"

namespace backplane::host {
namespace {

MappedObject objects[256];
bool has_code[std::size(objects)];  // other files are mapped too, and reading them may fault
std::size_t count = 0;

void set_build_id(MappedObject& object, std::string_view notes) noexcept {
  const std::string_view id = build_id_in(notes);
  const std::size_t bytes = std::min(id.size(), (sizeof object.build_id - 1) / 2);
  for (std::size_t i = 0; i < bytes; ++i) {
    const auto byte = static_cast<unsigned char>(id[i]);
    object.build_id[2 * i] = "0123456789abcdef"[byte >> 4];
    object.build_id[2 * i + 1] = "0123456789abcdef"[byte & 15];
  }
}

// The header is the first readable page of the object. What it leads to is read only within the object's mappings.
void read_header(MappedObject& object) noexcept {
  ElfW(Ehdr) header;
  std::memcpy(&header, reinterpret_cast<const void*>(object.begin), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return;
  object.bias = header.e_type == ET_EXEC ? 0 : object.begin;
  const std::uintptr_t table = object.begin + header.e_phoff;
  if (table + header.e_phnum * sizeof(ElfW(Phdr)) > object.end) return;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    ElfW(Phdr) segment;
    std::memcpy(&segment, reinterpret_cast<const char*>(table) + i * sizeof segment, sizeof segment);
    const std::uintptr_t at = object.bias + segment.p_vaddr;
    if (segment.p_type != PT_NOTE || at < object.begin || at + segment.p_memsz > object.end) continue;
    set_build_id(object, {reinterpret_cast<const char*>(at), segment.p_memsz});
    if (object.build_id[0] != 0) return;
  }
}

std::uintptr_t hex(std::string_view& text) noexcept {
  std::uintptr_t value = 0;
  while (!text.empty()) {
    const char c = text.front();
    const unsigned digit = c >= '0' && c <= '9'   ? unsigned(c - '0')
                           : c >= 'a' && c <= 'f' ? unsigned(c - 'a' + 10)
                                                  : 16;
    if (digit == 16) break;
    value = value << 4 | digit;
    text.remove_prefix(1);
  }
  return value;
}

// "7f11d0000000-7f11d0021000 r--p 00000000 00:1f 1234    /usr/lib/libc.so.6"; see proc(5).
void note_line(std::string_view line) noexcept {
  const std::uintptr_t begin = hex(line);
  if (line.empty()) return;
  line.remove_prefix(1);
  const std::uintptr_t end = hex(line);
  if (line.size() < 6) return;
  const bool readable = line[1] == 'r';
  const bool executable = line[3] == 'x';
  line.remove_prefix(6);
  const std::uintptr_t offset = hex(line);
  const std::size_t path = line.find('/');
  if (path == std::string_view::npos) return;
  const std::string_view name = line.substr(line.rfind('/') + 1);
  if (offset == 0 && readable) {
    if (count == std::size(objects)) return;
    has_code[count] = executable;
    MappedObject& object = objects[count++];
    object = {};
    object.begin = begin;
    object.end = end;
    std::memcpy(object.name, name.data(), std::min(name.size(), sizeof object.name - 1));
    return;
  }
  if (count == 0) return;
  // A further mapping of the same object. Their order is that of their addresses.
  MappedObject& last = objects[count - 1];
  if (std::string_view(last.name) != name.substr(0, sizeof last.name - 1)) return;
  last.end = end;
  has_code[count - 1] |= executable;
}

}  // namespace

void note_mapped_objects() noexcept {
  count = 0;
  const int file = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  static char buffer[8192];
  std::size_t filled = 0;
  for (;;) {
    const ssize_t size = ::read(file, buffer + filled, sizeof buffer - filled);
    if (size <= 0) break;
    filled += static_cast<std::size_t>(size);
    std::string_view rest(buffer, filled);
    for (std::size_t newline = rest.find('\n'); newline != std::string_view::npos; newline = rest.find('\n')) {
      note_line(rest.substr(0, newline));
      rest.remove_prefix(newline + 1);
    }
    if (rest.size() == sizeof buffer) rest = {};  // a line that is too long
    std::memmove(buffer, rest.data(), rest.size());
    filled = rest.size();
  }
  ::close(file);
  for (std::size_t i = 0; i < count; ++i) {
    if (has_code[i]) read_header(objects[i]);
  }
}

const MappedObject* mapped_object_at(std::uintptr_t address) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    if (address >= objects[i].begin && address < objects[i].end) return &objects[i];
  }
  return nullptr;
}

}  // namespace backplane::host
