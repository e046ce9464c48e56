// SPDX-License-Identifier: Apache-2.0
//
// Options of hosts, contexts, connections, calls and listeners. Zero or empty means the default.
#pragma once

#include <backplane/backplane.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::client {

using Milliseconds = std::chrono::milliseconds;

class Executor;

/// The host of a process. The fields are those of bp_host_options, which has their bounds and defaults.
struct HostOptions {
  std::uint32_t worker_threads = 0;
  std::string data_dir = {};
  std::vector<std::string> module_dirs = {};  ///< empty: modules are loaded from anywhere
  Milliseconds watchdog_period{0};
  Milliseconds watchdog_threshold{0};
  Milliseconds watchdog_start_grace{0};
  std::uint64_t memory_limit = 0;  ///< bytes
  Milliseconds load_timeout{0};
  bool crash_line = false;
  std::optional<std::string> trial_program = {};  ///< nullopt: no trial loads; "": the installed program
  std::string module_cache = {};                  ///< path; "": a directory for temporary files
};

/// The hash of a module's interface has changed.
struct InterfaceChange {
  std::string module;
  std::string before;  ///< what the client saw first, or what expect_interface() was given
  std::string now;     ///< empty: the module is gone
  /// Which rule and member have changed, if expect_interface() was given the text; then only a change that may break
  /// the application is reported.
  std::string message = {};
};

/// What contexts of both kinds have.
struct CommonOptions {
  /// Runs what resumes coroutines and the callbacks of submit(), unless a call says otherwise. nullptr: the host's
  /// thread does. It must outlive the context.
  Executor* executor = nullptr;
  /// Called on a thread of the client when the interface of a module changes that the application has a method handle
  /// of, or that it named with expect_interface(): after a reload, or after a reconnect. Without it, a warning is
  /// logged if expect_interface() was called.
  std::function<void(const InterfaceChange&)> on_interface_change = {};
};

/// A context in this process.
struct ContextOptions : CommonOptions {
  /// As for bp_context_create; struct_size is set by the client.
  bp_context_options native = {};
};

/// How a connection is made again after it broke. The wait before attempt n is random between (1 - jitter) * w and w,
/// where w is initial * factor^(n - 1), and at most max.
struct Reconnect {
  bool enabled = true;
  Milliseconds initial{100};   ///< 1 ms to max
  Milliseconds max{10'000};    ///< initial to 1 h
  double factor = 2;           ///< 1 to 10
  double jitter = 0.5;         ///< 0 to 1
  std::uint32_t attempts = 0;  ///< then it gives up; 0: never
};

/// What a connection does.
struct ConnectionState {
  enum class Kind {
    connected,  ///< again: calls work, listeners are registered again
    lost,       ///< open calls have ended with unreachable; so does each call until it is connected again
    waiting,    ///< an attempt has failed; the next one comes after `wait`
    given_up,   ///< no further attempt comes: it broke and reconnect is disabled, or all attempts have failed
  };
  Kind kind;
  std::uint32_t attempt = 0;  ///< since it was lost
  Milliseconds wait{0};
  /// Why it is not connected. With `connected`: which listeners the host refuses now, so they hear nothing; else empty.
  std::string message = {};
};

/// A connection to a running host.
struct ConnectOptions : CommonOptions {
  std::string socket_path = {};  ///< empty: the default of bp_connect_options
  Milliseconds timeout{0};       ///< to connect; 0: 5 s
  std::uint64_t event_bytes = 0;
  Reconnect reconnect = {};
  /// Called on a thread of the client. It may make calls.
  std::function<void(const ConnectionState&)> on_state = {};
};

/// One call.
struct CallOptions {
  /// From now; then the call ends with BP_DEADLINE. 0: none. Less than 0 counts as over.
  Milliseconds deadline{0};
  /// When it is asked to stop, the call is canceled and ends with BP_CANCELED, unless the answer came first.
  std::stop_token stop = {};
  /// Where coroutines resume and callbacks run; nullptr: as the context says.
  Executor* executor = nullptr;
  /// Of partial replies: what may be on its way at once. 0: the context's option. See bp_submission.
  std::uint64_t window_bytes = 0;
  std::uint32_t window_parts = 0;
  /// Whose call it is; see bp_source_open. Only embedded.
  bp_source source = {};
};

/// A listener. See bp_subscription.
struct ListenOptions {
  bool own_thread = false;  ///< only embedded
  bool lossless = false;
  std::string label = {};
  std::uint64_t window_bytes = 0;
};

/// A module to load. See bp_load_options.
struct LoadOptions {
  std::uint32_t flags = 0;  ///< BP_LOAD_…
  std::uint64_t stack_size = 0;
  std::uint32_t workers = 0;
  Milliseconds drain{0};  ///< of a reload or unload: how long it waits for running work; 0: 5 s
};

}  // namespace backplane::client
