// SPDX-License-Identifier: Apache-2.0
//
// The module in plain C, in a real host.
#include <backplane/backplane.h>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

using Catch::Matchers::Contains;

namespace {

struct Answer {
  bp_status status = BP_OK;
  std::string payload;
  std::string message;
};

std::string text_of(bp_bytes bytes) {
  return bytes.size == 0 ? std::string() : std::string(reinterpret_cast<const char*>(bytes.data), bytes.size);
}
std::string text_of(bp_str text) { return text.size == 0 ? std::string() : std::string(text.data, text.size); }

bp_bytes bytes_of(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

class Context {
 public:
  Context() { REQUIRE(bp_context_create(nullptr, &native, nullptr) == BP_OK); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { CHECK(bp_context_destroy(native) == BP_OK); }

  /// `payload` and the answer's are encoded CBOR.
  Answer call(std::string_view name, std::string_view payload) const {
    bp_result result{};
    result.struct_size = sizeof result;
    const bp_str wire{name.data(), name.size()};
    const bp_status status = bp_call_sync(native, wire, bytes_of(payload), 10'000, &result);
    const Answer answer{status, text_of(result.payload), text_of(result.message)};
    bp_result_free(&result);
    return answer;
  }

  bp_context native{};
};

/// A context with the module; taking it out again must prove that it is gone.
struct Hello : Context {
  Hello() {
    const std::string path = BP_TEST_BUILD_DIR "/plugins/hello_c.so";
    bp_load_options options{};
    options.struct_size = sizeof options;
    options.path = path.c_str();
    bp_result result{};
    result.struct_size = sizeof result;
    const bp_status status = bp_module_load(native, &options, &result);
    INFO(text_of(result.message));
    CHECK(status == BP_OK);
    bp_result_free(&result);
  }
  ~Hello() {
    bp_result result{};
    result.struct_size = sizeof result;
    CHECK(bp_module_unload(native, BP_STR("hello_c"), 0, &result) == BP_OK);
    bp_result_free(&result);
  }
};

/// Terminal replies in the order in which they came.
struct Replies {
  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<std::string> seen;

  static void on_reply(void* user, const bp_answer* answer) {
    if (answer->status == BP_STALE) return;
    auto& self = *static_cast<Replies*>(user);
    const std::lock_guard lock(self.mutex);
    self.seen.push_back(answer->status == BP_OK ? text_of(answer->payload) : bp_status_name(answer->status));
    self.arrived.notify_one();
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex);
    arrived.wait_for(lock, std::chrono::seconds(10), [&] { return seen.size() >= count; });
    return seen;
  }
};

bp_request submit(const Context& context, std::string_view payload, Replies& replies) {
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("hello_c.later");
  submission.payload = bytes_of(payload);
  submission.on_reply = Replies::on_reply;
  submission.user = &replies;
  bp_request request{};
  REQUIRE(bp_submit(context.native, &submission, &request) == BP_OK);
  return request;
}

}  // namespace

TEST_CASE("a module in plain C greets by name and refuses what is no name") {
  const Hello hello;
  CHECK(hello
            .call("hello_c.greet",
                  "\x63"
                  "Ada")
            .payload == "\x6bHello, Ada!");
  for (const char* wrong : {"", "\x60",
                            "\x64"
                            "Ada",
                            "\x63"
                            "Adam",
                            "\x62\xc3\x28", "\x01",
                            "\x7f\x61"
                            "a\xff"}) {
    const Answer answer = hello.call("hello_c.greet", wrong);
    CHECK(answer.status == BP_BAD_PAYLOAD);
    CHECK_THAT(answer.message, Contains("found") && Contains("expected the name to greet"));
  }
}

TEST_CASE("answers of a module's own thread come when they are due, not in the order of the calls") {
  const Hello hello;
  Replies replies;
  submit(hello, "\x18\x50", replies);  // 80 ms
  submit(hello, "\x0a", replies);      // 10 ms
  CHECK(replies.wait_for(2) == std::vector<std::string>{"\x73Hello, 10 ms later!", "\x73Hello, 80 ms later!"});
}

TEST_CASE("a module in C goes although a canceled call of it is still due on its thread") {
  const Hello hello;
  Replies replies;
  const bp_request request = submit(hello, "\x19\xea\x60", replies);  // a minute
  REQUIRE(bp_cancel(hello.native, request) == BP_OK);
  CHECK(replies.wait_for(1) == std::vector<std::string>{"canceled"});
}

TEST_CASE("each context has an instance of its own") {
  const Hello hello;
  const Context other;
  hello.call("hello_c.greet",
             "\x63"
             "Ada");
  hello.call("hello_c.greet",
             "\x63"
             "Ada");
  other.call("hello_c.greet",
             "\x63"
             "Ada");
  CHECK(hello.call("hello_c.count", "").payload == "\x02");
  CHECK(other.call("hello_c.count", "").payload == "\x01");
}
