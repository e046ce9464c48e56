// SPDX-License-Identifier: Apache-2.0
#include "modules/reports.hpp"

#include <backplane/cbor/reader.hpp>
#include <backplane/cbor/writer.hpp>

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

void write(cbor::Writer& out, const Generation& generation) {
  const Manifest& manifest = generation.manifest;
  out.map(12);
  field(out, "name", manifest.name);
  field(out, "version", manifest.version);
  field(out, "generation", generation.number);
  field(out, "path", generation.path);
  field(out, "state", name(generation.state));
  field(out, "unload", manifest.unload_never ? "never" : "drain");
  field(out, "summary", manifest.summary);
  out.text("names");
  // While it is being loaded, its init may be adding to them.
  const bool loading = generation.state == Generation::State::loading;
  out.array(loading ? 0 : generation.registered.size());
  for (std::size_t i = 0; !loading && i < generation.registered.size(); ++i) {
    const auto& handler = generation.registered[i];
    out.map(3);
    field(out, "name", handler->name);
    out.text("blocking");
    out.boolean((handler->flags & BP_HANDLER_BLOCKING) != 0);
    out.text("static");
    out.boolean((handler->flags & BP_HANDLER_STATIC) != 0);
  }
  field(out, "functions", manifest.offers);
  field(out, "events", manifest.emits);
  field(out, "warnings", manifest.warnings);
  field(out, "cddl", manifest.cddl);
}

}  // namespace

Bytes load_report(const Generation& generation) {
  Bytes bytes;
  cbor::Writer out(bytes);
  out.map(6);
  field(out, "module", generation.manifest.name);
  field(out, "version", generation.manifest.version);
  field(out, "generation", generation.number);
  field(out, "path", generation.path);
  field(out, "names", generation.manifest.provides);
  field(out, "warnings", generation.manifest.warnings);
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
  Bytes bytes;
  cbor::Writer out(bytes);
  out.map(1);
  out.text("modules");
  out.array(generations.size());
  for (const Generation* const generation : generations) write(out, *generation);
  return bytes;
}

}  // namespace backplane::host
