// SPDX-License-Identifier: Apache-2.0
//
// What the callbacks of a test's calls saw.
#pragma once

#include <backplane/backplane.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "status_names.hpp"

/// The replies of one call. Must outlive it.
class Replies {
 public:
  struct Reply {
    bp_status status;
    std::string payload;
    std::string message;
  };

  static void on_reply(void* user, const bp_answer* answer) {
    auto& self = *static_cast<Replies*>(user);
    const std::lock_guard lock(self.mutex_);
    self.all_.push_back({answer->status,
                         std::string(reinterpret_cast<const char*>(answer->payload.data), answer->payload.size),
                         std::string(answer->message.data, answer->message.size)});
    if (answer->status != BP_STALE && answer->status != BP_PARTIAL) ++self.terminal_;
    self.changed_.notify_all();
  }

  /// The terminal reply; status -1 if none comes within the bound.
  Reply wait(std::chrono::milliseconds bound = std::chrono::seconds(10)) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, bound, [this] { return terminal_ != 0; })) return {-1, {}, "no terminal reply"};
    return all_.back();
  }
  std::vector<Reply> all() {
    const std::lock_guard lock(mutex_);
    return all_;
  }
  int terminal() {
    const std::lock_guard lock(mutex_);
    return terminal_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Reply> all_;
  int terminal_ = 0;
};

inline bp_submission submission(const char* name, std::string_view payload, Replies& replies,
                                std::uint64_t timeout_ms = 0) {
  bp_submission out{};
  out.struct_size = sizeof out;
  out.name = {name, std::char_traits<char>::length(name)};
  out.payload = {reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()};
  out.timeout_ms = timeout_ms;
  out.on_reply = Replies::on_reply;
  out.user = &replies;
  return out;
}
