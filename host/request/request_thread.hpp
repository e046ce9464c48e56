// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/plugin.h>

#include "sync/thread_role.hpp"

namespace backplane::host {

class Backlog;
class Dispatcher;
class WaitingEmitters;
class PendingTable;
class Replies;
class Runner;
class Sources;
class Streams;
class TaskInbox;
class Waits;
struct Request;

/// Held by code that runs on a context's request thread. See sync/thread_role.hpp.
inline constexpr ThreadRole on_request_thread;

/// The parts of one request thread, for records and callbacks that lead back to them. The loop owns the parts.
struct RequestThread {
  TaskInbox& inbox;
  Backlog& backlog;
  Runner& runner;
  Sources& sources;
  Streams& streams;
  WaitingEmitters& emitters;
  Replies& replies;
  PendingTable& pending;
  Waits& waits;
  Dispatcher& dispatcher;

  /// The calling thread's own; null on any thread that is not a request thread. A signal handler reads it, so its TLS
  /// model must be one that never allocates.
  [[gnu::tls_model("initial-exec")]] static constinit thread_local RequestThread* current;
  /// The request whose blocking handler the calling worker thread runs; null on other threads.
  [[gnu::tls_model("initial-exec")]] static constinit thread_local Request* worker_request;

  /// The instance whose code the calling worker thread runs: a handler, or an instance function. Null on other threads.
  [[gnu::tls_model("initial-exec")]] static constinit thread_local const bp_instance* worker_instance;

  /// Whether the calling thread runs code of modules for a context: a request thread, or a worker.
  static bool runs_handlers() noexcept { return current != nullptr || worker_instance != nullptr; }
};

}  // namespace backplane::host
