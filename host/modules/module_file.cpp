// SPDX-License-Identifier: Apache-2.0
#include "modules/module_file.hpp"

#include <backplane/cbor/head.hpp>
#include <utility>

#include "modules/file.hpp"
#include "modules/generation.hpp"
#include "modules/interface.hpp"
#include "modules/libraries.hpp"
#include "support/digest.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

void check_module(const std::string& found, const ModuleFile::Expected& expected) {
  if (expected.module.empty() || found == expected.module) return;
  throw Failure{BP_LOAD_REFUSED, "it is the module \"" + found + "\", expected " +
                                     (expected.next_generation ? "the next generation of \"" + expected.module +
                                                                     "\"; load it as a module of its own"
                                                               : "\"" + expected.module + "\"; correct the path")};
}

}  // namespace

LoadRequest LoadRequest::after(const Generation& old) const {
  LoadRequest request = *this;
  if (request.path.empty()) request.path = old.path;
  if (request.config.empty()) request.config = old.config;
  if (!request.settings) request.settings = old.settings;
  return request;
}

void LoadRequest::check_canceled() const {
  if (canceled != nullptr && canceled->load()) throw Failure{BP_CANCELED, "canceled; nothing has changed"};
}

ModuleFile ModuleFile::read(LoadRequest request, const Expected& expected,
                            const std::vector<std::filesystem::path>& allowed, Extension extension) {
  std::vector<std::uint8_t> bytes;
  try {
    bytes = read_module_file(request.path, allowed);
  } catch (Failure& failure) {
    name_file(failure, request.path);
    throw;
  }
  ModuleFile file = of(std::move(request), expected, bytes, extension);
  file.bytes = std::move(bytes);
  return file;
}

ModuleFile ModuleFile::of(LoadRequest request, const Expected& expected, std::span<const std::uint8_t> bytes,
                          Extension extension) {
  ModuleFile file;
  file.request = std::move(request);
  if (file.request.config.empty()) file.request.config = {cbor::empty_map};
  try {
    file.sha256 = sha256_of(bytes);
    file.manifest = read_manifest(bytes);
    check_needs(file.manifest, extension);
    check_sanitizers(file.manifest.libraries);
    check_module(file.manifest.name, expected);
    if (file.request.compare) {
      check_interface(file.manifest);
    } else {
      check_interface(file.manifest, file.request.config);
    }
  } catch (Failure& failure) {
    name_file(failure, file.request.path);
    throw;
  }
  return file;
}

void ModuleFile::compare_with(const Generation& old) {
  InterfaceChange change = compare_interfaces(old.manifest, old.number, manifest);
  if (!change.warning.empty() && request.strict) {
    throw Failure{BP_LOAD_REFUSED,
                  request.path + ": " + change.warning +
                      "; nothing has changed. To replace the old generation all the same, leave out strict (--strict, "
                      "BP_LOAD_STRICT, strict = true)",
                  std::move(change.report)};
  }
  if (!change.warning.empty()) manifest.warnings.push_back(std::move(change.warning));
  compared = std::move(change.report);
}

std::unique_ptr<Generation> ModuleFile::generation() {
  auto made = std::make_unique<Generation>();
  made->path = request.path;
  made->sha256 = sha256;
  made->config = request.config;
  made->compared = std::move(compared);
  made->manifest = std::move(manifest);
  made->stack_size = made->manifest.stack_size;
  if (request.settings) made->settings = *request.settings;
  if (made->settings.stack_size != 0) made->stack_size = made->settings.stack_size;
  return made;
}

}  // namespace backplane::host
