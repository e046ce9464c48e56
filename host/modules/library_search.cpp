// SPDX-License-Identifier: Apache-2.0
#include "modules/library_search.hpp"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

namespace backplane::host {
namespace {

namespace fs = std::filesystem;
using Kind = LibraryPlace::Kind;

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

struct Directory {
  fs::path path;
  bool beside = false;
};

// One directory of a list. Relative ones would depend on the working directory of the host, and are left out, as are
// those with other variables: the loader finds libraries there, and the host cannot say where.
std::optional<Directory> directory_of(std::string text, const fs::path& origin) {
  Directory out;
  for (const std::string_view variable : {"${ORIGIN}", "$ORIGIN"}) {
    for (auto at = text.find(variable); at != std::string::npos; at = text.find(variable, at)) {
      text.replace(at, variable.size(), origin.string());
      at += origin.string().size();
      out.beside = true;
    }
  }
  if (text.empty() || text.front() != '/' || (!out.beside && text.find('$') != std::string::npos)) return std::nullopt;
  out.path = std::move(text);
  return out;
}

template <class F>
void each_directory(std::string_view list, const fs::path& origin, F take) {
  while (!list.empty()) {
    const std::string_view one = list.substr(0, list.find(':'));
    list.remove_prefix(std::min(list.size(), one.size() + 1));
    if (const auto directory = directory_of(std::string(one), origin)) take(*directory);
  }
}

void look_in(std::string_view list, const std::string& name, const fs::path& origin, LibraryPlace& found) {
  each_directory(list, origin, [&](const Directory& directory) {
    if (found.kind != Kind::missing || !is_file(directory.path / name)) return;
    found = {directory.beside ? Kind::beside : Kind::path, (directory.path / name).lexically_normal().string()};
  });
}

// The format of /etc/ld.so.cache, as glibc 2.2 and later write it (sysdeps/generic/dl-cache.h).
struct CacheHead {
  char magic[20];
  std::uint32_t count;
  std::uint32_t text_bytes;
  std::uint32_t unused[5];
};
struct CacheEntry {
  std::int32_t flags;
  std::uint32_t name;  // offsets from the beginning of the head
  std::uint32_t path;
  std::uint32_t os_version;
  std::uint64_t hwcap;
};

std::string in_cache(const std::string& name) {
  std::ifstream file("/etc/ld.so.cache", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  constexpr std::string_view magic = "glibc-ld.so.cache1.1";
  const auto begin = bytes.find(magic);
  CacheHead head;
  if (begin == std::string::npos || bytes.size() - begin < sizeof head) return {};
  const std::string_view cache = std::string_view(bytes).substr(begin);
  std::memcpy(&head, cache.data(), sizeof head);
  const auto text_at = [&](std::uint32_t offset) {
    if (offset >= cache.size()) return std::string_view();
    const std::string_view rest = cache.substr(offset);
    return rest.substr(0, rest.find('\0'));
  };
  for (std::uint64_t i = 0; i < head.count; ++i) {
    const std::uint64_t at = sizeof head + i * sizeof(CacheEntry);
    if (at + sizeof(CacheEntry) > cache.size()) break;
    CacheEntry entry;
    std::memcpy(&entry, cache.data() + at, sizeof entry);
    // The path of another machine's library would be there, too, under the same name.
    if (text_at(entry.name) == name && sizeof(void*) == 8 && (entry.flags & 0xff00) != 0) {
      return std::string(text_at(entry.path));
    }
  }
  return {};
}

std::string in_system(const std::string& name) {
  if (std::string path = in_cache(name); !path.empty() && is_file(path)) return path;
  for (const char* const directory : {"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu",
                                      "/usr/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"}) {
    if (is_file(fs::path(directory) / name)) return (fs::path(directory) / name).string();
  }
  return {};
}

LibraryPlace search(const std::string& name, const LibraryPaths& paths) {
  LibraryPlace found;
  if (name.find('/') != std::string::npos) {
    if (is_file(name)) found = {Kind::path, name};
    return found;
  }
  if (paths.runpath.empty()) look_in(paths.rpath, name, paths.origin, found);
  if (const char* const list = std::getenv("LD_LIBRARY_PATH"); list != nullptr && found.kind == Kind::missing) {
    look_in(list, name, paths.origin, found);
    if (found.kind != Kind::missing) found.kind = Kind::system;
  }
  look_in(paths.runpath, name, paths.origin, found);
  if (found.kind != Kind::missing) return found;
  if (std::string path = in_system(name); !path.empty()) found = {Kind::system, std::move(path)};
  return found;
}

}  // namespace

const char* text_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::mapped:
      return "process";
    case Kind::beside:
      return "beside";
    case Kind::path:
      return "path";
    case Kind::system:
      return "system";
    case Kind::missing:
      break;
  }
  return "missing";
}

std::string find_mapped(const std::string& name) {
  void* const handle = ::dlopen(name.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return {};
  const link_map* map = nullptr;
  std::string path;
  if (::dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr) path = map->l_name;
  ::dlclose(handle);
  return path;
}

std::string find_beside(const std::string& name, const LibraryPaths& paths) {
  if (name.find('/') != std::string::npos) return {};
  LibraryPlace found;
  each_directory(paths.runpath.empty() ? paths.rpath : paths.runpath, paths.origin, [&](const Directory& directory) {
    if (directory.beside && found.path.empty() && is_file(directory.path / name)) {
      found.path = (directory.path / name).lexically_normal().string();
    }
  });
  return found.path;
}

LibraryPlace find_library(const std::string& name, const LibraryPaths& paths) {
  if (std::string mapped = find_mapped(name); !mapped.empty()) return {Kind::mapped, std::move(mapped)};
  return search(name, paths);
}

LibraryPlace find_library_file(const std::string& name, const LibraryPaths& paths) {
  LibraryPlace found = search(name, paths);
  if (found.kind != Kind::missing) return found;
  if (std::string mapped = find_mapped(name); !mapped.empty()) found = {Kind::mapped, std::move(mapped)};
  return found;
}

}  // namespace backplane::host
