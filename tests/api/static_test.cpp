// SPDX-License-Identifier: Apache-2.0
//
// Calls of static names, without a context and in one.
#include <set>

#include "fixture.hpp"
#include "process_state.hpp"

using namespace host_test;

namespace {

std::string call(bp_context at, std::string_view name, std::string_view payload = {}) {
  Result result;
  const bp_status status = bp_call_sync(at, str(name), bytes_of(payload), 0, &result);
  return bp_status_name(status) + (result.payload.size == 0 ? std::string() : ":" + result.text());
}

bp_submission submission_of(std::string_view name, Replies& replies, std::string_view payload = {}) {
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = str(name);
  submission.payload = bytes_of(payload);
  submission.on_reply = Replies::on_reply;
  submission.user = &replies;
  return submission;
}

void load(bp_context at) {
  const std::string path = module_path("statics");
  const bp_load_options options = load_options(path);
  Result result;
  const bp_status status = bp_module_load(at, &options, &result);
  INFO(result.words());
  REQUIRE(status == BP_OK);
}

bp_status unload(bp_context at, std::uint32_t timeout_ms = 0) {
  Result result;
  return bp_module_unload(at, BP_STR("statics"), timeout_ms, &result);
}

/// Whether the module is gone; what a sanitizer keeps mapped is pinned.
bool went(bp_status status) { return status == BP_OK || status == BP_PINNED; }

}  // namespace

TEST_CASE("a static name is called without a context, in a process that has none") {
  const bp_context host = bp_host_context();
  REQUIRE(host.id != 0);
  CHECK(bp_host_context().id == host.id);
  CHECK(call(host, "statics.echo", "x") == "unknown_name");
  const std::size_t threads_before = threads();
  load(host);
  CHECK(call(host, "statics.echo", "x") == "ok:x");
  CHECK(call(host, "statics.echo", std::string(5'000, 'y')) == "ok:" + std::string(5'000, 'y'));
  CHECK(call(host, "statics.bare") == "ok:bare");
  CHECK(threads() == threads_before);
  CHECK(status_of(host)["contexts"].items.empty());
  bp_method method{};
  REQUIRE(bp_method_find(host, BP_STR("statics.echo"), &method) == BP_OK);
  Replies replies;
  bp_submission by_handle = submission_of({}, replies, "z");
  by_handle.method = method;
  bp_request request{7};
  CHECK(bp_submit(host, &by_handle, &request) == BP_OK);
  CHECK(request.id == 0);
  CHECK(replies.terminal() == 1);  // when bp_submit has returned
  CHECK(replies.wait() == Seen{"ok:z"});
  CHECK(went(unload(host)));
  CHECK(call(host, "statics.echo", "x") == "module_gone");
  by_handle.method = method;
  Replies gone;
  by_handle.user = &gone;
  CHECK(bp_submit(host, &by_handle, nullptr) == BP_OK);
  CHECK(gone.wait() == Seen{"module_gone"});
}

TEST_CASE("in a context a static name is called like any other, and still has no instance") {
  const Context context;
  const Loaded statics(context, "statics");
  CHECK(context.call("statics.echo", "x") == "ok:x");
  CHECK(context.call("statics.bare") == "ok:bare");
  CHECK(context.call("statics.silent") == "no_reply");
  CHECK(context.call("statics.later") == "no_reply");
  CHECK(context.call("statics.tries").substr(0, 5) == "ok:0 ");  // a context takes parts
}

TEST_CASE("what a static handler may not do is refused, and its caller is told") {
  const bp_context host = bp_host_context();
  load(host);
  const std::string no = std::to_string(BP_NOT_SUPPORTED);
  CHECK(call(host, "statics.tries") == "ok:" + no + " " + no + " 0");
  CHECK(call(host, "statics.tries") == "ok:" + no + " " + no + " " + std::to_string(BP_STALE_TOKEN));
  Replies silent;
  const bp_submission not_answered = submission_of("statics.silent", silent);
  CHECK(bp_submit(host, &not_answered, nullptr) == BP_OK);
  CHECK(silent.wait() == Seen{"no_reply"});
  CHECK(silent.message().find("a static one must reply before it returns") != std::string::npos);
  CHECK(call(host, "statics.later") == "no_reply");
  Replies plain;
  const bp_submission needs_context = submission_of("statics.plain", plain, "x");
  CHECK(bp_submit(host, &needs_context, nullptr) == BP_OK);
  CHECK(plain.wait() == Seen{"not_supported"});
  CHECK(plain.message().find("create a context") != std::string::npos);
  CHECK(went(unload(host)));
}

TEST_CASE("the host's handle takes no part in what needs a context") {
  const bp_context host = bp_host_context();
  const bp_event_fn hears = [](void*, const bp_event*) {};
  const bp_host_function_fn function = [](void*, bp_context, bp_token, bp_str, bp_bytes) {};
  bp_listener listener{};
  const bp_answer answer = answer_of(BP_OK);
  CHECK(bp_listen(host, BP_STR("*"), hears, nullptr, &listener) == BP_NOT_SUPPORTED);
  CHECK(bp_function_set(host, BP_STR("app.f"), function, nullptr) == BP_NOT_SUPPORTED);
  CHECK(bp_complete(host, 1, &answer) == BP_NOT_SUPPORTED);
  CHECK(bp_cancel(host, {1}) == BP_NOT_SUPPORTED);
  CHECK(bp_context_close(host) == BP_NOT_SUPPORTED);
  CHECK(bp_context_stop(host, 1) == BP_NOT_SUPPORTED);
  CHECK(bp_context_destroy(host) == BP_NOT_SUPPORTED);
  CHECK(bp_host_context().id == host.id);
  CHECK(call(host, "") == "invalid_argument");
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("statics.echo");
  CHECK(bp_submit(host, &submission, nullptr) == BP_MISSING_CALLBACK);
}

TEST_CASE("an unload waits for static calls, and says how many if it cannot") {
  const bp_context host = bp_host_context();
  load(host);
  std::string answer;
  std::thread caller([&] { answer = call(host, "statics.slow", "60"); });
  CHECK(eventually([&] {
    Result report;
    REQUIRE(bp_module_list(host, &report) == BP_OK);
    Result early;
    const bp_status status = bp_module_unload(host, BP_STR("statics"), 1, &early);
    if (status != BP_PINNED) {  // it went before the call came: once more
      caller.join();
      load(host);
      caller = std::thread([&] { answer = call(host, "statics.slow", "60"); });
      return false;
    }
    const Value reasons = Value::of(text_of(early.detail))["reasons"];
    return reasons.items.front()["kind"].text == "requests" && reasons.items.front()["count"].number == 1;
  }));
  CHECK(went(unload(host, 20'000)));
  caller.join();
  CHECK(answer == "ok:slept");
}

TEST_CASE("static calls on several threads answer through loads, reloads and unloads, each of them once") {
  const bp_context host = bp_host_context();
  load(host);
  std::atomic<bool> stop{false};
  std::atomic<int> calls{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 3; ++t) {
    callers.emplace_back([&] {
      const std::set<std::string> fine = {"ok:x", "module_gone"};
      while (!stop) {
        if (fine.count(call(host, "statics.echo", "x")) == 0) ++wrong;
        ++calls;
      }
    });
  }
  for (int i = 0; i < 40; ++i) {
    Result result;
    CHECK(bp_module_reload(host, BP_STR("statics"), nullptr, 0, &result) == BP_OK);
    if (i % 4 == 0) {
      CHECK(went(unload(host)));
      load(host);
    }
  }
  CHECK(eventually([&] { return calls > 100; }));
  stop = true;
  for (auto& caller : callers) caller.join();
  CHECK(wrong == 0);
  CHECK(went(unload(host)));
}
