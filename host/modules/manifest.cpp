// SPDX-License-Identifier: Apache-2.0
//
// Reads a module's manifest and CDDL from its file, checks them, and writes the manifest-report.
#include "modules/manifest.hpp"

#include <backplane/plugin.h>
#include <backplane/cbor/escape.hpp>
#include <backplane/cbor/reader.hpp>
#include <backplane/cbor/writer.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <unordered_set>

#include "modules/elf.hpp"
#include "modules/library_search.hpp"
#include "modules/lint.hpp"
#include "support/digest.hpp"
#include "support/names.hpp"
#include "support/report.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

[[noreturn]] void refuse(std::string message) { throw Failure{BP_LOAD_REFUSED, std::move(message)}; }

// Text of the file as a message shows it: on one line, and not at any length.
std::string in_quotes(std::string_view text) {
  constexpr std::size_t most = 300;
  const std::string rest = text.size() > most ? "… (" + std::to_string(text.size()) + " bytes)" : std::string();
  return "\"" + cbor::escaped(text.substr(0, most), cbor::Escape::line) + "\"" + rest;
}

void check_size(std::string_view section, const char* name, std::size_t most) {
  if (section.size() <= most) return;
  refuse(std::string("its section ") + name + " has " + std::to_string(section.size()) + " bytes, expected at most " +
         std::to_string(most));
}

void check_length(const std::string& text, const char* key, std::size_t most) {
  if (text.size() <= most) return;
  refuse(std::string("its manifest has a ") + key + "= of " + std::to_string(text.size()) +
         " bytes, expected at most " + std::to_string(most));
}

// Sets a field that may appear only once.
void set_once(std::string& field, std::string_view key, std::string_view value) {
  if (!field.empty()) {
    refuse("its manifest has " + in_quotes(key) + " twice: " + in_quotes(field) + " and " + in_quotes(value) +
           "; keep one of them (a source file may be linked twice)");
  }
  field = value;
}

void add_name(std::vector<std::string>& names, std::string_view key, std::string_view value) {
  if (!is_wire_name(value)) {
    refuse("its manifest has " + std::string(key) + "=" + in_quotes(value) +
           ", which is not a wire name; expected module.verb, both [a-z0-9_]+ and not with a digit first, at most " +
           std::to_string(BP_WIRE_NAME_MAX) + " bytes");
  }
  names.emplace_back(value);
}

// Uses a set, because a module may have very many names.
void check_once(const std::vector<std::string>& names, std::string_view key) {
  std::unordered_set<std::string_view> seen(names.size());
  for (const std::string& name : names) {
    if (!seen.insert(name).second)
      refuse("its manifest has " + std::string(key) + "=" + in_quotes(name) + " twice; keep one of them");
  }
}

struct UnknownKeys {
  std::string_view first;
  std::size_t count = 0;
};

std::uint64_t read_stack_size(std::string_view text) {
  std::uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (error != std::errc() || end != text.data() + text.size() || bytes < least_handler_stack ||
      bytes > most_handler_stack) {
    refuse("its manifest has stack_size=\"" + cbor::escaped(text.substr(0, 64), cbor::Escape::line) +
           "\"; expected bytes, " + std::to_string(least_handler_stack) + " to " + std::to_string(most_handler_stack));
  }
  return bytes;
}

void read_entry(Manifest& manifest, std::string& unload, std::string& reload, UnknownKeys& unknown,
                std::string_view entry) {
  const auto equals = entry.find('=');
  if (equals == std::string_view::npos) {
    refuse("its manifest has the entry " + in_quotes(entry) + ", expected key=value");
  }
  const std::string_view key = entry.substr(0, equals);
  const std::string_view value = entry.substr(equals + 1);
  if (key == "abi") return set_once(manifest.abi, key, value);
  if (key == "name") return set_once(manifest.name, key, value);
  if (key == "version") return set_once(manifest.version, key, value);
  if (key == "summary") return set_once(manifest.summary, key, value);
  if (key == "unload") return set_once(unload, key, value);
  if (key == "stack_size") {
    if (manifest.stack_size != 0) refuse("its manifest has \"stack_size\" twice; keep one of them");
    return manifest.stack_size = read_stack_size(value), void();
  }
  if (key == "reload") return set_once(reload, key, value);
  if (key == "provides") return add_name(manifest.provides, key, value);
  if (key == "offers") return add_name(manifest.offers, key, value);
  if (key == "emits") return add_name(manifest.emits, key, value);
  if (key == "requires") return manifest.needs.emplace_back(value), void();
  if (key == "calls") return add_name(manifest.calls, key, value);
  if (key == "listens") return add_name(manifest.listens, key, value);
  // An unknown key comes from a newer SDK. Keys that a host must understand do not exist; see `requires`.
  if (++unknown.count == 1) unknown.first = key;
}

void warn_of(const UnknownKeys& unknown, std::vector<std::string>& warnings) {
  if (unknown.count == 0) return;
  std::string text = "its manifest has the unknown key " + in_quotes(unknown.first);
  if (unknown.count > 1) text += " and " + std::to_string(unknown.count - 1) + " more";
  warnings.push_back(text + ", which this host ignores");
}

void check_owned(const Manifest& manifest, const std::vector<std::string>& names, const char* key, const char* what) {
  for (const std::string& name : names) {
    if (!is_of_module(name, manifest.name)) {
      refuse(std::string("its manifest ") + key + " " + in_quotes(name) + ", but the module is " +
             in_quotes(manifest.name) + "; expected " + what + " that begin with \"" + manifest.name + ".\"");
    }
  }
}

void check(const Manifest& manifest) {
  check_once(manifest.provides, "provides");
  check_once(manifest.offers, "offers");
  check_once(manifest.emits, "emits");
  check_once(manifest.calls, "calls");
  check_once(manifest.listens, "listens");
  if (manifest.abi.empty()) refuse("its manifest has no abi= entry; write BP_MANIFEST_ABI once");
  if (manifest.name.empty()) refuse("its manifest has no name= entry; write BP_MANIFEST(\"name=…\") once");
  if (!is_module_name(manifest.name)) {
    refuse("its manifest has name=" + in_quotes(manifest.name) + "; expected [a-z_][a-z0-9_]*, at most " +
           std::to_string(BP_MODULE_NAME_MAX) + " bytes" +
           (begins_with_digit(manifest.name) ? "; CDDL has no names that begin with a digit, so choose another" : ""));
  }
  if (manifest.name == "backplane") {
    refuse("its manifest has name=\"backplane\", which is the name of the host itself; choose another name");
  }
  check_length(manifest.version, "version", most_version_bytes);
  check_length(manifest.summary, "summary", most_summary_bytes);
  if (manifest.version.empty()) refuse("its manifest has no version= entry; write BP_MANIFEST(\"version=…\") once");
  check_owned(manifest, manifest.provides, "provides", "wire names");
  check_owned(manifest, manifest.emits, "emits", "events");
}

}  // namespace

namespace {

// Digits without leading zeros.
std::optional<unsigned> version_number(std::string_view text) {
  unsigned out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || (text.size() > 1 && text[0] == '0')) return {};
  return out;
}

}  // namespace

Manifest read_manifest(std::span<const std::uint8_t> file) {
  const ElfFile elf(file);
  std::string_view entries = elf.section(BP_MANIFEST_SECTION);
  if (entries.empty()) {
    refuse("it is a shared object, but not a module: it has no section " BP_MANIFEST_SECTION
           "; write the manifest of a module with BP_MANIFEST or BACKPLANE_MODULE");
  }
  check_size(entries, BP_MANIFEST_SECTION, most_manifest_bytes);
  Manifest manifest;
  std::string unload;
  std::string reload;
  UnknownKeys unknown;
  while (!entries.empty()) {
    const std::string_view entry = entries.substr(0, entries.find('\0'));
    if (!cbor::valid_utf8(entry)) refuse("its manifest is not UTF-8");
    if (!entry.empty()) read_entry(manifest, unload, reload, unknown, entry);
    entries.remove_prefix(std::min(entries.size(), entry.size() + 1));
  }
  warn_of(unknown, manifest.warnings);
  if (!unload.empty() && unload != "drain" && unload != "never") {
    refuse("its manifest has unload=" + in_quotes(unload) + "; expected \"drain\" or \"never\"");
  }
  manifest.unload_never = unload == "never";
  if (!reload.empty() && reload != "swap" && reload != "old_first") {
    refuse("its manifest has reload=" + in_quotes(reload) + "; expected \"swap\" or \"old_first\"");
  }
  manifest.reload_old_first = reload == "old_first";
  check(manifest);
  check_size(elf.section(BP_CDDL_SECTION), BP_CDDL_SECTION, most_cddl_bytes);
  manifest.cddl = elf.section(BP_CDDL_SECTION);
  std::erase(manifest.cddl, '\0');  // they separate the pieces of a module written in C
  if (!cbor::valid_utf8(manifest.cddl)) refuse("the CDDL in its section " BP_CDDL_SECTION " is not UTF-8");
  manifest.build_id = build_id_of(elf.section(".note.gnu.build-id"));
  manifest.libraries.assign(elf.needed().begin(), elf.needed().end());
  manifest.runpath = elf.runpath();
  manifest.rpath = elf.rpath();
  lint(elf, manifest);
  return manifest;
}

void check_needs(const Manifest& manifest, const void* (*extension)(const char* id)) {
  const std::string_view abi = manifest.abi;
  const std::size_t dot = std::min(abi.find('.'), abi.size());
  const auto major = version_number(abi.substr(0, dot));
  const auto minor = version_number(abi.substr(std::min(dot + 1, abi.size())));
  if (!major || !minor) {
    refuse("its manifest has abi=" + in_quotes(abi) + "; expected \"major.minor\", as BP_MANIFEST_ABI writes it");
  }
  if (*major != BP_ABI_MAJOR) {
    refuse("it was built for ABI " + manifest.abi + ", but this host has " + std::to_string(BP_ABI_MAJOR) + "." +
           std::to_string(BP_ABI_MINOR) + "; build it against this host's headers");
  }
  for (const std::string& id : manifest.needs) {
    if (extension(id.c_str()) == nullptr) {
      refuse("it requires the extension \"" + id + "\", which this host does not have; use a newer host");
    }
  }
}

namespace {

struct Library {
  std::string name;
  LibraryPlace place;
};

// Each library, and where the loader would take it from.
std::vector<Library> libraries_of(const Manifest& manifest, const std::string& path) {
  std::error_code error;
  const LibraryPaths paths{std::filesystem::absolute(path, error).parent_path(), manifest.runpath, manifest.rpath};
  std::vector<Library> out;
  for (const std::string& name : manifest.libraries) out.push_back({name, find_library_file(name, paths)});
  return out;
}

void write(cbor::Writer& out, const std::vector<Library>& libraries) {
  out.array(libraries.size());
  for (const auto& [name, place] : libraries) {
    out.map(3);
    field(out, "name", cbor::escaped(name, cbor::Escape::line));
    field(out, "found", text_of(place.kind));
    path_field(out, place.path);
  }
}

// Why the loader would refuse it; empty: it finds all.
std::string missing_library(const std::vector<Library>& libraries) {
  for (const auto& [name, place] : libraries) {
    if (place.kind != LibraryPlace::Kind::missing) continue;
    return "its library " + cbor::escaped(name, cbor::Escape::line) +
           " was not found; install it, or put it beside the module and link that with -Wl,-rpath,'$ORIGIN'";
  }
  return {};
}

}  // namespace

std::string missing_library(const Manifest& manifest, const std::string& path) {
  return missing_library(libraries_of(manifest, path));
}

std::vector<std::uint8_t> report(const Manifest& manifest, const std::string& path, const std::string& sha256,
                                 const std::string& problem) {
  std::vector<std::uint8_t> bytes;
  cbor::Writer out(bytes);
  out.map(20);
  path_field(out, path);
  field(out, "sha256", sha256);
  field(out, "name", manifest.name);
  field(out, "version", manifest.version);
  field(out, "abi", manifest.abi);
  field(out, "unload", manifest.unload_never ? "never" : "drain");
  field(out, "reload", manifest.reload_old_first ? "old_first" : "swap");
  field(out, "stack_size", manifest.stack_size);
  field(out, "summary", manifest.summary);
  field(out, "provides", manifest.provides);
  field(out, "offers", manifest.offers);
  field(out, "emits", manifest.emits);
  field(out, "requires", manifest.needs);
  field(out, "calls", manifest.calls);
  field(out, "listens", manifest.listens);
  field(out, "interface_hash", manifest.interface_hash);
  field(out, "cddl", manifest.cddl);
  const std::vector<Library> libraries = libraries_of(manifest, path);
  out.text("libraries");
  write(out, libraries);
  field(out, "warnings", manifest.warnings);
  // It may name a directory.
  field(out, "problem", cbor::escaped(problem.empty() ? missing_library(libraries) : problem, cbor::Escape::lines));
  return bytes;
}

}  // namespace backplane::host
