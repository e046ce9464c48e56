// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/plugin.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <string>

#include "modules/generation.hpp"
#include "modules/handles.hpp"
#include "support/names.hpp"
#include "sync/clock.hpp"
#include "sync/latch.hpp"

namespace backplane::host {

struct EmitTry;

/// The creation of one instance, for the thread that waits for it.
struct InstanceStart {
  Latch done;
  /// The thread that waits has given up: if the creation has not begun, it does not.
  std::atomic<bool> abandoned{false};
  // Written before `done` opens:
  std::string failure;
  bool no_memory = false;
  Nanos spin = 0;  ///< how long wait() looks before it sleeps

  /// Returns its failure. After the timeout, it does not begin any more, if `in_time`. Throws std::bad_alloc.
  std::string wait(std::chrono::milliseconds timeout, bool in_time) {
    if (done.wait(timeout, spin)) {
      if (no_memory) throw std::bad_alloc();
      return failure;
    }
    if (!in_time) return {};
    // It may be running all the same. The control thread gives the generation up, and retires it by a task that comes
    // after this one.
    abandoned = true;
    return "the request thread of a context did not come round to it in " + std::to_string(timeout.count()) + " ms";
  }
};

/// The interface of a context for modules.
class InstanceHost {
 public:
  InstanceHost() = default;
  InstanceHost(const InstanceHost&) = delete;
  InstanceHost& operator=(const InstanceHost&) = delete;
  virtual ~InstanceHost() = default;

  /// Begins to create the generation's instance in this context. After a failure, the context has no instance, or with
  /// `keep_failed` one whose names answer the failure. It may go on after start->abandoned: then retire_instance() ends
  /// the instance when it is there. Throws std::bad_alloc. Control thread.
  virtual std::shared_ptr<InstanceStart> begin_instance(Generation& generation, bool keep_failed) = 0;

  /// The same, and waits for it, at most for `timeout`. Returns an empty text, or why it failed. Throws std::bad_alloc
  /// if out of memory; an instance may then exist. Control thread.
  std::string start_instance(Generation& generation, std::chrono::milliseconds timeout, bool keep_failed) {
    return begin_instance(generation, keep_failed)->wait(timeout, true);
  }

  /// Whether the context takes no new calls. A new generation then needs no instance in it. Any thread.
  virtual bool closed() const noexcept = 0;

  /// Ends the instance, if it exists, after its work. Then counts down the generation's retirement. Returns at once.
  /// Control thread.
  virtual void retire_instance(Generation& generation) = 0;

  /// Makes room for the retirement that follows a keep_instance(). Throws std::bad_alloc. Control thread.
  virtual void prepare_instance(Generation& generation) = 0;

  /// After prepare_instance(): takes back retire_instance(), or creates a new instance if it has ended. `why` as for
  /// start_instance. Waits for the request thread, at most for `timeout`; a thread that runs a handler of this instance
  /// comes to it later. Control thread.
  virtual std::string keep_instance(Generation& generation, std::chrono::milliseconds timeout) = 0;

  /// Lets calls go that wait for the next generation of a module, if it is not held any more (Module::held). Returns at
  /// once. Control thread.
  virtual void release_held() noexcept = 0;

  /// Adds the requests and tokens that keep the generation's instance alive. Waits for the request thread until `until`
  /// at most. Any thread, while the context is attached.
  virtual void count_work(const Generation& generation, std::chrono::steady_clock::time_point until,
                          std::uint64_t& requests, std::uint64_t& tokens) = 0;

  /// Whether the caller is this context's request thread.
  virtual bool on_request_thread() const noexcept = 0;

  /// With `attempt`, only if no lossless listener can lose the event. Else BP_WOULD_BLOCK: the emitter has to wait in
  /// WaitingEmitters, and try again.
  virtual bp_status emit(std::string_view name, bp_bytes payload, std::uint32_t flags, EmitTry* attempt) = 0;
};

}  // namespace backplane::host

/// A generation inside one context. The request thread owns it; other threads may read the counts.
struct bp_instance {
  backplane::host::Generation* generation = nullptr;
  backplane::host::InstanceHost* host = nullptr;
  void* state = nullptr;
  std::string failure;  ///< if not empty, it could not start, and its names answer with this text

  std::atomic<std::uint64_t> in_flight{0};                  ///< requests whose handler runs or has not answered
  std::atomic<std::uint64_t> tokens{0};                     ///< host function calls that it has not answered
  std::atomic<std::uint64_t> calls_out{0};                  ///< host function calls whose callback it awaits
  std::shared_ptr<backplane::host::Retirement> retirement;  ///< if set, it ends as soon as it has no work
  bool ending = false;                                      ///< it is about to end
  bool on_worker = false;                                   ///< a worker thread creates it
  bp_instance* next = nullptr;                              ///< next in the list of instances about to end

  bool worker_busy = false;  ///< a serial blocking handler runs, or has a worker thread promised
  backplane::host::Handles handles;

  bool has_work() const noexcept {
    for (const auto* const count : {&in_flight, &tokens, &calls_out}) {
      if (count->load(std::memory_order_relaxed) != 0) return true;
    }
    return false;
  }
};

namespace backplane::host {

/// A module's events begin with its own name. So nobody can take them for events of the host or of another module.
inline bool may_emit(const bp_instance& instance, std::string_view event) noexcept {
  return is_of_module(event, instance.generation->manifest.name);
}

}  // namespace backplane::host
