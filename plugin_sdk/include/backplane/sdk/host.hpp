// SPDX-License-Identifier: Apache-2.0
//
// The host's table and its extensions. The module looks them up once, in init.
#pragma once

#include <backplane/ext/await.h>
#include <backplane/ext/config.h>
#include <backplane/ext/event.h>
#include <backplane/ext/fiber.h>
#include <backplane/ext/handle.h>
#include <backplane/ext/log.h>
#include <backplane/plugin.h>

#include <string>
#include <string_view>

#include "error.hpp"

namespace backplane {

enum class Level : std::int32_t {
  trace = BP_LOG_TRACE,
  debug = BP_LOG_DEBUG,
  info = BP_LOG_INFO,
  warn = BP_LOG_WARN,
  error = BP_LOG_ERROR,
};

namespace detail {

/// The host's tables. They are set before the first instance exists, and constant until the last has ended. A table
/// that the host does not have is null. After deinit, only `api` is left, which is valid as long as the process: a
/// module that stays mapped may still hold tokens, and an answer to one finds it stale.
struct Host {
  const bp_host_api* api = nullptr;
  bp_module* module = nullptr;
  const bp_await_api* await = nullptr;
  const bp_event_api* event = nullptr;
  const bp_log_api* log = nullptr;
  const bp_config_api* config = nullptr;
  const bp_handle_api* handle = nullptr;
  const bp_fiber_api* fiber = nullptr;

  void attach(const bp_host_api* host, bp_module* self) {
    api = host;
    module = self;
    await = static_cast<const bp_await_api*>(host->extension(BP_EXT_AWAIT));
    event = static_cast<const bp_event_api*>(host->extension(BP_EXT_EVENT));
    log = static_cast<const bp_log_api*>(host->extension(BP_EXT_LOG));
    config = static_cast<const bp_config_api*>(host->extension(BP_EXT_CONFIG));
    handle = static_cast<const bp_handle_api*>(host->extension(BP_EXT_HANDLE));
    fiber = static_cast<const bp_fiber_api*>(host->extension(BP_EXT_FIBER));
  }

  /// A late answer may read `api` on another thread, so it is not written.
  void detach() noexcept {
    module = nullptr;
    await = nullptr;
    event = nullptr;
    log = nullptr;
    config = nullptr;
    handle = nullptr;
    fiber = nullptr;
  }
};

inline constinit Host host;

inline bp_str str(std::string_view text) noexcept { return {text.data(), text.size()}; }
inline bp_bytes bytes(View view) noexcept { return {view.data(), view.size()}; }
inline std::string_view view(bp_str text) noexcept {
  return text.size == 0 ? std::string_view() : std::string_view(text.data, text.size);
}
inline View view(bp_bytes data) noexcept { return data.size == 0 ? View() : View(data.data, data.size); }

[[noreturn]] inline void no_extension(const char* id) {
  throw Error(BP_NOT_SUPPORTED, join("this host has no extension ", id, "; run a newer host"));
}

}  // namespace detail

/// Writes one line to the host's log. The host adds time, module and generation. If the level is not written, this
/// costs almost nothing. Any thread may call it while the module is loaded.
template <class... Parts>
void log(Level level, const Parts&... parts) {
  const auto number = static_cast<std::int32_t>(level);
  if (detail::host.log == nullptr || detail::host.log->enabled(number) == 0) return;
  detail::host.log->write(detail::host.module, number, detail::str(join(parts...)));
}

}  // namespace backplane
