// SPDX-License-Identifier: Apache-2.0
#include "cli/in_use.hpp"

#include <backplane/backplane.h>
#include <dlfcn.h>

#include <filesystem>

#include "cli/output.hpp"
#include "cli/run_plan.hpp"

namespace backplane::host::cli {
namespace {

// RTLD_NEXT: an executable may have an address of its own for a function of a library.
std::string library_path() {
  const void* const function = ::dlsym(RTLD_NEXT, "bp_version");
  Dl_info info{};
  if (function == nullptr || ::dladdr(function, &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(info.dli_fname, error);
  return error ? std::string(info.dli_fname) : real.string();
}

std::string abi_text(std::uint32_t number) {
  return cat(std::to_string(number >> 16), ".", std::to_string(number & 0xffff));
}

}  // namespace

std::string version_text(bool json) {
  constexpr const char* program = BP_VERSION_STRING;  // of the headers that it was built with
  const std::string version = bp_version();
  const std::string abi = abi_text(bp_abi_version());
  const std::string library = library_path();
  const std::string modules = bundled_dir();
  if (json) {
    return cat("{\"version\":", cli::json_string(version), ",\"abi\":", cli::json_string(abi),
               ",\"program\":", cli::json_string(program), ",\"library\":", cli::json_string(library),
               ",\"modules\":", modules.empty() ? "null" : cli::json_string(modules), "}\n");
  }
  const std::string other = version == program ? "" : cat(", with the library of version ", version);
  return cat("backplane ", program, " (ABI ", abi, ")", other, "\n",
             table({{"library", printable(library)}, {"modules", modules.empty() ? "none" : printable(modules)}}));
}

}  // namespace backplane::host::cli
