// SPDX-License-Identifier: Apache-2.0
#include "modules/dependencies.hpp"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <backplane/cbor/escape.hpp>
#include <set>
#include <utility>

#include "modules/copy_store.hpp"
#include "modules/elf.hpp"
#include "modules/file.hpp"
#include "modules/libraries.hpp"
#include "support/digest.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

namespace fs = std::filesystem;

// More libraries than this beside one module are a mistake, or an attempt to fill the disk.
constexpr std::size_t most_copies = 64;

std::string shown(const std::string& text) { return cbor::escaped(text, cbor::Escape::line); }

std::string joined(const std::string& mine, const std::string& others) {
  return mine.empty() || others.empty() ? mine + others : mine + ':' + others;
}

bool is_same_file(const std::string& one, const std::string& other) {
  std::error_code error;
  return fs::equivalent(one, other, error);
}

// A name that may be part of a file's name.
std::string file_name(const std::string& name) {
  std::string out = name.substr(0, 100);
  const auto odd = [](char c) {
    return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
             c == '-' || c == '+');
  };
  std::replace_if(out.begin(), out.end(), odd, '_');
  return out;
}

const link_map* map_of(void* handle) {
  const link_map* map = nullptr;
  return ::dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 ? map : nullptr;
}

// The names that a mapped object needs.
std::vector<const char*> needed_by(const link_map& map) {
  const char* const names = dynamic_strings(map.l_addr, map.l_ld);
  std::vector<const char*> out;
  if (names == nullptr) return out;
  for (const ElfW(Dyn)* entry = map.l_ld; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_NEEDED) out.push_back(names + entry->d_un.d_val);
  }
  return out;
}

}  // namespace

struct Dependencies::Search {
  Manifest& manifest;
  const std::vector<fs::path>& allowed;
  Plan plan;
  std::set<std::string> seen;
};

Dependencies::Plan Dependencies::prepare(Manifest& manifest, const fs::path& path,
                                         const std::vector<fs::path>& allowed) {
  Search search{manifest, allowed, {}, {}};
  std::error_code error;
  const fs::path whole = fs::absolute(path, error);  // like the loader, which does not resolve links
  const LibraryPaths paths{(error ? path : whole).parent_path(), manifest.runpath, manifest.rpath};
  for (const std::string& name : manifest.libraries) add(name, paths, search);
  return std::move(search.plan);
}

void Dependencies::add(const std::string& name, const LibraryPaths& paths, Search& search) {
  if (!search.seen.insert(name).second) return;
  const LibraryPlace place = find_library(name, paths);
  switch (place.kind) {
    case LibraryPlace::Kind::mapped:
      compare(name, place.path, paths, search);
      return add_mapped(name, place.path, search);
    case LibraryPlace::Kind::beside:
      return add_copy(name, paths, place.path, search);
    case LibraryPlace::Kind::path:
      return search.plan.push_back(place.path);
    case LibraryPlace::Kind::system:
    case LibraryPlace::Kind::missing:
      return search.plan.push_back(name);
  }
}

// Another process, in which the module is tried, finds a private copy only by its path.
void Dependencies::add_mapped(const std::string& name, const std::string& path, Search& search) {
  const auto copy = copied_.find(path);
  if (copy == copied_.end()) return search.plan.push_back(name);
  for (const std::string& needed : copy->second.needed) add(needed, copy->second.paths, search);
  search.plan.push_back(path);
}

// The process can have one library of a name.
void Dependencies::compare(const std::string& name, const std::string& mapped, const LibraryPaths& paths,
                           Search& search) const {
  const std::string beside = find_beside(name, paths);
  if (beside.empty() || is_same_file(beside, mapped)) return;
  const auto copy = copied_.find(mapped);
  std::string from = mapped;
  if (copy != copied_.end()) {
    from = copy->second.source;
    std::string ignored;
    if (sha256_of(read_any_file(beside, ignored)) == copy->second.sha256) return;
  }
  search.manifest.warnings.push_back(
      (from == beside ? "its library " + shown(name) + " at " + shown(beside) + " has changed; the old one"
                      : "its library " + shown(name) + " at " + shown(beside) +
                            " is not used; another one of that name, from " + shown(from) + ",") +
      " stays mapped until the host restarts");
}

void Dependencies::add_copy(const std::string& name, const LibraryPaths& paths, const std::string& path,
                            Search& search) try {
  const std::vector<std::uint8_t> bytes = read_module_file(path, search.allowed);
  const ElfFile elf(bytes);
  if (elf.soname() != name) {
    throw Failure{BP_LOAD_REFUSED, "its name in the file (DT_SONAME) is \"" + shown(std::string(elf.soname())) +
                                       "\", but the module needs \"" + shown(name) +
                                       "\"; link the library with -Wl,-soname," + shown(name)};
  }
  LibraryPaths own{fs::path(path).parent_path(), std::string(elf.runpath()), {}};
  own.rpath = joined(std::string(elf.rpath()), paths.runpath.empty() ? paths.rpath : std::string());
  const std::vector<std::string> needed(elf.needed().begin(), elf.needed().end());
  for (const std::string& each : needed) add(each, own, search);
  if (search.seen.size() > most_copies * 16 || copied_.size() > most_copies * 64) {
    throw Failure{BP_LOAD_REFUSED, "there are too many libraries beside modules"};
  }
  const std::string sha256 = sha256_of(bytes);
  // An earlier load may have been refused before it mapped its copy.
  const auto same = std::find_if(copied_.begin(), copied_.end(), [&](const auto& each) {
    return each.second.source == path && each.second.sha256 == sha256;
  });
  if (same != copied_.end()) return search.plan.push_back(same->first);
  const std::string copy = copies_.add(file_name(name), 1, bytes).string();
  copied_[copy] = {path, sha256, needed, own};
  search.plan.push_back(copy);
} catch (Failure& failure) {
  if (!failure.message.starts_with("its library ")) {
    failure.message = "its library " + shown(name) + " at " + shown(path) + ": " + failure.message;
  }
  throw;
}

void Dependencies::open(const Plan& plan) {
  for (const std::string& each : plan) ::dlopen(each.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

std::vector<std::string> Dependencies::pin(void* object) {
  std::vector<std::string> paths;
  const link_map* const self = map_of(object);
  if (self == nullptr) return paths;
  std::set<const link_map*> seen{self};
  std::vector<const link_map*> open{self};
  while (!open.empty()) {
    const link_map* const map = open.back();
    open.pop_back();
    for (const char* const name : needed_by(*map)) {
      // Compare before the flag is given: the module may need an object that needs the module.
      void* const found = ::dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
      if (found == nullptr) continue;
      const link_map* const library = map_of(found);
      if (library != nullptr && seen.insert(library).second) {
        if (void* const pinned = ::dlopen(name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE)) ::dlclose(pinned);
        open.push_back(library);
        paths.emplace_back(library->l_name);
      }
      ::dlclose(found);
    }
  }
  return paths;
}

}  // namespace backplane::host
