// SPDX-License-Identifier: Apache-2.0
#include "support/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <string>

namespace backplane::host::log {
namespace {

std::atomic<int> threshold{BP_LOG_WARN};

// Created on first use and never destroyed, because threads of the host may log while the process exits.
spdlog::logger& logger() {
  static spdlog::logger* const instance = [] {
    auto* made = new spdlog::logger("backplane", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    made->set_level(spdlog::level::trace);  // `threshold` decides instead
    return made;
  }();
  return *instance;
}

std::string escaped(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
    } else {
      out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out;
}

}  // namespace

void set_level(int level) noexcept { threshold.store(level, std::memory_order_relaxed); }

bool enabled(int level) noexcept { return level >= threshold.load(std::memory_order_relaxed) && level < BP_LOG_OFF; }

void write(int level, std::string_view where, std::string_view text) noexcept {
  if (!enabled(level)) return;
  try {
    logger().log(static_cast<spdlog::level::level_enum>(level), "{}: {}", where, escaped(text));
  } catch (...) {
    // A failure of the log must not fail the request.
  }
}

}  // namespace backplane::host::log
