// SPDX-License-Identifier: Apache-2.0
//
// Very many calls of host functions that wait for their answers at once.
#include <algorithm>
#include <random>

#include "fixture.hpp"
#include "process_state.hpp"

using namespace host_test;

namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::size_t very_many = 50'000;
#else
constexpr std::size_t very_many = 1'000'000;
#endif

/// Host functions of the application's that keep the tokens they get, or answer at once.
struct Collector {
  std::vector<bp_token> tokens;  // the request thread's, until `all` have come
  std::atomic<std::size_t> count{0};

  static void keep(void* user, bp_context, bp_token token, bp_str, bp_bytes) {
    auto& self = *static_cast<Collector*>(user);
    self.tokens.push_back(token);
    self.count.fetch_add(1, std::memory_order_release);
  }
  static void answer(void*, bp_context context, bp_token token, bp_str, bp_bytes payload) {
    bp_answer answer = answer_of(BP_OK);
    answer.payload = payload;
    bp_complete(context, token, &answer);
  }
  bool has(std::size_t wanted) const {
    return eventually([&] { return count.load(std::memory_order_acquire) == wanted; });
  }
};

std::uint64_t tokens_of(const Context& context, const char* what) {
  return status_of(context.native)["contexts"].items.back()["tokens"][what].number;
}

std::string fan(std::size_t count, const char* name) { return std::to_string(count) + " " + name; }

}  // namespace

TEST_CASE("a million tokens are open at once, are answered in any order from two threads, and each once") {
  const Context context;
  const Loaded module(context, "fan");
  Collector collector;
  REQUIRE(bp_function_set(context.native, BP_STR("app.keep"), Collector::keep, &collector) == BP_OK);
  Replies replies;
  REQUIRE(context.submit("fan.out", replies, fan(very_many, "app.keep"), 0, nullptr, BP_SUBMIT_NO_STALE) == BP_OK);
  REQUIRE(collector.has(very_many));
  CHECK(tokens_of(context, "open") == very_many);
  CHECK(context.call("fan.out", fan(0, "app.keep")) == "ok:0 0 0");  // the context goes on meanwhile

  std::shuffle(collector.tokens.begin(), collector.tokens.end(), std::mt19937_64(1));
  std::atomic<std::size_t> taken{0};
  std::atomic<std::size_t> stale{0};
  std::vector<std::thread> completers;
  for (int t = 0; t < 2; ++t) {
    completers.emplace_back([&, t] {  // each token twice, by different threads
      const bp_answer answer = answer_of(t == 0 ? BP_OK : BP_ERROR, "answer");
      for (std::size_t i = 0; i < very_many; ++i) {
        const bp_token token = collector.tokens[t == 0 ? i : very_many - 1 - i];
        const bp_status status = bp_complete(context.native, token, &answer);
        (status == BP_OK ? taken : stale) += 1;
        if (status != BP_OK && status != BP_STALE_TOKEN) std::abort();
      }
    });
  }
  for (auto& completer : completers) completer.join();
  CHECK(taken == very_many);
  CHECK(stale == very_many);
  const std::string answer = replies.wait().back();
  std::size_t ok = 0;
  std::size_t failed = 0;
  REQUIRE(std::sscanf(answer.c_str(), "ok:%zu %zu 0", &ok, &failed) == 2);
  CHECK(ok + failed == very_many);
  CHECK(tokens_of(context, "open") == 0);
  CHECK(tokens_of(context, "answered") == very_many);
  CHECK(tokens_of(context, "refused") == very_many);
}

// That each callback hears it shows where leaks are looked for: the module frees its count at the last.
TEST_CASE("at a stop all open tokens fail, with nobody to answer them") {
  constexpr std::size_t many = very_many / 20;
  const Context keeper;
  const Loaded module(keeper, "fan");
  Context context;
  Collector collector;
  REQUIRE(bp_function_set(context.native, BP_STR("app.keep"), Collector::keep, &collector) == BP_OK);
  Replies replies;
  REQUIRE(context.submit("fan.out", replies, fan(many, "app.keep")) == BP_OK);
  REQUIRE(collector.has(many));
  CHECK(eventually([&] { return bp_context_stop(context.native, 1) == BP_OK; }));
  CHECK(replies.wait() == Seen{"canceled"});
  const bp_answer late = answer_of(BP_OK);
  for (const bp_token token : collector.tokens) REQUIRE(bp_complete(context.native, token, &late) == BP_STALE_TOKEN);
  CHECK(context.destroy() == BP_OK);
}

TEST_CASE("a call with a callback hears an answer that comes at once only when the function has returned") {
  const Context context;
  const Loaded module(context, "fan");
  REQUIRE(bp_function_set(context.native, BP_STR("app.answer"), Collector::answer, nullptr) == BP_OK);
  // Otherwise the count would come to 0, and the call be answered, before all have been started.
  CHECK(context.call("fan.out", fan(1'000, "app.answer")) == "ok:1000 0 0");
  CHECK(context.call("fan.out", fan(3, "app.nobody")) == "ok:0 0 3");
  CHECK(tokens_of(context, "open") == 0);
}

TEST_CASE("a call with a callback ends with its caller's deadline, and its module stays as long as it is out") {
  const Context context;
  Collector collector;
  REQUIRE(bp_function_set(context.native, BP_STR("app.keep"), Collector::keep, &collector) == BP_OK);
  const std::string path = module_path("fan");
  const bp_load_options options = load_options(path);
  Result loaded;
  REQUIRE(bp_module_load(context.native, &options, &loaded) == BP_OK);
  Replies replies;
  REQUIRE(context.submit("fan.out", replies, fan(5, "app.keep"), 30) == BP_OK);
  REQUIRE(collector.has(5));
  Replies canceled;
  bp_request request{};
  REQUIRE(context.submit("fan.out", canceled, fan(5, "app.keep"), 0, &request) == BP_OK);
  REQUIRE(collector.has(10));
  CHECK(bp_cancel(context.native, request) == BP_OK);
  CHECK(replies.wait() == Seen{"deadline"});
  CHECK(canceled.wait() == Seen{"canceled"});
  CHECK(eventually([&] { return tokens_of(context, "open") == 5; }));  // of the call that had no deadline
  Result pinned;
  CHECK(bp_module_unload(context.native, BP_STR("fan"), 5, &pinned) == BP_PINNED);
  CHECK(pinned.says("requests"));
  const bp_answer answer = answer_of(BP_OK);
  for (std::size_t i = 0; i < 5; ++i)
    CHECK(bp_complete(context.native, collector.tokens[i], &answer) == BP_STALE_TOKEN);
  for (std::size_t i = 5; i < 10; ++i) CHECK(bp_complete(context.native, collector.tokens[i], &answer) == BP_OK);
  Result gone;
  const bp_status status = bp_module_unload(context.native, BP_STR("fan"), 20'000, &gone);
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  CHECK((status == BP_OK || status == BP_PINNED));  // a sanitizer may keep it mapped
#else
  CHECK(status == BP_OK);
#endif
  CHECK_FALSE(gone.says("requests"));
  CHECK_FALSE(gone.says("instances"));
}
