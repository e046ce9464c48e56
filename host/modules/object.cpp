// SPDX-License-Identifier: Apache-2.0
#include "modules/object.hpp"

#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <boost/dll/shared_library.hpp>
#include <cstring>

#include "modules/dependencies.hpp"
#include "modules/generation.hpp"
#include "support/gone_code.hpp"
#include "support/loaded_objects.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

[[noreturn]] void refuse(std::string message) { throw Failure{BP_LOAD_REFUSED, std::move(message)}; }

// Whether the dynamic loader has an object with this path. Does not load it.
bool loader_knows(const std::string& path) {
  void* const handle = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return false;
  ::dlclose(handle);
  return true;
}

bool is_mapped(const std::string& path) {
  return any_loaded_object([&](const dl_phdr_info& info) { return info.dlpi_name == path; });
}

// The dynamic loader's message, without the text that Boost.DLL adds around it.
std::string loader_text(std::string text) {
  constexpr std::string_view before = "dlerror system message: ";
  const auto begin = text.find(before);
  const auto end = text.rfind("): ");
  if (begin == std::string::npos || end == std::string::npos || end < begin) return text;
  return text.substr(begin + before.size(), end - begin - before.size());
}

// Notes the addresses of a mapped object.
void note_range(Generation& generation) {
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  any_loaded_object([&](const dl_phdr_info& info) {
    if (info.dlpi_name != generation.copy_path) return false;
    std::uintptr_t begin = UINTPTR_MAX;
    std::uintptr_t end = 0;
    for (unsigned i = 0; i < info.dlpi_phnum; ++i) {
      const ElfW(Phdr)& segment = info.dlpi_phdr[i];
      if (segment.p_type != PT_LOAD) continue;
      begin = std::min<std::uintptr_t>(begin, info.dlpi_addr + segment.p_vaddr);
      end = std::max<std::uintptr_t>(end, info.dlpi_addr + segment.p_vaddr + segment.p_memsz);
    }
    generation.object_begin = begin & ~(page - 1);
    generation.object_end = (end + page - 1) & ~(page - 1);
    return true;
  });
}

}  // namespace

void map_object(Generation& generation) {
  namespace dll = boost::dll;
  if (loader_knows(generation.copy_path)) {
    refuse("the dynamic loader already has an object at " + generation.copy_path +
           ", expected a new path; restart the host");
  }
  try {
    // Use the throwing overload, because the error_code overload loses the loader's message.
    generation.object = std::make_shared<dll::shared_library>();
    generation.object->load(generation.copy_path, dll::load_mode::rtld_now | dll::load_mode::rtld_local);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    refuse("the dynamic loader refused it: " + loader_text(error.what()) +
           "; install the libraries that it needs, or put them beside it and link it with -Wl,-rpath,'$ORIGIN'. "
           "Symbols of the host are not there for modules");
  }
  note_range(generation);
  generation.library_paths = Dependencies::pin(generation.object->native());
}

void read_entry(Generation& generation) {
  if (!generation.object->has(BP_MODULE_SYMBOL)) {
    refuse("it does not export \"" BP_MODULE_SYMBOL
           "\"; define it with BP_MODULE_ENTRY or BACKPLANE_MODULE, and do not hide it");
  }
  const auto& found = generation.object->get<const bp_module_entry>(BP_MODULE_SYMBOL);
  constexpr std::size_t least = offsetof(bp_module_entry, deinit);
  if (found.struct_size < least) {
    refuse("its entry has struct_size " + std::to_string(found.struct_size) + ", expected " +
           std::to_string(sizeof(bp_module_entry)) + "; set it to sizeof(bp_module_entry)");
  }
  if (found.abi_major != BP_ABI_MAJOR) {
    refuse("its entry was built for ABI major " + std::to_string(found.abi_major) + ", but this host has " +
           std::to_string(BP_ABI_MAJOR) + "; build it against this host's headers");
  }
  generation.entry = {};
  std::memcpy(&generation.entry, &found, std::min<std::size_t>(found.struct_size, sizeof(bp_module_entry)));
  constexpr std::uint32_t known_flags = BP_MODULE_CREATES_BLOCKING | BP_MODULE_ENDS_BLOCKING;
  if (const std::uint32_t unknown = generation.entry.flags & ~known_flags; unknown != 0) {
    refuse("its entry has the flags " + std::to_string(unknown) + ", which this host does not know; use a newer host");
  }
  if (generation.entry.init == nullptr) refuse("its entry has no init; set bp_module_entry.init");
}

std::vector<PinReason> unmap_object(Generation& generation) {
  generation.object.reset();
  // dlclose() succeeds even if the object stays mapped, so check that it is absent. Ask twice: if an object was kept
  // until a thread ended, the loader unmaps it only at the next dlclose(), which the first question causes.
  const std::string& path = generation.copy_path;
  if (path.empty()) return {};  // there was no room for its copy; the executable is the object without a path
  if ((!loader_knows(path) || !loader_knows(path)) && !is_mapped(path)) {
    reserve_gone_code(generation.object_begin, generation.object_end, generation.manifest.name, generation.number);
    generation.object_begin = generation.object_end = 0;
    return {};
  }
  const Manifest& manifest = generation.manifest;
  std::vector<PinReason> reasons;
  if (manifest.unique_symbols != 0) {
    reasons.push_back({"unique_symbols", manifest.unique_symbols,
                       "symbols of binding GNU_UNIQUE keep it mapped forever; compile it with -fno-gnu-unique"});
  }
  if (manifest.no_delete) {
    reasons.push_back({"no_delete", 1, "it is marked NODELETE; link it without -z nodelete"});
  }
  if (manifest.thread_destructors) {
    reasons.push_back({"tls_destructors", 1,
                       "a thread that used a thread_local with a destructor still runs: of the application, of the "
                       "module, or of the host (bp-request of a context, bp-control, or a bp-worker that is busy). The "
                       "host tries again when a thread of its own ends; else unload it again when that thread has "
                       "ended, and keep the state in the instance instead"});
  }
  if (reasons.empty()) {
    reasons.push_back({"object", 1, "the dynamic loader keeps it mapped, and its file does not show the reason"});
  }
  return reasons;
}

}  // namespace backplane::host
