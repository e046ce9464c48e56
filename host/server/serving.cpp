// SPDX-License-Identifier: Apache-2.0
//
// The C functions that serve an embedded context. They belong to libbackplane.so, and use it as any application does.
#include <backplane/backplane.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "server/server.hpp"
#include "support/forked_child.hpp"
#include "support/result.hpp"
#include "support/sized.hpp"
#include "support/stop_request.hpp"
#include "sync/host_thread.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

constexpr std::uint32_t all_of_may = BP_SERVE_CALL | BP_SERVE_OBSERVE | BP_SERVE_MANAGE;
static_assert(role_call == BP_SERVE_CALL && role_observe == BP_SERVE_OBSERVE && role_manage == BP_SERVE_MANAGE);
constexpr std::uint32_t most_peers = 1u << 20;

bool on_own_thread() noexcept { return runs_stop_request || HostThread::is_one(::gettid()); }

struct Serving {
  std::uint64_t id = 0;
  bp_context ctx{0};
  std::unique_ptr<Server> server;
  bool ending = false;
};

/// The servings of this process. The thread that ends one uses its server without the lock. The others only hurry it.
class Servings {
 public:
  /// Takes over a server that has started. Throws std::bad_alloc; the server is then shut down.
  bp_serving add(bp_context ctx, std::unique_ptr<Server> server);
  /// As bp_serving_end.
  bp_status end(std::uint64_t id, std::chrono::milliseconds drain);
  bool has(std::uint64_t id) {
    const MutexLock lock(mutex_);
    return find(id) != all_.end();
  }
  /// Ends those of a context, without a drain, also of those that another thread ends.
  void end_all_of(bp_context ctx);

 private:
  using At = std::list<Serving>::iterator;

  /// The caller has set `ending`, so `serving` stays until this removes it.
  void finish(Serving& serving, std::chrono::milliseconds drain);
  At find(std::uint64_t id) BP_REQUIRES(mutex_) {
    return std::find_if(all_.begin(), all_.end(), [id](const Serving& each) { return each.id == id; });
  }

  Mutex mutex_;
  Condition ended_;
  std::list<Serving> all_ BP_GUARDED_BY(mutex_);
  std::vector<std::uint64_t> watched_ BP_GUARDED_BY(mutex_);  // contexts whose stop ends their servings
  std::uint64_t last_ BP_GUARDED_BY(mutex_) = 0;
};

// Never destroyed, because its servers may run until the process has ended.
Servings& servings() noexcept {
  alignas(Servings) static char place[sizeof(Servings)];
  static auto* const all = new (place) Servings;
  return *all;
}

void on_stopping(void* ctx) { servings().end_all_of({reinterpret_cast<std::uintptr_t>(ctx)}); }

bp_serving Servings::add(bp_context ctx, std::unique_ptr<Server> server) {
  std::uint64_t id = 0;
  bool watch = false;
  {
    const MutexLock lock(mutex_);
    watched_.reserve(watched_.size() + 1);
    all_.push_back({last_ + 1, ctx, std::move(server), false});
    id = ++last_;
    watch = std::find(watched_.begin(), watched_.end(), ctx.id) == watched_.end();
    if (watch) watched_.push_back(ctx.id);
  }
  static_assert(sizeof(void*) == sizeof ctx.id);
  if (watch && bp_context_then(ctx, BP_CONTEXT_STOPPING, on_stopping, reinterpret_cast<void*>(ctx.id)) != BP_OK) {
    end_all_of(ctx);
    throw std::bad_alloc();
  }
  return {id};
}

void Servings::finish(Serving& serving, std::chrono::milliseconds drain) {
  serving.server->shutdown(drain);
  std::unique_ptr<Server> gone;
  {
    const MutexLock lock(mutex_);
    gone = std::move(serving.server);  // nobody hurries it any more
  }
  gone.reset();  // the path is free when the others are told
  const MutexLock lock(mutex_);
  all_.erase(find(serving.id));
  ended_.notify_all();
}

bp_status Servings::end(std::uint64_t id, std::chrono::milliseconds drain) {
  Serving* own = nullptr;
  {
    MutexLock lock(mutex_);
    const At at = find(id);
    if (at == all_.end()) return BP_INVALID_HANDLE;
    if (at->ending) {
      ended_.wait(lock, [&]() BP_REQUIRES(mutex_) { return find(id) == all_.end(); });
      return BP_OK;
    }
    at->ending = true;
    own = &*at;
  }
  finish(*own, drain);
  return BP_OK;
}

void Servings::end_all_of(bp_context ctx) {
  for (;;) {
    Serving* own = nullptr;
    {
      MutexLock lock(mutex_);
      std::erase(watched_, ctx.id);
      const auto is_of = [&](const Serving& each) { return each.ctx.id == ctx.id; };
      for (Serving& each : all_) {
        if (!is_of(each)) continue;
        if (!each.ending) {
          own = &each;
        } else if (each.server != nullptr) {
          each.server->hurry();  // its drain may last much longer than the stop of the context may take
        }
      }
      if (own == nullptr) {
        ended_.wait(lock, [&]() BP_REQUIRES(mutex_) { return std::none_of(all_.begin(), all_.end(), is_of); });
        return;
      }
      own->ending = true;
    }
    finish(*own, std::chrono::milliseconds(0));
  }
}

// Empty, or what is wrong with them.
std::string fault_of(const bp_serve_options& options) {
  if ((options.may & ~all_of_may) != 0) return "options->may has an unknown bit; expected BP_SERVE_…";
  if (options.reserved != 0) return "options->reserved is not 0; set it to 0";
  if (options.max_peers > most_peers) {
    return "options->max_peers is " + std::to_string(options.max_peers) + ", expected at most " +
           std::to_string(most_peers);
  }
  return {};
}

/// Whether the context can be served: an embedded one that is open.
bp_status check_context(bp_context ctx, std::string& message) {
  bp_source source{};
  const bp_status status = bp_source_open(ctx, &source);
  if (status == BP_OK) bp_source_close(ctx, source);
  if (status == BP_NOT_SUPPORTED) {
    message = "found a connected context, or the host's own; expected one of bp_context_create";
  } else if (status == BP_CLOSED) {
    message = "the context is closed, so it cannot be served any more";
  } else if (status != BP_OK) {
    message = bp_status_text(status);
  }
  return status;
}

ServerOptions server_options(const char* path, const bp_serve_options& options) {
  ServerOptions chosen;
  if (path != nullptr) chosen.socket_path = path;
  if (options.max_peers != 0) chosen.max_connections = options.max_peers;
  chosen.log = [](int level, const std::string& line) {
    bp_log_write(level, 0, BP_STR("server"), {line.data(), line.size()});
  };
  return chosen;
}

bp_status serve(bp_context ctx, const char* path, const bp_serve_options& options, bp_serving& out, bp_result* why) {
  const auto refuse = [why](bp_status status, std::string_view message) { return set_result(why, status, message); };
  if (is_forked_child.load()) {
    return refuse(BP_NOT_SUPPORTED, "this process was forked from a process with a host; call exec first");
  }
  if (on_own_thread()) {
    return refuse(BP_REENTRANT, "a context cannot be served on a thread of the host; use another thread");
  }
  if (const std::string fault = fault_of(options); !fault.empty()) return refuse(BP_INVALID_ARGUMENT, fault);
  if (path != nullptr && *path == '\0') {
    return refuse(BP_INVALID_ARGUMENT, "path is empty; expected a path, or NULL for the default");
  }
  std::string message;
  if (const bp_status status = check_context(ctx, message); status != BP_OK) return refuse(status, message);
  std::function<void()> on_stop;
  if (options.on_stop != nullptr) {
    on_stop = [ask = options.on_stop, user = options.user] {
      runs_stop_request = true;
      ask(user);
      runs_stop_request = false;
    };
  }
  ServingMode mode;
  mode.own_thread = true;
  if (options.may != 0) mode.may = static_cast<Roles>(options.may);
  auto server = std::make_unique<Server>(ctx, server_options(path, options), std::move(on_stop), mode);
  server->start();
  const bp_serving added = servings().add(ctx, std::move(server));
  if (!servings().has(added.id)) return refuse(BP_CLOSED, "the context was stopped meanwhile");
  out = added;
  return refuse(BP_OK, {});
}

}  // namespace
}  // namespace backplane::host

using namespace backplane::host;

extern "C" {

bp_status bp_context_serve(bp_context ctx, const char* path, const bp_serve_options* options, bp_serving* out,
                           bp_result* why) {
  if (out == nullptr) return set_result(why, BP_INVALID_ARGUMENT, "out is null");
  out->id = 0;
  if (options != nullptr && !covers_core(options)) {
    return set_result(why, BP_INVALID_ARGUMENT,
                      "options->struct_size is too small; set it to sizeof(bp_serve_options)");
  }
  try {
    const bp_serve_options chosen = options == nullptr ? bp_serve_options{} : widened(*options);
    return serve(ctx, path, chosen, *out, why);
  } catch (const Failure& failure) {
    return set_result(why, failure);
  } catch (const std::bad_alloc&) {
    return set_result(why, BP_OUT_OF_MEMORY, "out of memory for serving the context");
  } catch (const std::exception& error) {
    return set_result(why, BP_IO, error.what());
  }
}

bp_status bp_serving_end(bp_serving serving, uint32_t drain_ms) {
  if (is_forked_child.load()) return BP_INVALID_HANDLE;
  if (on_own_thread()) return BP_REENTRANT;
  try {
    return servings().end(serving.id, std::chrono::milliseconds(drain_ms));
  } catch (const std::exception&) {
    return BP_ERROR;
  }
}

}  // extern "C"
