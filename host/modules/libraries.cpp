// SPDX-License-Identifier: Apache-2.0
#include "modules/libraries.hpp"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "support/loaded_objects.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

// They must come before all others.
constexpr std::array<std::string_view, 8> early_sanitizers = {
    "libasan.so",       "libtsan.so",       "liblsan.so",       "libhwasan.so",
    "libclang_rt.asan", "libclang_rt.tsan", "libclang_rt.lsan", "libclang_rt.hwasan"};

constexpr std::array<std::string_view, 13> base_libraries = {
    "libc.so.",      "libm.so.",       "ld-linux",  "libgcc_s.so.", "libstdc++.so.", "libc++.so.",   "libc++abi.so.",
    "libunwind.so.", "libpthread.so.", "libdl.so.", "librt.so.",    "libubsan.so.",  "libatomic.so."};

bool begins_with_one_of(std::string_view name, std::span<const std::string_view> all) {
  return std::any_of(all.begin(), all.end(), [name](std::string_view each) { return name.starts_with(each); });
}

using Needs = std::map<std::string, std::vector<std::string>, std::less<>>;

Needs mapped_libraries() {
  Needs all;
  any_loaded_object([&](const dl_phdr_info& info) {
    const std::string_view path = info.dlpi_name;
    if (path.find('/') == std::string_view::npos) return false;  // the program, or a part of the kernel
    for (unsigned i = 0; i < info.dlpi_phnum; ++i) {
      const ElfW(Phdr)& segment = info.dlpi_phdr[i];
      if (segment.p_type != PT_DYNAMIC) continue;
      const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(info.dlpi_addr + segment.p_vaddr);
      const char* const strings = dynamic_strings(info.dlpi_addr, entry);
      if (strings == nullptr) return false;
      std::string name(path.substr(path.rfind('/') + 1));
      std::vector<std::string> needed;
      for (; entry->d_tag != DT_NULL; ++entry) {
        if (entry->d_tag == DT_SONAME) name = strings + entry->d_un.d_val;
        if (entry->d_tag == DT_NEEDED) needed.emplace_back(strings + entry->d_un.d_val);
      }
      all.insert_or_assign(std::move(name), std::move(needed));
    }
    return false;
  });
  return all;
}

}  // namespace

// The dynamic loader has changed the addresses in this table to those in memory, in most objects.
const char* dynamic_strings(ElfW(Addr) address, const ElfW(Dyn) * table) noexcept {
  for (; table->d_tag != DT_NULL; ++table) {
    if (table->d_tag != DT_STRTAB) continue;
    const ElfW(Addr) at = table->d_un.d_ptr;
    return reinterpret_cast<const char*>(at < address ? at + address : at);
  }
  return nullptr;
}

bool is_base_library(std::string_view name) {
  return begins_with_one_of(name, base_libraries) || begins_with_one_of(name, early_sanitizers);
}

LibrarySet libraries_behind(std::span<const std::string> needed) {
  LibrarySet found;
  std::vector<std::string> left(needed.begin(), needed.end());
  if (std::all_of(left.begin(), left.end(), is_base_library)) return found;
  const Needs mapped = mapped_libraries();
  while (!left.empty()) {
    std::string name = std::move(left.back());
    left.pop_back();
    name = name.substr(name.rfind('/') + 1);
    if (is_base_library(name) || !found.names.insert(name).second) continue;
    const auto at = mapped.find(name);
    if (at == mapped.end()) continue;
    found.mapped.insert(at->first);
    left.insert(left.end(), at->second.begin(), at->second.end());
  }
  return found;
}

void check_sanitizers(std::span<const std::string> needed) {
  for (const std::string& name : needed) {
    if (!begins_with_one_of(name, early_sanitizers) || mapped_libraries().contains(name)) continue;
    throw Failure{
        BP_LOAD_REFUSED,
        "it needs " + name +
            ", the run-time library of a sanitizer, which this process lacks and which must be in it from its "
            "start; build the module without -fsanitize, or use a host that is built with the same sanitizer"};
  }
}

}  // namespace backplane::host
