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

// An unload that was answered "pinned" has removed the names all the same.
bool has_happened(const OperationOutcome& outcome) noexcept {
  return outcome.status == BP_OK || outcome.status == BP_PINNED;
}

const std::vector<std::uint8_t>& report_of(const OperationOutcome& outcome) noexcept {
  return outcome.status == BP_OK ? outcome.payload : outcome.detail;
}

// The texts and numbers of a report, as "key value": version, generation, sha256, build id.
std::string report_words(const OperationOutcome& outcome) {
  std::string words;
  cbor::Reader in(report_of(outcome));
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

}  // namespace

const char* name_of_kind(std::uint32_t kind) noexcept {
  return kind == BP_OPERATION_LOAD ? "load" : kind == BP_OPERATION_UNLOAD ? "unload" : "reload";
}

std::string words_of(const Operation& operation) {
  const OperationRequest& request = operation.request();
  return std::string(name_of_kind(request.kind)) + " of " + (request.module.empty() ? request.path : request.module);
}

const char* event_of(const Operation& operation, const OperationOutcome& outcome) noexcept {
  if (!has_happened(outcome)) return "backplane.module_refused";
  switch (operation.request().kind) {
    case BP_OPERATION_LOAD:
      return "backplane.module_loaded";
    case BP_OPERATION_UNLOAD:
      return "backplane.module_unloaded";
    default:
      return "backplane.module_reloaded";
  }
}

std::vector<std::uint8_t> event_payload(const Operation& operation, const OperationOutcome& outcome) {
  const OperationRequest& request = operation.request();
  std::vector<std::uint8_t> bytes;
  cbor::Writer out(bytes);
  begin_typed_event(out, event_of(operation, outcome));
  out.map(8);
  field(out, "operation", operation.id());
  field(out, "kind", name_of_kind(request.kind));
  field(out, "module", request.module);
  path_field(out, request.path);
  field(out, "requester", request.requester);
  field(out, "status", status_name(outcome.status));
  field(out, "message", cbor::valid_utf8(outcome.message) ? std::string_view(outcome.message) : "");
  out.text("report");
  const std::vector<std::uint8_t>& report = report_of(outcome);
  if (report.empty()) {
    out.null();
  } else {
    out.encoded(report);
  }
  return bytes;
}

void log_end(const Operation& operation, const OperationOutcome& outcome) {
  const std::string& requester = operation.request().requester;
  const std::string who = words_of(operation) + (requester.empty() ? "" : " for " + requester);
  if (!has_happened(outcome)) {
    log::warn("modules", who + ": " + std::string(status_name(outcome.status)) + ": " + outcome.message);
  } else {
    log::info("modules", who + ": done" + report_words(outcome));
  }
}

}  // namespace backplane::host
