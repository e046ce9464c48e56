// SPDX-License-Identifier: Apache-2.0
//
// The module owner, which owns a lock, and reloads of it in which calls are held.
#pragma once

#include <backplane/operations.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

#include "harness.hpp"

namespace old_first {

inline bp_load_options load_options(const std::string& path, std::uint32_t flags, std::uint32_t drain_ms) {
  bp_load_options options{};
  options.struct_size = sizeof options;
  options.flags = flags;
  options.path = path.c_str();
  options.drain_ms = drain_ms;
  return options;
}

inline Outcome reload(Context& ctx, const std::string& file, std::uint32_t drain_ms = 0,
                      std::uint32_t flags = BP_LOAD_OLD_FIRST) {
  const std::string path = module_file(file);
  const bp_load_options options = load_options(path, flags, drain_ms);
  return outcome_of([&](bp_result* result) { return bp_module_reload(ctx, str("owner"), &options, 0, result); });
}

/// The lock of the module owner.
struct Lock : TempDir {
  Lock() { ::setenv("BP_TEST_LOCK", (*this / "lock").c_str(), 1); }
};

/// A reload on a thread of its own, from when calls are held.
class Reload {
 public:
  Reload(Context& ctx, const std::string& file, std::uint32_t drain_ms = 0)
      : thread_([this, &ctx, file, drain_ms] { out_ = reload(ctx, file, drain_ms); }) {
    if (comes_true([&] { return ctx.state("owner") == "draining"; })) return;
    thread_.join();
    throw std::runtime_error("it does not drain: " + out_.message);
  }
  ~Reload() {
    if (thread_.joinable()) thread_.join();
  }
  const Outcome& wait() {
    thread_.join();
    return out_;
  }

 private:
  Outcome out_;
  std::thread thread_;
};

/// owner_1 with a call that lasts. A reload that is refused before the old generation is touched leaves both alone.
class Busy {
 public:
  explicit Busy(Context& ctx) : ctx_(ctx) {
    REQUIRE(ctx_.load(module_file("owner_1")).status == BP_OK);
    number_ = ctx_.modules().front()["generation"].number;
    REQUIRE(call_.submit(ctx_, "owner.sleep", "600000") == BP_OK);
    ctx_.settle();
  }
  /// Checks that, and ends the call and the module.
  void check_untouched() {
    CHECK(ctx_.call("owner.generation").payload == "1");
    CHECK(ctx_.modules().front()["generation"].number == number_);
    CHECK(call_.replies() == 0);
    CHECK(call_.cancel() == BP_OK);
    CHECK(call_.wait().status == BP_CANCELED);
    CHECK(ctx_.unload("owner").status == BP_OK);
  }

 private:
  Context& ctx_;
  std::uint64_t number_ = 0;
  Call call_;
};

/// Begins an operation of the kind BP_OPERATION_CHANGE with this one part.
inline Outcome begin_change(Context& ctx, const bp_operation_request& part, bp_operation& operation) {
  const bp_operation_request* const list[] = {&part};
  bp_operation_request change{};
  change.struct_size = sizeof change;
  change.kind = BP_OPERATION_CHANGE;
  change.changes = list;
  change.change_count = 1;
  return outcome_of([&](bp_result* result) { return bp_operation_begin(ctx, &change, &operation, result); });
}

/// owner_1 has a call that lasts until let_go(), and a reload holds new calls meanwhile.
class Holding {
 public:
  explicit Holding(const std::string& file = "owner_2", const char* busy = "owner.outside",
                   std::uint32_t drain_ms = 30'000) {
    if (bp_function_set(ctx, str("test.outside"), keep, this) != BP_OK) throw std::runtime_error("no function");
    if (ctx.load(module_file("owner_1")).status != BP_OK) throw std::runtime_error("owner_1 is not loaded");
    hold(file, busy, drain_ms);
  }
  ~Holding() {
    let_go();
    busy_.reset();
    reload_.reset();
    ctx.unload("owner");
  }

  /// Once more, after finish().
  void hold(const std::string& file, const char* busy = "owner.outside", std::uint32_t drain_ms = 30'000) {
    busy_ = std::make_unique<Call>();
    if (busy_->submit(ctx, busy) != BP_OK || !comes_true([this] { return token_ != 0; })) {
      throw std::runtime_error("the call does not begin");
    }
    reload_ = std::make_unique<Reload>(ctx, file, drain_ms);
  }
  /// The old generation has no more work.
  void let_go() {
    const bp_token token = token_.exchange(0);
    if (token == 0) return;
    bp_answer answer{};
    answer.struct_size = sizeof answer;
    answer.payload = bytes("let go");
    bp_complete(ctx, token, &answer);
  }
  Outcome busy() { return busy_->wait(); }
  Outcome finish() {
    let_go();
    return reload_->wait();
  }
  /// How the reload ends by itself.
  Outcome outcome() { return reload_->wait(); }
  /// What the status says of the calls that wait, or nothing.
  Value held() {
    const Value report = status();
    return report["held"].items.empty() ? Value() : report["held"].items.front();
  }
  Value status() {
    return outcome_of([this](bp_result* result) { return bp_host_status(ctx, result); }).report();
  }

 private:
  static void keep(void* user, bp_context, bp_token token, bp_str, bp_bytes) {
    static_cast<Holding*>(user)->token_ = token;
  }

  Lock lock_;
  std::atomic<bp_token> token_{0};

 public:
  Context ctx;

 private:
  std::unique_ptr<Call> busy_;
  std::unique_ptr<Reload> reload_;
};

}  // namespace old_first
