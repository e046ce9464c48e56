// SPDX-License-Identifier: Apache-2.0
//
// Handlers that the test provides, in real modules; a gate that holds their answers back; and the books of who
// answered what.
#pragma once

#include <unistd.h>

#include <deque>

#include "../fixtures/modules/matrix.h"
#include "fixture.hpp"

namespace host_test {

/// The calls of one context, and whether each is answered as it should be.
class Round {
 public:
  struct Call {
    Round* round = nullptr;
    std::string number;
    bp_request request{};
    bool canceled = false;  ///< bp_cancel has said that it did
    // Guarded by Round::mutex_.
    int terminals = 0;
    std::string status;
    bool by_handler = false;
  };

  bp_status submit(bp_context context, std::string_view wire, std::uint64_t timeout_ms = 0,
                   const std::string& payload = {}) {
    Call& call = calls_.emplace_back();
    call.round = this;
    call.number = payload.empty() ? std::to_string(calls_.size()) : payload;
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.name = str(wire);
    submission.payload = bytes_of(call.number);
    submission.timeout_ms = timeout_ms;
    submission.on_reply = on_reply;
    submission.user = &call;
    const bp_status status = bp_submit(context, &submission, &call.request);
    if (status != BP_OK) calls_.pop_back();
    return status;
  }
  /// Whether all have ended.
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, long_enough, [this] { return ended_ >= calls_.size(); });
  }
  std::size_t ended() {
    const std::lock_guard lock(mutex_);
    return ended_;
  }
  std::size_t callbacks() {
    const std::lock_guard lock(mutex_);
    return callbacks_;
  }
  /// How many have been ended by an answer of their handler's.
  int ended_by_handler() {
    const std::lock_guard lock(mutex_);
    int count = 0;
    for (const Call& call : calls_) count += call.by_handler;
    return count;
  }
  /// What is not as it should be, `allowed` being the statuses that a call may end with.
  Seen wrong(const std::string& allowed) {
    const std::lock_guard lock(mutex_);
    Seen found = odd_;
    for (const Call& call : calls_) {
      const std::string is = "call " + call.number + " ";
      if (call.terminals != 1) found.push_back(is + "ended " + std::to_string(call.terminals) + " times");
      if ((" " + allowed + " ").find(" " + call.status + " ") == std::string::npos) {
        found.push_back(is + "ended with " + call.status);
      }
      // A cancel that was taken is what ends the call, and nothing else does.
      if (call.canceled && (call.status != "canceled" || call.by_handler)) found.push_back(is + "was canceled");
    }
    return found;
  }
  std::deque<Call>& calls() { return calls_; }

 private:
  static void on_reply(void* user, const bp_answer* answer) {
    Call& call = *static_cast<Call*>(user);
    Round& self = *call.round;
    const std::lock_guard lock(self.mutex_);
    ++self.callbacks_;
    const std::string payload = text_of(answer->payload);
    if (call.terminals != 0) self.odd_.push_back("call " + call.number + " heard more after its end");
    if (answer->status == BP_STALE) return;
    if (answer->status == BP_PARTIAL) {
      if (payload != "part") self.odd_.push_back("call " + call.number + " got another's part");
      return;
    }
    ++call.terminals;
    call.status = bp_status_name(answer->status);
    call.by_handler = answer->status == BP_OK || text_of(answer->message) == "from the handler";
    if (answer->status == BP_OK && payload != call.number) self.odd_.push_back(call.number + " got " + payload);
    ++self.ended_;
    self.changed_.notify_all();
  }

  std::deque<Call> calls_;  // the submitter's
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t ended_ = 0;      // guarded by mutex_
  std::size_t callbacks_ = 0;  // guarded by mutex_
  Seen odd_;                   // guarded by mutex_
};

/// What a handler has at hand.
struct Here {
  const bp_host_api& host;
  const bp_await_api& await;
  const bp_call& call;
};

/// One for the process: modules have its address. Its completion_thread is the foreign thread that answers later.
class MatrixFixture : public matrix_fixture {
 public:
  using Handler = bp_handled (*)(MatrixFixture& fixture, const Here& here);

  MatrixFixture() : matrix_fixture{}, thread_([this] { work(); }) {
    matrix_fixture::handle = on_call;
    matrix_fixture::function = on_offered;
    REQUIRE(::pipe(pipe_) == 0);
  }
  MatrixFixture(const MatrixFixture&) = delete;
  MatrixFixture& operator=(const MatrixFixture&) = delete;
  ~MatrixFixture() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      changed_.notify_all();
    }
    thread_.join();
    ::close(pipe_[0]);
    ::close(pipe_[1]);
  }

  /// For the next round; nothing of the last one may be going on.
  void begin(Handler handler, bool inner_answers = true) {
    const std::lock_guard lock(mutex_);
    handler_ = handler;
    inner_answers_ = inner_answers;
    open_ = false;
    arrived_ = 0;
    accepted = odd = 0;
    char drop = 0;
    if (std::exchange(rung_, false)) REQUIRE(::read(pipe_[0], &drop, 1) == 1);
  }
  /// Lets go of everything that waits for it, and makes descriptor() readable.
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    if (!std::exchange(rung_, true)) REQUIRE(::write(pipe_[1], "x", 1) == 1);
    changed_.notify_all();
  }
  /// Waits until so many handlers have come to where they wait.
  bool wait_arrived(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, long_enough, [&] { return arrived_ >= count; });
  }
  /// Once open: waits until the completion_thread has answered all that it was given.
  bool wait_thread() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, long_enough, [&] { return jobs_.empty() && !working_; });
  }
  /// The configuration that leads modules here.
  std::string config() const {
    std::string bytes =
        "\xa1\x67"
        "fixture\x1b";
    const auto address = reinterpret_cast<std::uintptr_t>(static_cast<const matrix_fixture*>(this));
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(address >> shift & 0xff));
    return bytes;
  }

  // ---- Handlers ----
  void arrive() {
    const std::lock_guard lock(mutex_);
    ++arrived_;
    changed_.notify_all();
  }
  void wait_open() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }
  int descriptor() const { return pipe_[0]; }
  /// Has the completion_thread run `job` once the gate is open, or at once.
  void hand(std::function<void()> job, bool at_once) {
    const std::lock_guard lock(mutex_);
    (at_once ? jobs_.emplace_front(std::move(job)) : jobs_.emplace_back(std::move(job)));
    at_once_ += at_once;
    changed_.notify_all();
  }
  /// A terminal answer, the first that this handler gives.
  bp_handled reply(const bp_host_api& host, bp_token token, bp_status status, std::string_view payload) {
    bp_answer answer = answer_of(status, status == BP_OK ? payload : std::string_view());
    if (status != BP_OK) answer.message = BP_STR("from the handler");
    const bp_status taken = host.reply(token, &answer);
    accepted += taken == BP_OK;
    odd += taken != BP_OK && taken != BP_STALE_TOKEN;
    return BP_DONE;
  }
  bp_handled reply(const Here& here, bp_status status) {
    return reply(here.host, here.call.token, status, text_of(here.call.payload));
  }
  /// An answer behind the terminal one, which must be refused.
  void too_late(const bp_host_api& host, bp_token token) {
    for (const bp_status status : {BP_PARTIAL, BP_OK}) {
      const bp_answer answer = answer_of(status, "too late");
      odd += host.reply(token, &answer) != BP_STALE_TOKEN;
    }
  }
  void part(const bp_host_api& host, bp_token token) {
    const bp_answer answer = answer_of(BP_PARTIAL, "part");
    const bp_status taken = host.reply(token, &answer);
    odd += taken != BP_OK && taken != BP_STALE_TOKEN;
  }

  std::atomic<int> accepted{0};  ///< terminal answers of handlers that the host has taken
  std::atomic<int> odd{0};       ///< what the host should have answered otherwise

 private:
  static bp_handled on_call(matrix_fixture* fixture, const bp_host_api* host, const bp_await_api* await,
                            const bp_call* call) {
    auto& self = static_cast<MatrixFixture&>(*fixture);
    const std::string name = text_of(call->name);
    const std::string payload = text_of(call->payload);
    const bp_token token = call->token;
    if (payload == "hold") {  // keeps its thread
      self.arrive();
      self.wait_open();
    } else if (name.starts_with("matrix_other.")) {  // called by a handler: held, or kept for ever
      if (self.inner_answers_) self.hand([=] { answer(*host, token, payload); }, false);
      self.arrive();
      return BP_LATER;
    } else if (!name.ends_with(".echo")) {
      return self.handler_(self, {*host, *await, *call});
    }
    answer(*host, token, payload);
    return BP_DONE;
  }
  // The host function of matrix_other: held, or kept for ever.
  static void on_offered(matrix_fixture* fixture, const bp_host_api* host, const bp_call* call) {
    auto& self = static_cast<MatrixFixture&>(*fixture);
    const bp_token token = call->token;
    const std::string payload = text_of(call->payload);
    if (self.inner_answers_) self.hand([=] { answer(*host, token, payload); }, false);
    self.arrive();
  }
  static void answer(const bp_host_api& host, bp_token token, const std::string& payload) {
    const bp_answer answer = answer_of(BP_OK, payload);
    host.reply(token, &answer);
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stop_ || at_once_ > 0 || (open_ && !jobs_.empty()); });
      if (stop_) return;
      const auto job = std::move(jobs_.front());
      jobs_.pop_front();
      if (at_once_ > 0) --at_once_;
      working_ = true;
      lock.unlock();
      job();
      lock.lock();
      working_ = false;
      changed_.notify_all();
    }
  }

  Handler handler_ = nullptr;
  bool inner_answers_ = true;
  int pipe_[2] = {-1, -1};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  bool rung_ = false;
  bool stop_ = false;
  bool working_ = false;
  int arrived_ = 0;
  int at_once_ = 0;  // of jobs_, at its front
  std::deque<std::function<void()>> jobs_;
  std::thread thread_;
};

inline void load(bp_context context, const std::string& name, const std::string& config) {
  const std::string path = module_path(name);
  bp_load_options options = load_options(path);
  options.config = bytes_of(config);
  Result result;
  const bp_status status = bp_module_load(context, &options, &result);
  INFO(result.words());
  REQUIRE(status == BP_OK);
}

inline bp_status unload(bp_context context, std::string_view name, Result& result) {
  return bp_module_unload(context, str(name), 1, &result);
}

/// Whether all work of the module has ended; a sanitizer may keep its object mapped.
inline bool unloaded(bp_context context, std::string_view name) {
  return eventually([&] {
    Result result;
    const bp_status status = unload(context, name, result);
    return status == BP_OK || status == BP_NOT_LOADED ||
           (status == BP_PINNED && !result.says("requests") && !result.says("tokens") && !result.says("instances") &&
            !result.says("on its way"));
  });
}

}  // namespace host_test
