// SPDX-License-Identifier: Apache-2.0
#include "modules/object.hpp"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstring>

#include "modules/generation.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

[[noreturn]] void refuse(std::string message) { throw Failure{BP_LOAD_REFUSED, std::move(message)}; }

// Whether the loader has an object of that path, asked without loading it.
bool loader_knows(const std::string& path) {
  void* const handle = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return false;
  ::dlclose(handle);
  return true;
}

bool is_mapped(const std::string& path) {
  const auto look = [](dl_phdr_info* info, std::size_t, void* wanted) {
    return info->dlpi_name == *static_cast<const std::string*>(wanted) ? 1 : 0;
  };
  return ::dl_iterate_phdr(look, const_cast<std::string*>(&path)) != 0;
}

// What the loader said, without the frame that Boost.DLL puts around it.
std::string loader_text(std::string text) {
  constexpr std::string_view before = "dlerror system message: ";
  const auto begin = text.find(before);
  const auto end = text.rfind("): ");
  if (begin == std::string::npos || end == std::string::npos || end < begin) return text;
  return text.substr(begin + before.size(), end - begin - before.size());
}

}  // namespace

void map_object(Generation& generation) {
  namespace dll = boost::dll;
  if (loader_knows(generation.copy_path)) {
    refuse("the loader already has an object at " + generation.copy_path + ", which must be new; restart the host");
  }
  try {
    // The throwing form: the error_code one loses the loader's text.
    generation.object.load(generation.copy_path, dll::load_mode::rtld_now | dll::load_mode::rtld_local);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    refuse("the dynamic loader refused it: " + loader_text(error.what()) +
           "; link into it what it needs, and nothing of the host's");
  }
}

void read_entry(Generation& generation) {
  if (!generation.object.has(BP_MODULE_SYMBOL)) {
    refuse("it does not export \"" BP_MODULE_SYMBOL
           "\"; define it with BP_MODULE_ENTRY or BACKPLANE_MODULE, and do not hide it");
  }
  const auto& found = generation.object.get<const bp_module_entry>(BP_MODULE_SYMBOL);
  constexpr std::size_t least = offsetof(bp_module_entry, deinit);
  if (found.struct_size < least) {
    refuse("its entry says struct_size " + std::to_string(found.struct_size) + ", expected " +
           std::to_string(sizeof(bp_module_entry)) + "; begin it with sizeof(bp_module_entry)");
  }
  if (found.abi_major != BP_ABI_MAJOR) {
    refuse("its entry was built for ABI major " + std::to_string(found.abi_major) + ", this host has " +
           std::to_string(BP_ABI_MAJOR) + "; build it against this host's headers");
  }
  generation.entry = {};
  std::memcpy(&generation.entry, &found, std::min<std::size_t>(found.struct_size, sizeof(bp_module_entry)));
  if (generation.entry.flags != 0) {
    refuse("its entry has the flags " + std::to_string(generation.entry.flags) +
           ", of which this host knows none; set 0");
  }
  if (generation.entry.init == nullptr) refuse("its entry has no init; set bp_module_entry.init");
}

std::vector<PinReason> unmap_object(Generation& generation) {
  if (generation.object.is_loaded()) generation.object.unload();
  // dlclose succeeds also where the object stays, so only its absence is believed. Asked twice: an object
  // that was kept until a thread ended goes only when the loader is made to look again, as the first
  // question does by closing what it opened.
  const std::string& path = generation.copy_path;
  if ((!loader_knows(path) || !loader_knows(path)) && !is_mapped(path)) return {};
  const Manifest& manifest = generation.manifest;
  std::vector<PinReason> reasons;
  if (manifest.unique_symbols != 0) {
    reasons.push_back({"unique_symbols", manifest.unique_symbols,
                       "symbols of binding GNU_UNIQUE, once bound, keep it for good; compile with -fno-gnu-unique"});
  }
  if (manifest.no_delete) {
    reasons.push_back({"no_delete", 1, "it is marked never to be unmapped; link it without -z nodelete"});
  }
  if (manifest.thread_destructors) {
    reasons.push_back({"tls_destructors", 1,
                       "a thread that touched a thread_local with a destructor lives on; unload it again when that "
                       "thread has ended, and keep such state in the instance instead"});
  }
  if (reasons.empty()) {
    reasons.push_back({"object", 1, "the dynamic loader keeps its object, for a reason that its file does not show"});
  }
  return reasons;
}

}  // namespace backplane::host
