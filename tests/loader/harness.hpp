// SPDX-License-Identifier: Apache-2.0
//
// backplane.h, with as few words as a test wants to spend on it.
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cbor_value.hpp"
#include "process.hpp"

/// What a function of backplane.h gave.
struct Outcome {
  bp_status status = BP_OK;
  std::string payload;
  std::string message;
  std::string detail;

  Value report() const { return Value::of(payload); }
  Value details() const { return Value::of(detail); }
  bool says(const std::string& words) const { return message.find(words) != std::string::npos; }
};

template <class F>
Outcome outcome_of(F call) {
  bp_result result{};
  result.struct_size = sizeof result;
  Outcome out;
  out.status = call(&result);
  out.payload.assign(reinterpret_cast<const char*>(result.payload.data), result.payload.size);
  out.message.assign(result.message.data, result.message.size);
  out.detail.assign(reinterpret_cast<const char*>(result.detail.data), result.detail.size);
  bp_result_free(&result);
  return out;
}

inline bp_str str(std::string_view text) { return {text.data(), text.size()}; }
inline bp_bytes bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline Outcome inspect(const std::string& path) {
  return outcome_of([&](bp_result* result) { return bp_module_inspect(path.c_str(), result); });
}

/// A call on its way. Must outlive it.
class Call {
 public:
  Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (submitted_ == BP_OK) wait();
  }

  bp_status submit(bp_context ctx, std::string_view name, std::string_view payload = {}, bp_method method = {0}) {
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.flags = BP_SUBMIT_NO_STALE;
    submission.name = str(name);
    submission.method = method;
    submission.payload = bytes(payload);
    submission.on_reply = on_reply;
    submission.user = this;
    ctx_ = ctx;
    return submitted_ = bp_submit(ctx, &submission, &request_);
  }
  Outcome wait() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(30), [this] { return replies_ != 0; })) return {-1, {}, {}, {}};
    return outcome_;
  }
  bp_status cancel() { return bp_cancel(ctx_, request_); }
  int replies() {
    const std::lock_guard lock(mutex_);
    return replies_;
  }

 private:
  static void on_reply(void* user, const bp_answer* answer) {
    auto& self = *static_cast<Call*>(user);
    const std::lock_guard lock(self.mutex_);
    ++self.replies_;
    self.outcome_.status = answer->status;
    self.outcome_.payload.assign(reinterpret_cast<const char*>(answer->payload.data), answer->payload.size);
    self.outcome_.message.assign(answer->message.data, answer->message.size);
    self.changed_.notify_all();
  }

  bp_context ctx_{};
  bp_request request_{};
  bp_status submitted_ = BP_CLOSED;
  std::mutex mutex_;
  std::condition_variable changed_;
  int replies_ = 0;
  Outcome outcome_;
};

/// A context of this process.
class Context {
 public:
  Context() {
    const Outcome made = outcome_of([this](bp_result* why) { return bp_context_create(nullptr, &ctx_, why); });
    if (made.status != BP_OK) throw std::runtime_error("no context: " + made.message);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { destroy(); }

  operator bp_context() const { return ctx_; }
  bp_status destroy() { return bp_context_destroy(ctx_); }

  Outcome load(const std::string& path, std::string_view config = {}) {
    bp_load_options options{sizeof options, 0, path.c_str(), bytes(config)};
    return outcome_of([&](bp_result* result) { return bp_module_load(ctx_, &options, result); });
  }
  Outcome unload(std::string_view name, std::uint32_t timeout_ms = 0) {
    return outcome_of([&](bp_result* result) { return bp_module_unload(ctx_, str(name), timeout_ms, result); });
  }
  /// An empty path: that of before.
  Outcome reload(std::string_view name, const std::string& path = {}, std::uint32_t timeout_ms = 0,
                 std::string_view config = {}) {
    bp_load_options options{sizeof options, 0, path.empty() ? nullptr : path.c_str(), bytes(config)};
    return outcome_of(
        [&](bp_result* result) { return bp_module_reload(ctx_, str(name), &options, timeout_ms, result); });
  }
  Outcome call(std::string_view name, std::string_view payload = {}) {
    return outcome_of([&](bp_result* result) { return bp_call_sync(ctx_, str(name), bytes(payload), 30'000, result); });
  }
  /// What this thread has submitted so far has come to its handler.
  void settle() { call("nobody.there"); }
  std::vector<Value> modules() {
    return outcome_of([this](bp_result* result) { return bp_module_list(ctx_, result); }).report()["modules"].items;
  }
  /// "none" if it is not in the list; of several generations, the oldest.
  std::string state(const std::string& module) {
    for (const Value& each : modules()) {
      if (each["name"].text == module) return each["state"].text;
    }
    return "none";
  }
  bp_status find(std::string_view name, bp_method* out = nullptr) {
    bp_method method{};
    return bp_method_find(ctx_, str(name), out == nullptr ? &method : out);
  }

 private:
  bp_context ctx_{};
};

/// Blocks the request thread of a context, through the module asks, until it is released.
class Block {
 public:
  explicit Block(Context& ctx) {
    bp_function_set(ctx, str("block.here"), block, this);
    call_.submit(ctx, "asks.host", "block.here");
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return begun_; });
  }
  ~Block() { end(); }
  Outcome end() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
      changed_.notify_all();
    }
    return call_.wait();
  }

 private:
  static void block(void* user, bp_context ctx, bp_token token, bp_str, bp_bytes) {
    auto& self = *static_cast<Block*>(user);
    {
      std::unique_lock lock(self.mutex_);
      self.begun_ = true;
      self.changed_.notify_all();
      self.changed_.wait(lock, [&self] { return self.over_; });
    }
    bp_answer answer{};
    answer.struct_size = sizeof answer;
    bp_complete(ctx, token, &answer);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool begun_ = false;
  bool over_ = false;
  Call call_;
};

/// Waits for something that another thread brings about; false if it does not come.
template <class F>
bool comes_true(F condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}
