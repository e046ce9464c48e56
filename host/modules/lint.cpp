// SPDX-License-Identifier: Apache-2.0
#include "modules/lint.hpp"

#include <backplane/plugin.h>

#include <algorithm>
#include <backplane/cbor/escape.hpp>
#include <iterator>

#include "modules/elf.hpp"
#include "modules/libraries.hpp"
#include "modules/manifest.hpp"

namespace backplane::host {
namespace {

/// An import by which a module can leave something behind that the host does not see.
struct Leaves {
  std::string_view import;  ///< a name that ends with '*' stands for all that begin so
  const char* what;
};
constexpr Leaves leaves[] = {
    {"pthread_key_create", "the destructor of a key of pthread_key_create"},
    {"tss_create", "the destructor of a key of tss_create"},
    {"g_type_register_*", "a type of GObject"},
    {"g_type_plugin_*", "a type of GObject"},
    {"g_log_set_default_handler", "a callback in GLib"},
    {"xmlSetGenericErrorFunc", "a callback in libxml2"},
    {"xmlSetStructuredErrorFunc", "a callback in libxml2"},
    {"xmlRegisterInputCallbacks", "a callback in libxml2"},
    {"sqlite3_auto_extension", "a callback in SQLite"},
    {"CRYPTO_set_mem_functions", "a callback in OpenSSL"},
    {"OPENSSL_atexit", "a callback in OpenSSL"},
    {"curl_global_init_mem", "a callback in libcurl"},
    {"timer_create", "a timer"},
};

constexpr std::string_view starts_threads[] = {
    "pthread_create", "thrd_create", "timer_create", "clone", "clone3", "syscall", "_ZNSt6thread15_M_start_threadE*"};
bool fits(std::string_view name, std::string_view pattern) {
  return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern;
}

// Whether the module has a C++ runtime for itself. Inside of a copy that is linked into it, the runtime's own classes
// have names, also if the file is stripped. libc++ is another runtime than the host's where the application has opened
// the host's library RTLD_LOCAL.
bool has_own_runtime(const ElfFile& elf) {
  if (elf.section(".rodata").find("N10__cxxabiv117__class_type_infoE") != std::string_view::npos) return true;
  for (const ElfFile::Symbol& symbol : elf.dynamic_symbols()) {
    if (!symbol.defined && symbol.name.find("St3__1") != std::string_view::npos) return true;  // namespace std::__1
  }
  return false;
}

}  // namespace

void lint(const ElfFile& elf, Manifest& manifest) {
  const auto warn = [&](std::string text) { manifest.warnings.push_back(std::move(text)); };
  std::size_t extra_exports = 0;
  std::size_t unique = 0;
  std::string_view extra_export;
  std::string_view unique_name;
  bool told[std::size(leaves)] = {};
  for (const ElfFile::Symbol& symbol : elf.dynamic_symbols()) {
    if (symbol.unique) {
      ++unique;
      unique_name = symbol.name;
    } else if (symbol.defined && symbol.global && symbol.name != BP_MODULE_SYMBOL) {
      ++extra_exports;
      extra_export = symbol.name;
    }
    if (symbol.name.starts_with("__cxa_thread_atexit")) manifest.thread_destructors = true;
    if (symbol.defined) continue;
    manifest.may_start_threads =
        manifest.may_start_threads || std::any_of(std::begin(starts_threads), std::end(starts_threads),
                                                  [&](auto pattern) { return fits(symbol.name, pattern); });
    for (std::size_t i = 0; i < std::size(leaves); ++i) {
      if (told[i] || manifest.unload_never || !fits(symbol.name, leaves[i].import)) continue;
      told[i] = true;
      warn("it imports " + cbor::escaped(symbol.name, cbor::Escape::line) + ", and may leave " + leaves[i].what +
           " behind, which the host cannot see; take it back in deinit, or set unload=never");
    }
  }
  for (const std::string_view library : elf.needed()) {
    if (!is_base_library(library)) manifest.may_start_threads = true;
  }
  if (manifest.thread_destructors) {
    warn(
        "it has a thread_local with a destructor: the object stays mapped until every thread that used it has ended; "
        "keep the state in the instance instead");
  }
  manifest.unique_symbols = unique;
  manifest.no_delete = elf.no_delete();
  if (elf.no_delete()) {
    warn("it is marked NODELETE, so it can never be unmapped; link it without -z nodelete");
  }
  if (unique != 0) {
    warn("it has " + std::to_string(unique) + " symbol(s) of binding GNU_UNIQUE (for example " +
         cbor::escaped(unique_name, cbor::Escape::line) +
         "), so it can never be unmapped; compile it with -fno-gnu-unique");
  }
  if (extra_exports != 0) {
    warn("it exports " + std::to_string(extra_exports) + " symbol(s) besides " BP_MODULE_SYMBOL " (for example " +
         cbor::escaped(extra_export, cbor::Escape::line) +
         "); hide them with -fvisibility=hidden and a version script");
  }
  if (elf.section(".bp.sdk").empty() && has_own_runtime(elf)) {
    warn(
        "it may have a C++ runtime of its own (-static-libstdc++, or libc++), and does not use the C++ SDK of this "
        "version: if it waits or switches fibers while it handles an exception, it may find that of another call; use "
        "the shared libstdc++ or the SDK, or wait in no catch block");
  }
  if (elf.static_tls()) {
    warn(
        "it uses static thread-local storage, which is scarce after start-up, so loading may fail; compile it with "
        "-ftls-model=global-dynamic");
  }
}

}  // namespace backplane::host
