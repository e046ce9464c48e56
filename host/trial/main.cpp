// SPDX-License-Identifier: Apache-2.0
//
// Loads modules in the order in which a host has loaded them, and the last one for a trial. The host starts this
// program; it is of no use by itself. It reads requests from descriptor 0, and forks a process for each. A request has
// its size as a uint32_t of this machine, and then steps, each with a 0 behind it:
//
//   library:NAME maps a library that the next module needs, as the host did; need:NAME is the same for the last module
//   open:PATH    maps a module, as the host did
//   close:PATH   unmaps it
//   try:PATH     maps a module, looks at its entry, and unmaps it
//   keep:PATH    the same for a module that the host never unmaps: it is not unmapped here, either
//
// Descriptor 3 gets a line for each step that begins, its first character alone, and "refused TEXT" or "good" at the
// end. A module may end its process at any step; the host sees where that was. Then comes "ended CODE SIGNAL LAST".
// LAST is 1 if the module has left processes behind: this one ends then, so that the host kills all of its process
// group.
#include <backplane/plugin.h>
#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int report_fd = 3;

void report(const std::string& line) {
  const std::string text = line + "\n";
  std::size_t put = 0;
  while (put < text.size()) {
    const ssize_t n = ::write(report_fd, text.data() + put, text.size() - put);
    if (n <= 0) _exit(126);  // nobody listens
    put += static_cast<std::size_t>(n);
  }
}

struct Open {
  std::string path;
  void* handle;
};

std::string loader_text() {
  const char* const text = ::dlerror();
  return text == nullptr ? "it gave no reason" : text;
}

// The host keeps the libraries that modules bring with them, so their state stays when a module goes.
void keep_libraries(void* handle, const std::vector<Open>& modules) {
  link_map* map = nullptr;
  if (::dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) return;
  const std::string own = map->l_name;
  for (map = map->l_next; map != nullptr; map = map->l_next) {
    bool is_module = map->l_name == own || *map->l_name == '\0';
    for (const Open& each : modules) is_module = is_module || each.path == map->l_name;
    if (!is_module) ::dlopen(map->l_name, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

// Whether an address is code of any object. Called where the addresses are about to be used.
bool is_code(const void* address) {
  struct Search {
    ElfW(Addr) address;
    bool found;
  } search = {reinterpret_cast<ElfW(Addr)>(address), false};
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        auto& wanted = *static_cast<Search*>(data);
        for (unsigned i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr)& segment = info->dlpi_phdr[i];
          const ElfW(Addr) begin = info->dlpi_addr + segment.p_vaddr;
          if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 && wanted.address >= begin &&
              wanted.address - begin < segment.p_memsz) {
            wanted.found = true;
          }
        }
        return 0;
      },
      &search);
  return search.found;
}

std::string fault_of(void* handle) {
  const auto* const found = static_cast<const bp_module_entry*>(::dlsym(handle, BP_MODULE_SYMBOL));
  if (found == nullptr) {
    return "it does not export \"" BP_MODULE_SYMBOL
           "\"; define it with BP_MODULE_ENTRY or BACKPLANE_MODULE, and do not hide it";
  }
  if (found->struct_size < offsetof(bp_module_entry, deinit) || found->abi_major != BP_ABI_MAJOR) {
    return {};  // the host says it better
  }
  bp_module_entry entry = {};
  std::memcpy(&entry, found, found->struct_size < sizeof entry ? found->struct_size : sizeof entry);
  const void* const functions[] = {
      reinterpret_cast<const void*>(entry.init), reinterpret_cast<const void*>(entry.deinit),
      reinterpret_cast<const void*>(entry.instance_create), reinterpret_cast<const void*>(entry.instance_destroy),
      reinterpret_cast<const void*>(entry.extension)};
  for (const void* const each : functions) {
    if (each == nullptr || is_code(each)) continue;
    return "its entry has the address of a function that is not code; build it again, or copy it again from where it "
           "is sound";
  }
  return {};
}

void open(const std::string& path, std::vector<Open>& modules) {
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return;  // it may need something of the host's process
  keep_libraries(handle, modules);
  modules.push_back({path, handle});
}

void close(const std::string& path, std::vector<Open>& modules) {
  for (std::size_t i = 0; i < modules.size(); ++i) {
    if (modules[i].path != path) continue;
    ::dlclose(modules[i].handle);
    modules.erase(modules.begin() + static_cast<std::ptrdiff_t>(i));
    return;
  }
}

void try_it(const std::string& path, const std::vector<Open>& modules, bool unmaps) {
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    report("refused the dynamic loader refused it: " + loader_text() +
           "; install the libraries that it needs, or put them beside it and link it with -Wl,-rpath,'$ORIGIN'. "
           "Symbols of the host are not there for modules");
    return;
  }
  const std::string fault = fault_of(handle);
  keep_libraries(handle, modules);
  if (unmaps) {
    report("d");  // its destructors
    ::dlclose(handle);
  }
  report(fault.empty() ? "good" : "refused " + fault);
}

// Returns an exit code.
int take_steps(const std::vector<std::string>& steps) {
  std::vector<Open> modules;
  for (const std::string& step : steps) {
    const std::size_t colon = step.find(':');
    if (colon == std::string::npos) return 2;
    const std::string path = step.substr(colon + 1);
    report(step.substr(0, 1));
    if (step.starts_with("library:") || step.starts_with("need:")) {
      ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    }
    if (step.starts_with("open:")) open(path, modules);
    if (step.starts_with("close:")) close(path, modules);
    if (step.starts_with("try:")) try_it(path, modules, true);
    if (step.starts_with("keep:")) try_it(path, modules, false);
  }
  return 0;
}

bool read_all(char* to, std::size_t size) {
  for (std::size_t got = 0; got < size;) {
    const ssize_t n = ::read(0, to + got, size - got);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    got += static_cast<std::size_t>(n);
  }
  return true;
}

bool read_request(std::vector<std::string>& steps) {
  std::uint32_t size = 0;
  if (!read_all(reinterpret_cast<char*>(&size), sizeof size)) return false;
  std::string text(size, '\0');
  if (!read_all(text.data(), size)) return false;
  steps.clear();
  for (std::size_t at = 0; at < size;) {
    steps.emplace_back(text.c_str() + at);
    at += steps.back().size() + 1;
  }
  return true;
}

[[noreturn]] void run_trial(const std::vector<std::string>& steps, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) _exit(126);
  ::dup2(1, 0);  // /dev/null
  const int code = take_steps(steps);
  _exit(code);  // the exit handlers of modules are no part of the trial
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fputs("backplane-trial: a host starts this program to load a module in a process of its own\n", stderr);
    return 2;
  }
  // For tools: one trial in this process. Nobody listens after the steps of a host.
  if (std::string_view(arguments[1]) != "--serve") _exit(take_steps({arguments + 1, arguments + count}));
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // to notice the children of children
  const pid_t self = ::getpid();
  std::vector<std::string> steps;
  while (read_request(steps)) {
    const pid_t child = ::fork();
    if (child == 0) run_trial(steps, self);
    if (child < 0) _exit(125);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    pid_t left = 0;
    while ((left = ::waitpid(-1, nullptr, WNOHANG)) > 0) continue;
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    report("\nended " + std::to_string(code) + " " + std::to_string(signal) + (left == 0 ? " 1" : " 0"));
    if (left == 0) break;
  }
  _exit(0);
}
