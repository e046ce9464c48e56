// SPDX-License-Identifier: Apache-2.0
//
// An embedded context, test modules in it, and collectors for what comes back.
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "status_names.hpp"

namespace host_test {

using Clock = std::chrono::steady_clock;
inline constexpr auto long_enough = std::chrono::seconds(20);

inline std::string text_of(bp_bytes bytes) {
  return bytes.size == 0 ? std::string() : std::string(reinterpret_cast<const char*>(bytes.data), bytes.size);
}
inline std::string text_of(bp_str text) { return text.size == 0 ? std::string() : std::string(text.data, text.size); }
inline bp_bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline bp_str str(std::string_view text) { return {text.data(), text.size()}; }

/// A result that frees itself.
struct Result : bp_result {
  Result() : bp_result{} { struct_size = sizeof(bp_result); }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  ~Result() { bp_result_free(this); }
  std::string text() const { return text_of(payload); }
  std::string words() const { return text_of(message); }
  bool says(std::string_view what) const {
    return (text() + text_of(detail) + words()).find(what) != std::string::npos;
  }
};

inline bp_answer answer_of(bp_status status, std::string_view payload = {}) {
  bp_answer answer{};
  answer.struct_size = sizeof answer;
  answer.status = status;
  answer.payload = bytes_of(payload);
  return answer;
}

/// The replies of one call, in words: "ok:5", "partial:1", "stale", "canceled".
class Replies {
 public:
  Replies() = default;
  explicit Replies(std::function<void(const bp_answer&)> act) : act_(std::move(act)) {}

  static void on_reply(void* user, const bp_answer* answer) {
    auto& self = *static_cast<Replies*>(user);
    if (self.act_) self.act_(*answer);
    const std::lock_guard lock(self.mutex_);
    const std::string name = bp_status_name(answer->status);
    self.seen_.push_back(
        answer->payload.size == 0 || answer->status == BP_STALE ? name : name + ":" + text_of(answer->payload));
    self.terminal_ += answer->status != BP_STALE && answer->status != BP_PARTIAL;
    self.message_ = text_of(answer->message);
    self.changed_.notify_all();
  }
  /// Everything up to the terminal reply, for which it waits.
  std::vector<std::string> wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, long_enough, [this] { return terminal_ > 0; });
    return seen_;
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, long_enough, [&] { return seen_.size() >= count; });
    return seen_;
  }
  int terminal() {
    const std::lock_guard lock(mutex_);
    return terminal_;
  }
  std::string message() {
    const std::lock_guard lock(mutex_);
    return message_;
  }

 private:
  std::function<void(const bp_answer&)> act_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> seen_;
  int terminal_ = 0;
  std::string message_;
};

using Seen = std::vector<std::string>;

inline bp_context_options no_options() {
  bp_context_options options{};
  options.struct_size = sizeof options;
  return options;
}

/// A context that is destroyed at the end, and must then stop in time unless `kept` says otherwise.
class Context {
 public:
  explicit Context(const bp_context_options& options = no_options()) {
    Result why;
    const bp_status status = bp_context_create(&options, &native, &why);
    INFO(why.words());
    REQUIRE(status == BP_OK);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() {
    if (native.id != 0) CHECK(destroy() == BP_OK);
  }
  bp_status destroy() {
    const bp_status status = bp_context_destroy(native);
    native.id = 0;
    return status;
  }

  bp_status submit(std::string_view name, Replies& replies, std::string_view payload = {}, std::uint64_t timeout_ms = 0,
                   bp_request* request = nullptr, std::uint32_t flags = 0) const {
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.flags = flags;
    submission.name = str(name);
    submission.payload = bytes_of(payload);
    submission.timeout_ms = timeout_ms;
    submission.on_reply = Replies::on_reply;
    submission.user = &replies;
    return bp_submit(native, &submission, request);
  }
  /// The terminal reply as Replies has it.
  std::string call(std::string_view name, std::string_view payload = {}, std::uint64_t timeout_ms = 0) const {
    Result result;
    const bp_status status = bp_call_sync(native, str(name), bytes_of(payload), timeout_ms, &result);
    return bp_status_name(status) + (result.payload.size == 0 ? std::string() : ":" + result.text());
  }

  bp_context native{};
};

inline std::string module_path(std::string_view file) {
  return BP_TEST_BUILD_DIR "/tests/modules/" + std::string(file) + ".so";
}

inline bp_load_options load_options(const std::string& path) {
  bp_load_options options{};
  options.struct_size = sizeof options;
  options.path = path.c_str();
  return options;
}

/// A module in the process's host, taken out at the end.
class Loaded {
 public:
  Loaded(const Context& context, std::string file, std::string name)
      : context_(context.native), name_(std::move(name)) {
    const std::string path = module_path(file);
    const bp_load_options options = load_options(path);
    Result result;
    const bp_status status = bp_module_load(context_, &options, &result);
    INFO(result.words());
    REQUIRE(status == BP_OK);
  }
  Loaded(const Context& context, const std::string& name) : Loaded(context, name, name) {}
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  ~Loaded() {
    Result result;
    // A sanitizer keeps objects mapped, so the module is pinned; its names are removed even then.
    const bp_status status = bp_module_unload(context_, str(name_), 0, &result);
    CHECK((status == BP_OK || status == BP_PINNED));
  }

 private:
  bp_context context_;
  std::string name_;
};

/// Waits until `condition` holds; whether it came to.
template <class F>
bool eventually(F condition) {
  const auto limit = Clock::now() + long_enough;
  while (!condition()) {
    if (Clock::now() > limit) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace host_test
