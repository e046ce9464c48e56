// SPDX-License-Identifier: Apache-2.0
//
// A context that connects again, through the C functions, and what it is told.
#pragma once

#include <backplane/backplane.h>
#include <backplane/interfaces.h>
#include <backplane/providing.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "calls.hpp"
#include "host_process.hpp"

/// What on_state was told.
class States {
 public:
  struct State {
    std::uint32_t kind;
    bp_status status;
    std::uint32_t attempt;
    std::uint64_t wait_ms;
    std::string message;
    std::string module;
  };

  static void on_state(void* user, const bp_connection_state* state) {
    auto& self = *static_cast<States*>(user);
    const std::lock_guard lock(self.mutex_);
    self.all_.push_back({state->kind,
                         state->status,
                         state->attempt,
                         state->wait_ms,
                         {state->message.data, state->message.size},
                         {state->module.data, state->module.size}});
    self.changed_.notify_all();
  }

  /// Waits until a kind has come so often.
  bool saw(std::uint32_t kind, std::size_t times = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, long_enough, [&] { return count(kind) >= times; });
  }
  std::vector<State> all() {
    const std::lock_guard lock(mutex_);
    return all_;
  }
  /// The last of a kind, which must have come.
  State last(std::uint32_t kind) {
    const std::lock_guard lock(mutex_);
    for (auto at = all_.rbegin(); at != all_.rend(); ++at) {
      if (at->kind == kind) return *at;
    }
    FAIL("no state of kind " << kind);
    return {};
  }

 private:
  std::size_t count(std::uint32_t kind) const {
    std::size_t out = 0;
    for (const State& state : all_) out += state.kind == kind ? 1 : 0;
    return out;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<State> all_;
};

/// Short waits, and no end of attempts.
inline bp_connect_options reconnecting(const std::string& path, States* states = nullptr) {
  bp_connect_options options{};
  options.struct_size = sizeof options;
  options.socket_path = path.c_str();
  options.timeout_ms = 10'000;
  options.reconnect = 1;
  options.reconnect_min_ms = 2;
  options.reconnect_max_ms = 20;
  if (states != nullptr) {
    options.on_state = States::on_state;
    options.user = states;
  }
  return options;
}

inline bp_context connected_to(const bp_connect_options& options) {
  bp_result why{};
  why.struct_size = sizeof why;
  bp_context context{};
  const bp_status status = bp_context_connect(&options, &context, &why);
  INFO(std::string(why.message.data, why.message.size));
  REQUIRE(status == BP_OK);
  return context;
}

inline bp_str text(std::string_view of) { return {of.data(), of.size()}; }

/// A connection to a host process of its own.
struct Line {
  HostProcess host;
  States states;
  bp_context context{};

  Line() { context = connected_to(reconnecting(path_ = host.socket(), &states)); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() { destroy(); }
  bp_status destroy() {
    const bp_status status = context.id == 0 ? BP_OK + 0 : bp_context_destroy(context);
    context = {};
    return status;
  }

  struct Answer {
    bp_status status;
    std::string payload;
  };
  Answer call(std::string_view name, std::string_view payload = {}) const {
    bp_result out{};
    out.struct_size = sizeof out;
    const bp_status status = bp_call_sync(context, text(name), bytes(payload), 20'000, &out);
    Answer answer{status, {reinterpret_cast<const char*>(out.payload.data), out.payload.size}};
    bp_result_free(&out);
    return answer;
  }
  /// The host is killed and started, and there is a connection again.
  void restart(const std::vector<std::string>& modules) {
    host.kill();
    host.start(modules);
    REQUIRE(states.saw(BP_CONNECTION_BACK, ++restarts_));
  }

  static bp_bytes bytes(std::string_view of) { return {reinterpret_cast<const std::uint8_t*>(of.data()), of.size()}; }

 private:
  std::string path_;
  std::size_t restarts_ = 0;
};

/// {"name": number}, as CBOR.
inline std::string parameter(std::string_view name, std::uint32_t number) {
  std::string out = "\xa1";
  out += static_cast<char>(0x60 + name.size());
  out += name;
  out += "\x1a";
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift & 0xff);
  return out;
}

/// What a listener got, as words.
class Heard {
 public:
  static void on_event(void* user, const bp_event* event) { static_cast<Heard*>(user)->note(*event); }

  void note(const bp_event& event) {
    const std::lock_guard lock(mutex_);
    if ((event.flags & BP_EVENT_GAP) != 0) {
      seen_.push_back(event.lost == 0 ? "gap" : "lost");
      if (event.lost == 0 && event.emitted_ms == 0) seen_.back() = "gap without a time";
    } else {
      seen_.emplace_back(event.name.data, event.name.size);
    }
    changed_.notify_all();
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  bool comes_to(const std::vector<std::string>& expected) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, long_enough, [&] { return seen_ == expected; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> seen_;
};
