// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/plugin.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "modules/generation.hpp"
#include "modules/handles.hpp"
#include "sync/mpsc.hpp"

namespace backplane::host {

struct Request;

/// A context, as modules see it.
class InstanceHost {
 public:
  InstanceHost() = default;
  InstanceHost(const InstanceHost&) = delete;
  InstanceHost& operator=(const InstanceHost&) = delete;
  virtual ~InstanceHost() = default;

  /// Makes the generation's instance here and waits for it, for `timeout` at most. Empty, or why it
  /// failed. After a failure there is no instance here, or, if `keep_failed`, one that answers so.
  /// Throws std::bad_alloc if the host has no memory for it; there may be an instance then. Control thread.
  virtual std::string start_instance(Generation& generation, std::chrono::milliseconds timeout, bool keep_failed) = 0;

  /// Whether it takes no new calls, so that a new generation may do without an instance here. Any thread.
  virtual bool closed() const noexcept = 0;

  /// Ends the instance, if there is one, when its work is done, then counts down the generation's
  /// retirement. Returns at once. Control thread.
  virtual void retire_instance(Generation& generation) = 0;

  /// What keeps the generation's instance here alive. Control thread.
  virtual void count_work(const Generation& generation, std::uint64_t& requests, std::uint64_t& tokens) = 0;

  /// Whether the calling thread is the one that instances here live on.
  virtual bool on_request_thread() const noexcept = 0;

  virtual bp_status emit(std::string_view name, bp_bytes payload, std::uint32_t flags) = 0;
};

}  // namespace backplane::host

/// A generation inside one context. The request thread owns it; the counts may be read by others.
struct bp_instance {
  backplane::host::Generation* generation = nullptr;
  backplane::host::InstanceHost* host = nullptr;
  void* state = nullptr;
  std::string failure;  ///< if not empty, it could not start, and its names answer this

  std::atomic<std::uint64_t> in_flight{0};                  ///< requests whose handler runs or has yet to answer
  std::atomic<std::uint64_t> tokens{0};                     ///< host function calls that it has yet to answer
  std::atomic<std::uint64_t> calls_out{0};                  ///< host function calls of which it awaits a callback
  std::shared_ptr<backplane::host::Retirement> retirement;  ///< if set, it ends as soon as it has no work
  bool ending = false;                                      ///< its end is on its way
  bp_instance* next = nullptr;                              ///< among those whose end is

  bool worker_busy = false;                                 ///< a serial blocking handler runs
  backplane::host::Fifo<backplane::host::Request> waiting;  ///< blocking requests for it
  backplane::host::Handles handles;

  bool has_work() const noexcept {
    for (const auto* const count : {&in_flight, &tokens, &calls_out}) {
      if (count->load(std::memory_order_relaxed) != 0) return true;
    }
    return false;
  }
};
