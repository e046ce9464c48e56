// SPDX-License-Identifier: Apache-2.0
#include "context/liveness_news.hpp"

#include <chrono>
#include <string_view>

#include "support/log.hpp"
#include "support/typed_event.hpp"

namespace backplane::host {
namespace {

std::string_view module_of(const Culprit& culprit) noexcept {
  return culprit.module == nullptr ? std::string_view() : culprit.module->name;
}

// ", in the handler of slow (generation 1), for slow.spin".
std::string words_of(const Culprit& culprit) {
  if (culprit.in == Holder::none) return {};
  std::string words = ", in the " + std::string(text_of(culprit.in));
  if (culprit.module != nullptr) {
    words += " of " + culprit.module->name + " (generation " + std::to_string(culprit.generation) + ")";
  }
  if (culprit.listener != 0) words += " " + std::to_string(culprit.listener);
  if (!culprit.name.empty()) words += ", for " + culprit.name;
  return words;
}

}  // namespace

const char* event_of(const Liveness& liveness) noexcept {
  return liveness.responding ? "backplane.responding" : "backplane.not_responding";
}

std::vector<std::uint8_t> event_payload(const Liveness& liveness) {
  const Culprit& culprit = liveness.culprit;
  std::vector<std::uint8_t> bytes;
  cbor::Writer out(bytes);
  begin_typed_event(out, event_of(liveness));
  const bool of_workers = std::string_view(liveness.thread) == "worker";
  out.map(of_workers ? 8 : 7);
  field(out, "thread", liveness.thread);
  field(out, "in", text_of(culprit.in));
  field(out, "module", module_of(culprit));
  field(out, "generation", culprit.generation);
  field(out, "name", culprit.name);
  field(out, "listener", culprit.listener);
  field(out, "for_ms", liveness.for_ms);
  if (of_workers) field(out, "waiting", liveness.waiting);
  return bytes;
}

void log_liveness(const std::string& what, bool plural, const Liveness& liveness) {
  const char* const verb = liveness.responding ? (plural ? " respond again" : " responds again")
                                               : (plural ? " do not respond" : " does not respond");
  std::string line = what + verb + words_of(liveness.culprit) + (liveness.responding ? ", after about " : ", for ") +
                     std::to_string(liveness.for_ms) + " ms";
  if (liveness.waiting != 0) {
    line += "; " + std::to_string(liveness.waiting) + (liveness.waiting == 1 ? " call waits" : " calls wait");
  }
  log::warn("watchdog", line);
}

void silent_field(cbor::Writer& out, const std::vector<SilentThreads::Silent>& silent) {
  out.text("not_responding");
  out.array(silent.size());
  for (const SilentThreads::Silent& each : silent) {
    const Culprit& culprit = each.liveness.culprit;
    const auto since_told =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - each.told);
    out.map(6);
    field(out, "thread", each.liveness.thread);
    field(out, "in", text_of(culprit.in));
    field(out, "module", module_of(culprit));
    field(out, "generation", culprit.generation);
    field(out, "name", culprit.name);
    field(out, "for_ms", each.liveness.for_ms + static_cast<std::uint64_t>(since_told.count()));
  }
}

}  // namespace backplane::host
