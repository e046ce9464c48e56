// SPDX-License-Identifier: Apache-2.0
#include "context/operation_news.hpp"

#include <backplane/cbor/reader.hpp>
#include <backplane/cbor/writer.hpp>

#include "support/log.hpp"
#include "support/report.hpp"
#include "support/status_name.hpp"
#include "support/typed_event.hpp"

namespace backplane::host {
namespace {

// The texts and numbers of a report, as "key value": version, generation, sha256, build id.
std::string report_words(const std::vector<std::uint8_t>& report) {
  std::string words;
  cbor::Reader in(report);
  const cbor::Item map = in.next();
  for (std::uint64_t i = 0; map.type == cbor::Type::map && i < map.value; ++i) {
    const cbor::Item key = in.next();
    const std::string name(key.text());
    const bool told = name == "version" || name == "generation" || name == "sha256" || name == "build_id" ||
                      name == "module" || name == "outcome";
    if (!told) {
      in.skip();
      continue;
    }
    const cbor::Item value = in.next();
    const std::string text = value.type == cbor::Type::uint ? std::to_string(value.value) : std::string(value.text());
    if (!text.empty()) words += ", " + name + " " + text;
  }
  return words;
}

std::string words_of(std::uint32_t kind, const std::string& module, const std::string& path) {
  return std::string(name_of_kind(kind)) + " of " + (module.empty() ? path : module);
}

// An unload that was answered "pinned" has removed the names all the same.
bool has_happened(bp_status status) noexcept { return status == BP_OK || status == BP_PINNED; }

}  // namespace

const char* name_of_kind(std::uint32_t kind) noexcept {
  switch (kind) {
    case BP_OPERATION_LOAD:
      return "load";
    case BP_OPERATION_UNLOAD:
      return "unload";
    case BP_OPERATION_RELOAD:
      return "reload";
    default:
      return "change";
  }
}

const char* name_of(Loader::Change::Kind kind) noexcept {
  using Kind = Loader::Change::Kind;
  return kind == Kind::load ? "load" : kind == Kind::unload ? "unload" : "reload";
}

std::string words_of(const Operation& operation) {
  const OperationRequest& request = operation.request();
  return words_of(request.kind, request.module, request.path);
}

std::string name_of(const Operation& operation) {
  return "operation " + std::to_string(operation.id()) + " (" + words_of(operation) + ")";
}

namespace {

std::string unchanged_words(std::uint32_t kind) {
  const std::string nothing = "nothing has changed";
  switch (kind) {
    case BP_OPERATION_LOAD:
      return nothing + ": the module is not loaded";
    case BP_OPERATION_UNLOAD:
      return nothing + ": the module answers";
    case BP_OPERATION_RELOAD:
      return nothing + ": the old generation goes on";
    default:
      return nothing;
  }
}

}  // namespace

OperationOutcome canceled_outcome(const Operation& operation, const std::string& state) {
  return {BP_CANCELED,
          name_of(operation) + " was canceled by " + operation.canceler() + "; " +
              (state.empty() ? unchanged_words(operation.request().kind) : state),
          {},
          {}};
}

std::vector<OperationNews> news_of(const Operation& operation, const OperationOutcome& outcome,
                                   const std::function<std::vector<std::uint8_t>(const Loader::Changed&)>& report_of) {
  const OperationRequest& request = operation.request();
  std::vector<OperationNews> all;
  if (request.compare) return all;  // it was to change nothing
  const auto add = [&](const OperationRequest& of, bp_status status, std::vector<std::uint8_t> report) {
    all.push_back(
        {operation.id(), of.kind, of.module, of.path, request.requester, status, outcome.message, std::move(report)});
  };
  if (request.kind == BP_OPERATION_CHANGE && outcome.status == BP_OK) {
    const std::vector<Loader::Changed>& changed = operation.changed();
    for (std::size_t i = 0; i < changed.size(); ++i) add(request.changes[i], BP_OK, report_of(changed[i]));
  } else {
    add(request, outcome.status, outcome.status == BP_OK ? outcome.payload : outcome.detail);
  }
  return all;
}

std::string OperationNews::words() const { return words_of(kind, module, path); }

const char* OperationNews::event() const noexcept {
  if (!has_happened(status)) return "backplane.module_refused";
  switch (kind) {
    case BP_OPERATION_LOAD:
      return "backplane.module_loaded";
    case BP_OPERATION_UNLOAD:
      return "backplane.module_unloaded";
    default:
      return "backplane.module_reloaded";
  }
}

std::vector<std::uint8_t> OperationNews::payload() const {
  std::vector<std::uint8_t> bytes;
  cbor::Writer out(bytes);
  begin_typed_event(out, event());
  out.map(8);
  field(out, "operation", operation);
  field(out, "kind", name_of_kind(kind));
  field(out, "module", module);
  path_field(out, path);
  field(out, "requester", requester);
  field(out, "status", status_name(status));
  field(out, "message", cbor::valid_utf8(message) ? std::string_view(message) : "");
  out.text("report");
  if (report.empty()) {
    out.null();
  } else {
    out.encoded(report);
  }
  return bytes;
}

void OperationNews::log() const {
  const std::string who = words() + (requester.empty() ? "" : " for " + requester);
  if (!has_happened(status)) {
    log::warn("modules", who + ": " + std::string(status_name(status)) + ": " + message);
  } else {
    const bool says_more = status == BP_OK && !message.empty();
    log::info("modules", who + ": done" + report_words(report) + (says_more ? ": " + message : ""));
  }
}

}  // namespace backplane::host
