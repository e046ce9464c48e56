// SPDX-License-Identifier: Apache-2.0
#include "modules/left_behind.hpp"

#include <link.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <string>
#include <string_view>

#include "modules/generation.hpp"
#include "modules/libraries.hpp"
#include "modules/thread_frames.hpp"
#include "support/loaded_objects.hpp"
#include "support/log.hpp"
#include "support/signal_name.hpp"

namespace backplane::host {
namespace {

// What is mapped, from the point of view of this generation's object.
ProcessObjects objects_around(const Generation& generation) {
  ProcessObjects objects;
  any_loaded_object([&](const dl_phdr_info& info) {
    const std::string_view path = info.dlpi_name;
    const auto& libraries = generation.library_paths;
    std::vector<AddressRange>* into = &objects.others;
    if (path == generation.copy_path) {
      into = &objects.wanted;
    } else if (is_base_library(path.substr(path.rfind('/') + 1))) {
      into = &objects.plain;
    } else if (std::find(libraries.begin(), libraries.end(), path) != libraries.end()) {
      into = &objects.starters;
    }
    for (unsigned i = 0; i < info.dlpi_phnum; ++i) {
      const ElfW(Phdr)& segment = info.dlpi_phdr[i];
      if (segment.p_type != PT_LOAD) continue;
      const std::uintptr_t begin = info.dlpi_addr + segment.p_vaddr;
      into->push_back({begin, begin + segment.p_memsz});
    }
    return false;
  });
  return objects;
}

void add_signals(const Generation& generation, std::vector<PinReason>& reasons) {
  const AddressRange object{generation.object_begin, generation.object_end};
  std::string names;
  std::uint64_t count = 0;
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action {};
    if (::sigaction(number, nullptr, &action) != 0) continue;
    const void* const handler = (action.sa_flags & SA_SIGINFO) != 0 ? reinterpret_cast<const void*>(action.sa_sigaction)
                                                                    : reinterpret_cast<const void*>(action.sa_handler);
    if (!object.contains(reinterpret_cast<std::uintptr_t>(handler))) continue;
    names += (count++ == 0 ? "" : ", ") + signal_name(number);
  }
  if (count == 0) return;
  reasons.push_back(
      {"signal_actions", count, "the action of " + names + " is a function of the module; set another one in deinit"});
}

// A thread inherits its name, so one that a module starts in a handler or in init has the name of a thread of the host.
std::string words_of(const ThreadInRange& thread) {
  const std::string number = "thread " + std::to_string(thread.tid);
  if (!thread.name.starts_with("bp-")) return number + " (" + thread.name + ")";
  return number + ", which the module or a library of it has started (its name, " + thread.name +
         ", is that of the host's thread where it was started),";
}

void add_threads(const Generation& generation, std::vector<PinReason>& reasons) {
  if (!generation.manifest.may_start_threads) return;
  bool cannot_look = false;
  const std::vector<ThreadInRange> threads = threads_in(objects_around(generation), cannot_look);
  if (cannot_look) {
    log::warn(
        generation.source(),
        "the system does not tell where all threads stand, so one that it has left may call code of it after it is "
        "unmapped; mount /proc, and allow the host to read its own threads");
  }
  for (const ThreadInRange& thread : threads) {
    const std::string who = words_of(thread);
    reasons.push_back(
        {"thread", 1,
         thread.running
             ? who + " ran all the time, so the host cannot see whether it runs code of the module; the host tries "
                     "again by itself"
             : who +
                   " is blocked below code of the module; end it in deinit (C++: in the destructor of its class). The "
                   "host tries again by itself"});
  }
}

}  // namespace

std::vector<PinReason> left_behind(const Generation& generation) {
  std::vector<PinReason> reasons;
  if (generation.object_begin == 0) return reasons;
  add_signals(generation, reasons);
  add_threads(generation, reasons);
  return reasons;
}

}  // namespace backplane::host
