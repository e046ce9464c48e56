// SPDX-License-Identifier: Apache-2.0
//
// Whatever an application gives: an error, and never a crash.
#include <deque>
#include <set>

#include "fixture.hpp"

using namespace host_test;

namespace {

void on_reply(void*, const bp_answer*) {}
void on_event(void*, const bp_event*) {}
void on_call(void*, bp_context, bp_token, bp_str, bp_bytes) {}

bp_submission submission_of(std::string_view name) {
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = str(name);
  submission.on_reply = on_reply;
  return submission;
}

/// What every function that takes a context says to this one.
std::vector<bp_status> all_functions(bp_context ctx) {
  const bp_submission submission = submission_of("a.b");
  const bp_answer answer = answer_of(BP_OK);
  const std::string path = module_path("slow");
  const bp_load_options load = load_options(path);
  bp_request request{};
  bp_method method{};
  bp_listener listener{};
  std::vector<bp_status> got{
      bp_context_close(ctx),
      bp_context_stop(ctx, 1),
      bp_context_destroy(ctx),
      bp_submit(ctx, &submission, &request),
      bp_cancel(ctx, request),
      bp_method_find(ctx, BP_STR("a.b"), &method),
      bp_listen(ctx, BP_STR("*"), on_event, nullptr, &listener),
      bp_unlisten(ctx, listener),
      bp_function_set(ctx, BP_STR("a.b"), on_call, nullptr),
      bp_complete(ctx, 5, &answer),
      bp_host_stop(ctx),
  };
  const auto with = [&](auto call) {
    Result result;
    got.push_back(call(&result));
    CHECK(result.status == got.back());
  };
  with([&](bp_result* out) { return bp_call_sync(ctx, BP_STR("a.b"), bytes_of(""), 0, out); });
  with([&](bp_result* out) { return bp_module_load(ctx, &load, out); });
  with([&](bp_result* out) { return bp_module_unload(ctx, BP_STR("a"), 0, out); });
  with([&](bp_result* out) { return bp_module_reload(ctx, BP_STR("a"), nullptr, 0, out); });
  with([&](bp_result* out) { return bp_module_list(ctx, out); });
  with([&](bp_result* out) { return bp_host_status(ctx, out); });
  return got;
}

}  // namespace

TEST_CASE("every function refuses a context handle that is zero, garbage, destroyed or another object's") {
  const Context context;
  const Loaded sleeper(context, "sleeper");
  const Loaded holder(context, "holder");
  bp_context destroyed{};
  REQUIRE(bp_context_create(nullptr, &destroyed, nullptr) == BP_OK);
  REQUIRE(bp_context_destroy(destroyed) == BP_OK);
  const Context in_its_slot;  // the same slot, another handle
  bp_method method{};
  REQUIRE(bp_method_find(context.native, BP_STR("sleeper.sleep"), &method) == BP_OK);
  Replies held;
  bp_request request{};
  REQUIRE(context.submit("holder.keep", held, "", 0, &request) == BP_OK);
  int on_stack = 0;
  for (const std::uint64_t id : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}, destroyed.id, method.id,
                                 request.id, context.native.id + 1, context.native.id ^ (std::uint64_t{1} << 40),
                                 std::uint64_t{reinterpret_cast<std::uintptr_t>(&on_stack)}}) {
    CAPTURE(id);
    const auto got = all_functions({id});
    CHECK(got == std::vector<bp_status>(got.size(), BP_INVALID_HANDLE));
  }
  CHECK(context.call("holder.release") == "ok:1");
  CHECK(held.wait() == Seen{"ok:released"});
}

TEST_CASE("handles of other objects are refused where a request, a method or a listener is asked for") {
  const Context context;
  const Loaded sleeper(context, "sleeper");
  const Loaded holder(context, "holder");
  const Context other;
  bp_method method{};
  REQUIRE(bp_method_find(context.native, BP_STR("sleeper.sleep"), &method) == BP_OK);
  Replies held;
  bp_request request{};
  REQUIRE(context.submit("holder.keep", held, "", 0, &request) == BP_OK);
  bp_listener listener{};
  REQUIRE(bp_listen(context.native, BP_STR("*"), on_event, nullptr, &listener) == BP_OK);

  for (const std::uint64_t id : {std::uint64_t{0}, ~std::uint64_t{0}, method.id, context.native.id, request.id + 4,
                                 request.id ^ 3, request.id | std::uint64_t{1} << 63}) {
    CHECK(bp_cancel(context.native, {id}) == BP_INVALID_HANDLE);
  }
  CHECK(bp_cancel(other.native, request) == BP_INVALID_HANDLE);  // another context's
  for (const std::uint64_t id :
       {~std::uint64_t{0}, request.id, context.native.id, method.id + 100'000, std::uint64_t{7}}) {
    bp_submission submission = submission_of("sleeper.sleep");
    submission.method = {id};
    CHECK(bp_submit(context.native, &submission, nullptr) == BP_INVALID_HANDLE);
  }
  for (const std::uint64_t id : {std::uint64_t{0}, ~std::uint64_t{0}, request.id, method.id}) {
    CHECK(bp_unlisten(context.native, {id}) == BP_INVALID_HANDLE);
  }
  CHECK(bp_unlisten(other.native, listener) == BP_INVALID_HANDLE);
  CHECK(held.terminal() == 0);
  CHECK(bp_cancel(context.native, request) == BP_OK);
  CHECK(bp_unlisten(context.native, listener) == BP_OK);
  CHECK(held.wait() == Seen{"canceled"});
}

TEST_CASE("null arguments are refused by every function that needs them") {
  const Context context;
  const bp_context ctx = context.native;
  std::deque<Result> results;  // each must be fresh
  const auto fresh = [&results] { return &results.emplace_back(); };
  bp_method method{};
  bp_listener listener{};
  CHECK(bp_context_create(nullptr, nullptr, fresh()) == BP_INVALID_ARGUMENT);
  CHECK(bp_context_connect(nullptr, nullptr, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_host_configure(nullptr, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_submit(ctx, nullptr, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_call_sync(ctx, BP_STR("a.b"), bytes_of(""), 0, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_method_find(ctx, BP_STR("a.b"), nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_listen(ctx, BP_STR("*"), nullptr, nullptr, &listener) == BP_INVALID_ARGUMENT);
  CHECK(bp_listen(ctx, BP_STR("*"), on_event, nullptr, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_complete(ctx, 1, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_module_load(ctx, nullptr, fresh()) == BP_INVALID_ARGUMENT);
  bp_load_options load{};
  load.struct_size = sizeof load;
  CHECK(bp_module_load(ctx, &load, fresh()) == BP_INVALID_ARGUMENT);
  CHECK(bp_module_load(ctx, &load, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_module_unload(ctx, BP_STR("a"), 0, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_module_reload(ctx, BP_STR("a"), nullptr, 0, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_module_list(ctx, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_host_status(ctx, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_module_inspect(nullptr, fresh()) == BP_INVALID_ARGUMENT);
  CHECK(bp_module_inspect("/dev/null", nullptr) == BP_INVALID_ARGUMENT);
  bp_buffer_free(nullptr);
  bp_result_free(nullptr);

  bp_submission submission = submission_of("a.b");
  submission.on_reply = nullptr;
  CHECK(bp_submit(ctx, &submission, nullptr) == BP_MISSING_CALLBACK);
  submission = submission_of("");
  CHECK(bp_submit(ctx, &submission, nullptr) == BP_INVALID_ARGUMENT);
  submission = submission_of("a.b");
  submission.flags = 1u << 30;
  CHECK(bp_submit(ctx, &submission, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_method_find(ctx, BP_STR("no name"), &method) == BP_INVALID_ARGUMENT);
}

TEST_CASE("a view of some bytes at null is refused, and not followed") {
  const Context context;
  const bp_context ctx = context.native;
  const bp_str no_text{nullptr, 5};
  const bp_bytes no_bytes{nullptr, 5};
  std::deque<Result> results;  // each must be fresh
  const auto fresh = [&results] { return &results.emplace_back(); };
  bp_method method{};
  bp_listener listener{};
  bp_submission submission = submission_of("a.b");
  submission.payload = no_bytes;
  CHECK(bp_submit(ctx, &submission, nullptr) == BP_INVALID_ARGUMENT);
  submission = submission_of("a.b");
  submission.name = no_text;
  CHECK(bp_submit(ctx, &submission, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_call_sync(ctx, no_text, bytes_of(""), 0, fresh()) == BP_INVALID_ARGUMENT);
  CHECK(bp_call_sync(ctx, BP_STR("a.b"), no_bytes, 0, fresh()) == BP_INVALID_ARGUMENT);
  CHECK(bp_method_find(ctx, no_text, &method) == BP_INVALID_ARGUMENT);
  CHECK(bp_listen(ctx, no_text, on_event, nullptr, &listener) == BP_INVALID_ARGUMENT);
  CHECK(bp_function_set(ctx, no_text, on_call, nullptr) == BP_INVALID_ARGUMENT);
  for (int field = 0; field < 3; ++field) {
    bp_answer answer = answer_of(BP_OK);
    if (field == 0) answer.payload = no_bytes;
    if (field == 1) answer.message = no_text;
    if (field == 2) answer.detail = no_bytes;
    CHECK(bp_complete(ctx, 1, &answer) == BP_INVALID_ARGUMENT);
  }
  bp_load_options load{};
  load.struct_size = sizeof load;
  load.path = "/dev/null";
  load.config = no_bytes;
  CHECK(bp_module_load(ctx, &load, fresh()) == BP_INVALID_ARGUMENT);
  CHECK(bp_module_reload(ctx, BP_STR("a"), &load, 0, fresh()) == BP_INVALID_ARGUMENT);
  CHECK(bp_module_reload(ctx, no_text, nullptr, 0, fresh()) == BP_INVALID_ARGUMENT);
  CHECK(bp_module_unload(ctx, no_text, 0, fresh()) == BP_INVALID_ARGUMENT);
}

TEST_CASE("a struct of an older header, shorter than ours, is taken with defaults for the rest") {
  const Context context;
  struct {
    std::uint32_t struct_size;
    std::uint32_t queue_depth;
  } old_options{8, 64};
  bp_context made{};
  REQUIRE(bp_context_create(reinterpret_cast<const bp_context_options*>(&old_options), &made, nullptr) == BP_OK);
  CHECK(bp_context_destroy(made) == BP_OK);
}

TEST_CASE("options out of range are refused with words, and nothing is left behind") {
  bp_context_options options = no_options();
  options.fiber_stack_size = 1'000;
  bp_context made{99};
  Result why;
  CHECK(bp_context_create(&options, &made, &why) == BP_INVALID_ARGUMENT);
  CHECK(made.id == 0);
  CHECK_THAT(why.words(), Catch::Contains("1000") && Catch::Contains("16384"));
  options.fiber_stack_size = 2'000'000'000;
  Result why_again;
  CHECK(bp_context_create(&options, &made, &why_again) == BP_INVALID_ARGUMENT);
  CHECK_THAT(why_again.words(), Catch::Contains("2000000000"));
}

TEST_CASE("statuses have names and texts, also those that nobody knows") {
  CHECK(std::string(bp_status_name(BP_UNKNOWN_NAME)) == "unknown_name");
  CHECK(std::string(bp_status_name(BP_OK)) == "ok");
  CHECK(std::string(bp_status_name(BP_ENTRY_RETURNED)) == "entry_returned");
  CHECK(std::string(bp_status_name(BP_STATUS_MODULE_FIRST)) == "module");
  CHECK(std::string(bp_status_name(-5)) == "unknown");
  CHECK(std::string(bp_status_name(999)) == "unknown");
  CHECK(std::string(bp_status_text(BP_CLOSED)) == "the context is closed");
  CHECK(std::string(bp_status_text(12345)).size() > 5);
}

TEST_CASE("no two statuses have the same text") {
  std::vector<bp_status> all{BP_STATUS_MODULE_FIRST, 999};
#define ADD(name, value, text) all.push_back(BP_##name);
  BP_STATUS_LIST(ADD)
#undef ADD
  std::set<std::string> texts;
  for (const bp_status status : all) texts.insert(bp_status_text(status));
  CHECK(texts.size() == all.size());
}

TEST_CASE("the library has the version of its headers") {
  CHECK(std::string(bp_version()) == BP_VERSION_STRING);
  CHECK(bp_abi_version() == (BP_ABI_MAJOR << 16 | BP_ABI_MINOR));
}
