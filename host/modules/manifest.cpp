// SPDX-License-Identifier: Apache-2.0
//
// Reads a module's manifest and CDDL from its file, checks them, and writes the manifest-report.
#include "modules/manifest.hpp"

#include <backplane/plugin.h>
#include <backplane/cbor/reader.hpp>
#include <backplane/cbor/writer.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <unordered_set>

#include "modules/elf.hpp"
#include "modules/lint.hpp"
#include "support/names.hpp"
#include "support/report.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

[[noreturn]] void refuse(std::string message) { throw Failure{BP_LOAD_REFUSED, std::move(message)}; }

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// Sets a field that may appear only once.
void set_once(std::string& field, std::string_view key, std::string_view value) {
  if (!field.empty()) {
    refuse("its manifest has " + quoted(key) + " twice: " + quoted(field) + " and " + quoted(value) +
           "; keep one of them (a source file may be linked twice)");
  }
  field = value;
}

void add_name(std::vector<std::string>& names, std::string_view key, std::string_view value) {
  if (!is_wire_name(value)) {
    refuse("its manifest has " + std::string(key) + "=" + quoted(value) +
           ", which is not a wire name; expected module.verb, both [a-z0-9_]+, at most " +
           std::to_string(BP_WIRE_NAME_MAX) + " bytes");
  }
  names.emplace_back(value);
}

// Uses a set, because a module may have very many names.
void check_once(const std::vector<std::string>& names, std::string_view key) {
  std::unordered_set<std::string_view> seen(names.size());
  for (const std::string& name : names) {
    if (!seen.insert(name).second)
      refuse("its manifest has " + std::string(key) + "=" + quoted(name) + " twice; keep one of them");
  }
}

void read_entry(Manifest& manifest, std::string& unload, std::string_view entry) {
  const auto equals = entry.find('=');
  if (equals == std::string_view::npos) {
    refuse("its manifest has the entry " + quoted(entry) + ", expected key=value");
  }
  const std::string_view key = entry.substr(0, equals);
  const std::string_view value = entry.substr(equals + 1);
  if (key == "abi") return set_once(manifest.abi, key, value);
  if (key == "name") return set_once(manifest.name, key, value);
  if (key == "version") return set_once(manifest.version, key, value);
  if (key == "summary") return set_once(manifest.summary, key, value);
  if (key == "unload") return set_once(unload, key, value);
  if (key == "provides") return add_name(manifest.provides, key, value);
  if (key == "offers") return add_name(manifest.offers, key, value);
  if (key == "emits") return add_name(manifest.emits, key, value);
  if (key == "requires") return manifest.needs.emplace_back(value), void();
  if (key == "calls") return add_name(manifest.calls, key, value);
  // An unknown key comes from a newer SDK. Keys that a host must understand do not exist; see `requires`.
  manifest.warnings.push_back("its manifest has the unknown key " + quoted(key) + ", which this host ignores");
}

void check(const Manifest& manifest) {
  check_once(manifest.provides, "provides");
  check_once(manifest.offers, "offers");
  check_once(manifest.emits, "emits");
  check_once(manifest.calls, "calls");
  if (manifest.abi.empty()) refuse("its manifest has no abi= entry; write BP_MANIFEST_ABI once");
  if (manifest.name.empty()) refuse("its manifest has no name= entry; write BP_MANIFEST(\"name=…\") once");
  if (!is_module_name(manifest.name)) {
    refuse("its manifest has name=" + quoted(manifest.name) + "; expected [a-z0-9_]+, at most " +
           std::to_string(BP_MODULE_NAME_MAX) + " bytes");
  }
  if (manifest.version.empty()) refuse("its manifest has no version= entry; write BP_MANIFEST(\"version=…\") once");
  for (const std::string& name : manifest.provides) {
    if (!is_of_module(name, manifest.name)) {
      refuse("its manifest provides " + quoted(name) + ", but the module is " + quoted(manifest.name) +
             "; expected wire names that begin with \"" + manifest.name + ".\"");
    }
  }
}

}  // namespace

Manifest read_manifest(std::span<const std::uint8_t> file) {
  const ElfFile elf(file);
  std::string_view entries = elf.section(BP_MANIFEST_SECTION);
  if (entries.empty()) {
    refuse("it is a shared object, but not a module: it has no section " BP_MANIFEST_SECTION
           "; write the manifest of a module with BP_MANIFEST or BACKPLANE_MODULE");
  }
  Manifest manifest;
  std::string unload;
  while (!entries.empty()) {
    const std::string_view entry = entries.substr(0, entries.find('\0'));
    if (!cbor::valid_utf8(entry)) refuse("its manifest is not UTF-8");
    if (!entry.empty()) read_entry(manifest, unload, entry);
    entries.remove_prefix(std::min(entries.size(), entry.size() + 1));
  }
  if (!unload.empty() && unload != "drain" && unload != "never") {
    refuse("its manifest has unload=" + quoted(unload) + "; expected \"drain\" or \"never\"");
  }
  manifest.unload_never = unload == "never";
  check(manifest);
  manifest.cddl = elf.section(BP_CDDL_SECTION);
  std::erase(manifest.cddl, '\0');  // they separate the pieces of a module written in C
  if (!cbor::valid_utf8(manifest.cddl)) refuse("the CDDL in its section " BP_CDDL_SECTION " is not UTF-8");
  lint(elf, manifest);
  return manifest;
}

void check_needs(const Manifest& manifest, const void* (*extension)(const char* id)) {
  const std::string_view abi = manifest.abi;
  unsigned major = 0;
  const auto [end, error] = std::from_chars(abi.data(), abi.data() + abi.size(), major);
  if (error != std::errc() || end == abi.data() + abi.size() || *end != '.') {
    refuse("its manifest has abi=" + quoted(abi) + "; expected \"major.minor\", as BP_MANIFEST_ABI writes it");
  }
  if (major != BP_ABI_MAJOR) {
    refuse("it was built for ABI " + manifest.abi + ", but this host has " + std::to_string(BP_ABI_MAJOR) + "." +
           std::to_string(BP_ABI_MINOR) + "; build it against this host's headers");
  }
  for (const std::string& id : manifest.needs) {
    if (extension(id.c_str()) == nullptr) {
      refuse("it requires the extension \"" + id + "\", which this host does not have; use a newer host");
    }
  }
}

std::vector<std::uint8_t> report(const Manifest& manifest, const std::string& path, const std::string& problem) {
  std::vector<std::uint8_t> bytes;
  cbor::Writer out(bytes);
  out.map(14);
  field(out, "path", path);
  field(out, "name", manifest.name);
  field(out, "version", manifest.version);
  field(out, "abi", manifest.abi);
  field(out, "unload", manifest.unload_never ? "never" : "drain");
  field(out, "summary", manifest.summary);
  field(out, "provides", manifest.provides);
  field(out, "offers", manifest.offers);
  field(out, "emits", manifest.emits);
  field(out, "requires", manifest.needs);
  field(out, "calls", manifest.calls);
  field(out, "cddl", manifest.cddl);
  field(out, "warnings", manifest.warnings);
  field(out, "problem", problem);
  return bytes;
}

}  // namespace backplane::host
