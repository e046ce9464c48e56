// SPDX-License-Identifier: Apache-2.0
//
// A request thread with a module of the test's own: its handlers are functions here, not in a file.
#pragma once

#include <catch2/catch.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "request/await_api.hpp"
#include "request/loop.hpp"
#include "request/reply_api.hpp"
#include "status_names.hpp"
#include "support/views.hpp"

namespace backplane::host {

inline bp_bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string text_of(bp_bytes bytes) { return {reinterpret_cast<const char*>(bytes.data), bytes.size}; }

inline bp_status reply(bp_token token, bp_status status, std::string_view payload) {
  return reply_api::answer(token, {sizeof(bp_answer), status, bytes_of(payload), {"", 0}, {nullptr, 0}, nullptr});
}

/// The replies of one call, as "ok:payload".
class SeenReplies {
 public:
  static void on_reply(void* user, const bp_answer* answer) {
    auto& self = *static_cast<SeenReplies*>(user);
    const std::lock_guard lock(self.mutex_);
    self.seen_.push_back(name_of(answer->status) + ":" + text_of(answer->payload));
    self.terminal_ += answer->status != BP_STALE && answer->status != BP_PARTIAL;
    self.changed_.notify_all();
  }
  /// Waits for the terminal one.
  std::vector<std::string> wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [this] { return terminal_ > 0; });
    return seen_;
  }
  std::vector<std::string> now() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  int terminal() {
    const std::lock_guard lock(mutex_);
    return terminal_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> seen_;
  int terminal_ = 0;
};

class LoopFixture : public InstanceHost {
 public:
  using Run = std::function<bp_handled(const bp_call&)>;

  explicit LoopFixture(const LoopOptions& options = {}) : loop(options, registry, workers, watchdog, *this) {
    generation.module = &registry.module("t");
    generation.manifest.name = "t";
    generation.number = 1;
    generation.entry.instance_destroy = [](void*) { ++destroyed; };
    destroyed = 0;
    thread_ = std::thread([this] { loop.run(); });
  }
  ~LoopFixture() override { end(); }

  /// Before start().
  void handler(std::string name, Run run, std::uint32_t flags = 0, std::uint32_t stack_size = 0) {
    runs_.push_back(std::move(run));
    auto handler = std::make_unique<Handler>();
    handler->name = std::move(name);
    handler->generation = &generation;
    handler->flags = flags;
    handler->stack_size = stack_size;
    handler->data = &runs_.back();
    handler->function = [](const bp_call* call) { return (*static_cast<Run*>(call->data))(*call); };
    generation.registered.push_back(std::move(handler));
  }
  void start() {
    registry.bind(generation);
    registry.publish(*generation.module, &generation);
    REQUIRE(loop.instances().begin(generation, false)->wait(std::chrono::seconds(10), true).empty());
  }
  bp_request call(std::string_view name, SeenReplies& replies, std::string_view payload = {},
                  std::uint64_t timeout_ms = 0) {
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.name = str(name);
    submission.payload = bytes_of(payload);
    submission.timeout_ms = timeout_ms;
    submission.on_reply = SeenReplies::on_reply;
    submission.user = &replies;
    bp_request request{};
    if (loop.submit(submission, &request) != BP_OK) throw std::runtime_error("the call was refused");
    return request;
  }
  /// CHECK for threads other than the test's own, on which Catch cannot be used.
  void expect(bool ok) { wrong_ += ok ? 0 : 1; }
  /// Runs `task` on the request thread and waits for it.
  void on_thread(const std::function<void()>& task) {
    std::promise<void> done;
    loop.post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  void end() {
    if (!thread_.joinable()) return;
    loop.close();
    if (!loop.wait_until_idle(std::chrono::milliseconds(50))) {
      loop.cancel_all();
      CHECK(loop.wait_until_idle(std::chrono::seconds(20)));
    }
    CHECK(loop.end_instances(std::chrono::seconds(20)));
    loop.finish();
    thread_.join();
    CHECK(wrong_ == 0);
  }

  std::shared_ptr<InstanceStart> begin_instance(Generation&, bool) override { return nullptr; }
  bool closed() const noexcept override { return loop.closed(); }
  bool on_request_thread() const noexcept override { return loop.on_thread(); }
  void retire_instance(Generation&) override {}
  void prepare_instance(Generation&) override {}
  void release_held() noexcept override {}
  std::string keep_instance(Generation&, std::chrono::milliseconds) override { return {}; }
  void count_work(const Generation&, std::chrono::steady_clock::time_point, std::uint64_t&, std::uint64_t&) override {}
  bp_status emit(std::string_view, bp_bytes, std::uint32_t, EmitTry*) override { return BP_OK; }

  static inline std::atomic<int> destroyed{0};
  Registry registry;
  Generation generation;

 private:
  std::atomic<int> wrong_{0};
  std::deque<Run> runs_;
  Workers workers{2};
  Watchdog watchdog{{3'600'000 * nanos_per_ms, 3'600'000 * nanos_per_ms, 0}};

 public:
  RequestLoop loop;

 private:
  std::thread thread_;
};

}  // namespace backplane::host
