// SPDX-License-Identifier: Apache-2.0
#include "modules/reports.hpp"

#include <backplane/cbor/reader.hpp>
#include <backplane/cbor/writer.hpp>

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "modules/generation.hpp"
#include "support/report.hpp"

namespace backplane::host {
namespace {

using Bytes = std::vector<std::uint8_t>;

const char* name(Generation::State state) {
  switch (state) {
    case Generation::State::loading:
      return "loading";
    case Generation::State::running:
      return "running";
    case Generation::State::draining:
      return "draining";
    case Generation::State::pinned:
      break;
  }
  return "pinned";
}

// What a module takes of the list, about.
std::size_t size_of(const std::string& text) { return text.size() + 32; }
std::size_t size_of(const std::vector<std::string>& texts) {
  return std::accumulate(texts.begin(), texts.end(), std::size_t{32},
                         [](std::size_t sum, const std::string& text) { return sum + size_of(text); });
}
std::size_t size_of(const Generation& generation) {
  const Manifest& manifest = generation.manifest;
  return 512 + size_of(manifest.version) + size_of(manifest.summary) + size_of(generation.path) +
         size_of(manifest.provides) + size_of(manifest.offers) + size_of(manifest.emits) + size_of(manifest.calls) +
         size_of(manifest.listens) + size_of(manifest.warnings) + size_of(manifest.cddl);
}

// How many texts fit.
std::size_t fitting(const std::vector<std::string>& texts, std::size_t most) {
  std::size_t size = 0;
  std::size_t count = 0;
  while (count < texts.size() && (size += size_of(texts[count])) <= most) ++count;
  return count;
}

// Writes a list up to a size, and notes if something was left out.
void list(cbor::Writer& out, const char* key, const std::vector<std::string>& texts, std::size_t most,
          std::vector<std::string>& left_out) {
  const std::size_t count = fitting(texts, most);
  out.text(key);
  out.array(count);
  for (std::size_t i = 0; i < count; ++i) out.text(texts[i]);
  if (count != texts.size()) left_out.emplace_back(key);
}

// `most`: bytes of each of the parts that may be long.
void write(cbor::Writer& out, const Generation& generation, std::size_t most) {
  const Manifest& manifest = generation.manifest;
  std::vector<std::string> left_out;
  out.map(20);
  field(out, "name", manifest.name);
  field(out, "version", manifest.version);
  field(out, "generation", generation.number);
  path_field(out, generation.path);
  field(out, "sha256", generation.sha256);
  field(out, "build_id", manifest.build_id);
  field(out, "state", name(generation.state));
  field(out, "unload", generation.unload_never() ? "never" : "drain");
  field(out, "reload", manifest.reload_old_first ? "old_first" : "swap");
  settings_field(out, generation.settings);
  field(out, "summary", manifest.summary);
  // While it is being loaded, its init may be adding to them.
  const std::size_t known = generation.state == Generation::State::loading ? 0 : generation.registered.size();
  const std::size_t names = std::min(fitting(manifest.provides, most), known);
  if (names != known) left_out.emplace_back("names");
  out.text("names");
  out.array(names);
  for (std::size_t i = 0; i < names; ++i) {
    const Handler& handler = *generation.registered[i];
    out.map(3);
    field(out, "name", handler.name);
    out.text("blocking");
    out.boolean((handler.flags & BP_HANDLER_BLOCKING) != 0);
    out.text("static");
    out.boolean((handler.flags & BP_HANDLER_STATIC) != 0);
  }
  list(out, "functions", manifest.offers, most, left_out);
  list(out, "events", manifest.emits, most, left_out);
  list(out, "calls", manifest.calls, most, left_out);
  list(out, "listens", manifest.listens, most, left_out);
  field(out, "interface_hash", manifest.interface_hash);
  list(out, "warnings", manifest.warnings, most, left_out);
  const bool cddl = manifest.cddl.size() <= most;
  if (!cddl) left_out.emplace_back("cddl");
  field(out, "cddl", cddl ? manifest.cddl : std::string());
  field(out, "left_out", left_out);
}

}  // namespace

void settings_field(cbor::Writer& out, const ModuleSettings& settings) {
  out.text("settings");
  out.map(3);
  field(out, "unload", settings.unload_never ? "never" : "drain");
  field(out, "workers", settings.workers);
  field(out, "stack_size", settings.stack_size);
}

Bytes load_report(const Generation& generation) {
  Bytes bytes;
  cbor::Writer out(bytes);
  out.map(generation.compared.empty() ? 9 : 10);
  field(out, "module", generation.manifest.name);
  field(out, "version", generation.manifest.version);
  field(out, "generation", generation.number);
  path_field(out, generation.path);
  field(out, "sha256", generation.sha256);
  field(out, "build_id", generation.manifest.build_id);
  field(out, "names", generation.manifest.provides);
  field(out, "interface_hash", generation.manifest.interface_hash);
  field(out, "warnings", generation.manifest.warnings);
  if (generation.compared.empty()) return bytes;
  out.text("compare");
  out.encoded(generation.compared);
  return bytes;
}

Bytes unload_report(const std::string& module, std::uint64_t generation, const std::vector<PinReason>& reasons) {
  Bytes bytes;
  cbor::Writer out(bytes);
  out.map(4);
  field(out, "module", module);
  field(out, "generation", generation);
  field(out, "outcome", reasons.empty() ? "gone" : "pinned");
  out.text("reasons");
  out.array(reasons.size());
  for (const PinReason& reason : reasons) {
    out.map(3);
    field(out, "kind", reason.kind);
    field(out, "count", reason.count);
    field(out, "what", reason.what);
  }
  return bytes;
}

Bytes reload_report(const Bytes& loaded, const Bytes& old) {
  cbor::Reader in(loaded);
  const std::size_t fields = in.next().value;
  Bytes bytes;
  cbor::Writer out(bytes);
  out.map(fields + 1);
  out.encoded(in.rest());
  out.text("old");
  out.encoded(old);
  return bytes;
}

Bytes module_list(const std::vector<const Generation*>& generations) {
  std::size_t size = 0;
  for (const Generation* const generation : generations) size += size_of(*generation);
  // Names become maps, which take about twice as much.
  const std::size_t share = most_list_bytes / std::max<std::size_t>(generations.size(), 1);
  const std::size_t most = size <= most_list_bytes / 2 ? SIZE_MAX : share / 8;
  Bytes bytes;
  cbor::Writer out(bytes);
  out.map(1);
  out.text("modules");
  out.array(generations.size());
  for (const Generation* const generation : generations) write(out, *generation, most);
  return bytes;
}

}  // namespace backplane::host
