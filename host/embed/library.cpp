// SPDX-License-Identifier: Apache-2.0
//
// The C functions of backplane.h that need no context.
#include <backplane/backplane.h>

#include <cstdint>
#include <string>
#include <vector>

#include "context/host.hpp"
#include "embed/fork_guard.hpp"
#include "memory/budget.hpp"
#include "modules/file.hpp"
#include "modules/interface.hpp"
#include "modules/manifest.hpp"
#include "reply/buffer.hpp"
#include "support/digest.hpp"
#include "support/result.hpp"
#include "support/sized.hpp"
#include "support/status_name.hpp"
#include "support/version.hpp"
#include "support/views.hpp"

using namespace backplane::host;

extern "C" {

const char* bp_version(void) { return version; }

uint32_t bp_abi_version(void) { return BP_ABI_MAJOR << 16 | BP_ABI_MINOR; }

bp_status bp_abi_check(uint32_t abi_version, bp_str version_of_headers, bp_result* why) {
  if (is_null(version_of_headers)) return set_result(why, BP_INVALID_ARGUMENT, "version has a size, but no data");
  const uint32_t major = abi_version >> 16;
  if (major == BP_ABI_MAJOR) return set_result(why, BP_OK, std::string_view());
  try {
    const auto name = [](uint32_t abi, std::string_view release) {
      return "ABI " + std::to_string(abi >> 16) + "." + std::to_string(abi & 0xffff) + " (Backplane " +
             std::string(release) + ")";
    };
    return set_result(why, BP_NOT_SUPPORTED,
                      "the program was compiled with headers of " + name(abi_version, view(version_of_headers)) +
                          ", but the library has " + name(bp_abi_version(), version) +
                          "; expected the same major version of the ABI: compile the program again, or install the "
                          "library that fits it");
  } catch (const std::bad_alloc&) {
    return set_result(why, BP_NOT_SUPPORTED, "the library has another major version of the ABI than the headers");
  }
}

const char* bp_status_name(bp_status status) { return status_name(status); }

const char* bp_status_text(bp_status status) {
  switch (status) {
#define BP_STATUS_CASE(name, value, text) \
  case value:                             \
    return text;
    BP_STATUS_LIST(BP_STATUS_CASE)
#undef BP_STATUS_CASE
    default:
      return status >= BP_STATUS_MODULE_FIRST ? "an error that the module defines" : "an unknown status";
  }
}

bp_status bp_host_configure(const bp_host_options* options, bp_result* why) {
  if (options == nullptr || options->struct_size == 0)
    return set_result(why, BP_INVALID_ARGUMENT, "options is null, or its struct_size is 0");
  const ForkGuard during;
  if (!during) return set_result(why, BP_NOT_SUPPORTED, forked_text);
  try {
    std::string message;
    const bp_status status = Host::configure(widened(*options), message);
    return set_result(why, status, message);
  } catch (const std::bad_alloc&) {
    return set_result(why, BP_OUT_OF_MEMORY, "out of memory for the options");
  } catch (const std::exception& error) {
    return set_result(why, BP_IO, error.what());
  }
}

bp_buffer* bp_buffer_new(size_t capacity) { return new_buffer(capacity); }

void bp_buffer_free(bp_buffer* buffer) { free_buffer(buffer); }

void bp_result_free(bp_result* result) { free_result(result); }

bp_status bp_memory_take(uint64_t size, uint32_t flags) {
  if ((flags & ~static_cast<uint32_t>(BP_MEMORY_HELD)) != 0) return BP_INVALID_ARGUMENT;
  if ((flags & BP_MEMORY_HELD) != 0) {
    charge_memory_anyway(size);
    return BP_OK;
  }
  return charge_memory(size) ? BP_OK : BP_OVERLOADED;
}

void bp_memory_give(uint64_t size) { release_memory(size); }

int32_t bp_memory_refused(void) { return memory_was_refused() ? 1 : 0; }

uint64_t bp_memory_limit(void) { return memory_budget.limit(); }

bp_status bp_module_inspect(const char* path, bp_result* result) {
  if (path == nullptr || result == nullptr) return BP_INVALID_ARGUMENT;
  try {
    std::string problem;
    const std::vector<std::uint8_t> file = read_any_file(path, problem);
    Manifest manifest = read_manifest(file);
    check_interface(manifest);
    if (problem.empty()) problem = Host::problem_of(manifest);
    return set_result(result, BP_OK, report(manifest, path, sha256_of(file), problem));
  } catch (const Failure& failure) {
    return set_result(result, failure.status, std::string(path) + ": " + failure.message);
  } catch (const std::exception& error) {
    return set_result(result, BP_ERROR, error.what());
  }
}

}  // extern "C"
