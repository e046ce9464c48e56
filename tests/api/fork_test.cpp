// SPDX-License-Identifier: Apache-2.0
//
// A process that is forked while its host works: the child has handles, and none of the host's threads.
#include <csignal>
#include <cstdlib>
#include <deque>
#include <iostream>

#include <sys/wait.h>
#include <unistd.h>

#include "fixture.hpp"

using namespace host_test;

namespace {

// Where a child's expectation failed, as its exit status.
#define EXPECT_IN_CHILD(condition)                                             \
  do {                                                                         \
    if (!(condition)) {                                                        \
      const char text[] = "in the child, expected: " #condition "\n";          \
      [[maybe_unused]] const ssize_t told = ::write(2, text, sizeof text - 1); \
      return false;                                                            \
    }                                                                          \
  } while (false)

bool nothing_can_be_made() {
  Result why;
  bp_context made{1};
  EXPECT_IN_CHILD(bp_context_create(nullptr, &made, &why) == BP_NOT_SUPPORTED);
  EXPECT_IN_CHILD(made.id == 0);
  EXPECT_IN_CHILD(why.says("exec"));
  Result connecting;
  made.id = 1;
  EXPECT_IN_CHILD(bp_context_connect(nullptr, &made, &connecting) == BP_NOT_SUPPORTED);
  EXPECT_IN_CHILD(made.id == 0);
  EXPECT_IN_CHILD(connecting.says("exec"));
  EXPECT_IN_CHILD(bp_host_context().id == 0);
  bp_host_options options{};
  options.struct_size = sizeof options;
  Result configuring;
  EXPECT_IN_CHILD(bp_host_configure(&options, &configuring) == BP_NOT_SUPPORTED);
  EXPECT_IN_CHILD(configuring.says("exec"));
  return true;
}

bool handle_is_stale(bp_context ctx) {
  Replies never;
  const std::string path = module_path("sleeper");
  const bp_load_options load = load_options(path);
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("sleeper.remaining");
  submission.on_reply = Replies::on_reply;
  submission.user = &never;
  const bp_answer answer = answer_of(BP_OK);
  bp_method method{};
  bp_listener listener{};
  const bp_event_fn on_event = [](void*, const bp_event*) {};
  const auto stale = [](auto operation) {
    Result result;
    return operation(&result) == BP_INVALID_HANDLE;
  };
  EXPECT_IN_CHILD(bp_submit(ctx, &submission, nullptr) == BP_INVALID_HANDLE);
  EXPECT_IN_CHILD(stale([&](bp_result* r) { return bp_call_sync(ctx, submission.name, {nullptr, 0}, 0, r); }));
  EXPECT_IN_CHILD(bp_cancel(ctx, {1}) == BP_INVALID_HANDLE);
  EXPECT_IN_CHILD(bp_method_find(ctx, submission.name, &method) == BP_INVALID_HANDLE);
  EXPECT_IN_CHILD(bp_listen(ctx, BP_STR("*"), on_event, nullptr, &listener) == BP_INVALID_HANDLE);
  EXPECT_IN_CHILD(bp_unlisten(ctx, {1}) == BP_INVALID_HANDLE);
  EXPECT_IN_CHILD(bp_function_set(ctx, BP_STR("app.none"), nullptr, nullptr) == BP_INVALID_HANDLE);
  EXPECT_IN_CHILD(bp_complete(ctx, 1, &answer) == BP_INVALID_HANDLE);
  EXPECT_IN_CHILD(stale([&](bp_result* r) { return bp_module_load(ctx, &load, r); }));
  EXPECT_IN_CHILD(stale([&](bp_result* r) { return bp_module_unload(ctx, BP_STR("sleeper"), 0, r); }));
  EXPECT_IN_CHILD(stale([&](bp_result* r) { return bp_module_reload(ctx, BP_STR("sleeper"), nullptr, 0, r); }));
  EXPECT_IN_CHILD(stale([&](bp_result* r) { return bp_module_list(ctx, r); }));
  EXPECT_IN_CHILD(stale([&](bp_result* r) { return bp_host_status(ctx, r); }));
  EXPECT_IN_CHILD(bp_host_stop(ctx) == BP_INVALID_HANDLE);
  EXPECT_IN_CHILD(bp_context_close(ctx) == BP_INVALID_HANDLE);
  EXPECT_IN_CHILD(bp_context_stop(ctx, 1) == BP_INVALID_HANDLE);
  EXPECT_IN_CHILD(bp_context_destroy(ctx) == BP_INVALID_HANDLE);
  return true;
}

bool needs_no_host() {
  EXPECT_IN_CHILD(bp_version() != nullptr);
  EXPECT_IN_CHILD(bp_abi_version() == (BP_ABI_MAJOR << 16 | BP_ABI_MINOR));
  EXPECT_IN_CHILD(bp_status_name(BP_OK) == std::string("ok"));
  EXPECT_IN_CHILD(bp_status_text(BP_OK) != nullptr);
  bp_log_level(BP_LOG_WARN);
  bp_buffer* const buffer = bp_buffer_new(100);
  EXPECT_IN_CHILD(buffer != nullptr);
  bp_buffer_free(buffer);
  Result result;
  EXPECT_IN_CHILD(bp_module_inspect(module_path("sleeper").c_str(), &result) == BP_OK);
  return true;
}

// Whether the child came to a good end, and in time.
bool ends_well(pid_t child) {
  int status = 0;
  if (!eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; })) {
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    return false;
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool in_child(bp_context context, bp_context host) {
  return handle_is_stale(context) && handle_is_stale(host) && nothing_can_be_made() && needs_no_host();
}

/// Threads that do the same over and over until the end.
class Busy {
 public:
  template <class F>
  void add(F round) {
    threads_.emplace_back([this, round] {
      while (!stop_) round();
    });
  }
  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  Busy() = default;
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() { stop(); }

 private:
  std::atomic<bool> stop_{false};
  std::deque<std::thread> threads_;
};

void call_round(const Context& context, std::atomic<long>& wrong) {
  std::deque<Replies> open;
  for (int i = 0; i < 20; ++i) wrong += context.submit("sleeper.sleep", open.emplace_back(), "1") != BP_OK;
  wrong += context.call("sleeper.remaining") != "ok:none";
  for (Replies& each : open) wrong += each.wait() != Seen{"ok:1"};
}

void context_round(std::atomic<long>& wrong) {
  bp_context made{};
  wrong += bp_context_create(nullptr, &made, nullptr) != BP_OK;
  Result result;
  wrong += bp_call_sync(made, BP_STR("sleeper.remaining"), {nullptr, 0}, 0, &result) != BP_OK;
  wrong += bp_context_destroy(made) != BP_OK;
}

void module_round(const Context& context, std::atomic<long>& wrong) {
  const std::string path = module_path("partials");
  const bp_load_options load = load_options(path);
  Result loaded;
  wrong += bp_module_load(context.native, &load, &loaded) != BP_OK;
  Result unloaded;
  const bp_status status = bp_module_unload(context.native, BP_STR("partials"), 0, &unloaded);
  wrong += status != BP_OK && status != BP_PINNED;
}

// What AddressSanitizer of GCC 12 locks for an allocation may stay locked in a child for ever, and its search for
// leaks at exit knows nothing of threads that stayed in the parent.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool children_of_busy_processes_can_allocate = false;
#else
constexpr bool children_of_busy_processes_can_allocate = true;
#endif

// Forks again and again while the others work, and has each child leave by `leave`.
void fork_in_the_midst(bool modules_too, void (*leave)(int)) {
  if (!children_of_busy_processes_can_allocate) return;
  const Context context;
  const Loaded sleeper(context, "sleeper");
  const bp_context host = bp_host_context();
  std::atomic<long> wrong{0};
  std::atomic<long> rounds{0};
  Busy busy;
  for (int i = 0; i < 2; ++i) {
    busy.add([&] { call_round(context, wrong); });
    busy.add([&] {
      context_round(wrong);
      ++rounds;
    });
  }
  if (modules_too) busy.add([&] { module_round(context, wrong); });
  for (int i = 0; i < 50; ++i) {
    const long before = rounds;
    std::cout.flush();
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) leave(in_child(context.native, host) ? 0 : 1);
    REQUIRE(ends_well(child));
    REQUIRE(eventually([&] { return rounds > before; }));
  }
  busy.stop();
  CHECK(wrong == 0);
  CHECK(context.call("sleeper.remaining") == "ok:none");
}

}  // namespace

TEST_CASE("in a child that was forked in the midst of work all functions refuse, and the parent's work goes on") {
  fork_in_the_midst(true, ::_exit);
}

// Without loads and unloads: the C library has a lock for these that exit() takes, and that stays held in a child.
TEST_CASE("a child that was forked in the midst of work may exit") { fork_in_the_midst(false, std::exit); }

TEST_CASE("a child that was forked in a callback of the host's may look round and leave") {
  const Context context;
  const Loaded sleeper(context, "sleeper");
  const bp_context host = bp_host_context();
  std::atomic<pid_t> child{0};
  Replies replies([&](const bp_answer&) {
    const pid_t forked = ::fork();
    if (forked == 0) ::_exit(in_child(context.native, host) ? 0 : 1);
    child = forked;
  });
  REQUIRE(context.submit("sleeper.remaining", replies) == BP_OK);
  CHECK(replies.wait() == Seen{"ok:none"});
  REQUIRE(child > 0);
  CHECK(ends_well(child));
}

TEST_CASE("the children of a forked child are no better off") {
  const Context context;
  const bp_context host = bp_host_context();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const pid_t grandchild = ::fork();
    if (grandchild == 0) ::_exit(in_child(context.native, host) ? 0 : 1);
    ::_exit(grandchild > 0 && ends_well(grandchild) ? 0 : 1);
  }
  CHECK(ends_well(child));
}
