// SPDX-License-Identifier: Apache-2.0
//
// Exactly one terminal reply, however a call comes to its end.
#include <malloc.h>

#include <array>
#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "fixture.hpp"
#include "kept_thread.hpp"

using namespace host_test;

namespace {

struct Case {
  const char* module;
  const char* name;
  const char* payload;
  const char* reply;
};

bp_context_options with_stale(std::uint32_t ms) {
  bp_context_options options = no_options();
  options.stale_interval_ms = ms;
  return options;
}

}  // namespace

TEST_CASE("a call gets exactly one terminal reply, inline, later, twice or never given") {
  const Context context;
  const Case cases[] = {
      {"sleeper", "sleeper.remaining", "", "ok:none"},         {"sleeper", "sleeper.sleep", "3", "ok:3"},
      {"replies_late", "replies_late.after", "3", "ok:3"},     {"replies_late", "replies_late.race", "", "ok:0"},
      {"replies_twice", "replies_twice.call", "", "ok:first"}, {"never_replies", "never_replies.call", "", "no_reply"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    const Loaded module(context, each.module);
    for (int i = 0; i < 20; ++i) {
      Replies replies;
      REQUIRE(context.submit(each.name, replies, each.payload) == BP_OK);
      CHECK(replies.wait() == Seen{each.reply});
      context.call("no.such_name");  // a turn of the loop, in which a second reply would come
      CHECK(replies.terminal() == 1);
    }
  }
}

TEST_CASE("a second reply of a handler is refused as stale") {
  const Context context;
  const Loaded module(context, "replies_twice");
  CHECK(context.call("replies_twice.call") == "ok:first");
  CHECK(context.call("replies_twice.last_status") == "ok:" + std::to_string(BP_STALE_TOKEN));
}

TEST_CASE("a wire name that no module has is told by the reply, with the name in it") {
  const Context context;
  Replies replies;
  REQUIRE(context.submit("no.such_name", replies) == BP_OK);
  CHECK(replies.wait() == Seen{"unknown_name"});
  CHECK_THAT(replies.message(), Catch::Contains("\"no.such_name\""));
}

TEST_CASE("a canceled call gets its one reply at once, and what its handler says later is dropped") {
  const Context context;
  const Loaded sleeper(context, "sleeper");
  const Loaded late(context, "replies_late");
  const Loaded holder(context, "holder");
  const Loaded blocking(context, "blocking");
  for (const auto& [name, payload] : std::vector<std::pair<const char*, const char*>>{{"sleeper.sleep", "60000"},
                                                                                      {"replies_late.after", "20"},
                                                                                      {"holder.keep", ""},
                                                                                      {"blocking.await", "60000"}}) {
    CAPTURE(name);
    Replies replies;
    bp_request request{};
    REQUIRE(context.submit(name, replies, payload, 0, &request) == BP_OK);
    CHECK(request.id != 0);
    CHECK(bp_cancel(context.native, request) == BP_OK);
    CHECK(replies.wait() == Seen{"canceled"});
    CHECK(bp_cancel(context.native, request) == BP_INVALID_HANDLE);
  }
  Replies second;
  bp_request request{};
  REQUIRE(context.submit("holder.keep", second, "", 0, &request) == BP_OK);
  CHECK(context.call("holder.release") == "ok:1");  // of the two that it holds, one is still wanted
  CHECK(second.wait() == Seen{"ok:released"});
  CHECK(bp_cancel(context.native, request) == BP_INVALID_HANDLE);
}

TEST_CASE("a call canceled before it is dispatched never reaches its handler") {
  const Context context;
  const Loaded slow(context, "slow");
  const Loaded holder(context, "holder");
  Replies busy;
  REQUIRE(context.submit("slow.sleep", busy, "50") == BP_OK);
  Replies replies;
  bp_request request{};
  REQUIRE(context.submit("holder.keep", replies, "", 0, &request) == BP_OK);
  CHECK(bp_cancel(context.native, request) == BP_OK);
  CHECK(busy.wait() == Seen{"ok:50"});
  CHECK(replies.wait() == Seen{"canceled"});
  CHECK(context.call("holder.release") == "ok:0");
}

TEST_CASE("a call that takes long gets stale warnings with the elapsed time, then its terminal reply") {
  const Context context(with_stale(10));
  const Loaded sleeper(context, "sleeper");
  const Loaded holder(context, "holder");
  const Loaded blocking(context, "blocking");
  for (const auto& [name, payload] :
       std::vector<std::pair<const char*, const char*>>{{"sleeper.sleep", "60"}, {"blocking.one_by_one", "60"}}) {
    CAPTURE(name);
    std::vector<int> elapsed;
    Replies replies([&](const bp_answer& answer) {
      if (answer.status == BP_STALE) elapsed.push_back(std::stoi(text_of(answer.payload)));
    });
    REQUIRE(context.submit(name, replies, payload) == BP_OK);
    const Seen seen = replies.wait();
    CHECK(seen.size() >= 3);
    CHECK(seen.back().starts_with("ok:"));
    REQUIRE_FALSE(elapsed.empty());
    CHECK(elapsed.front() >= 10);
    CHECK(std::is_sorted(elapsed.begin(), elapsed.end()));
  }
  Replies held;
  REQUIRE(context.submit("holder.keep", held) == BP_OK);
  CHECK(held.wait_for(2) == Seen{"stale", "stale"});
  CHECK(context.call("holder.release") == "ok:1");
  const Seen seen = held.wait();
  CHECK(seen.back() == "ok:released");
}

TEST_CASE("a call that asks for no stale warnings gets none") {
  const Context context(with_stale(5));
  const Loaded sleeper(context, "sleeper");
  Replies replies;
  REQUIRE(context.submit("sleeper.sleep", replies, "40", 0, nullptr, BP_SUBMIT_NO_STALE) == BP_OK);
  CHECK(replies.wait() == Seen{"ok:40"});
}

TEST_CASE("a call that a handler makes warns nobody, least of all a call that was answered before it") {
  const Context context(with_stale(1));
  const Loaded sleeper(context, "sleeper");
  const Loaded asks(context, "asks");
  Replies replies[2];
  // Both in one turn of the request thread: then there are two records for the two calls that follow.
  std::atomic<int> refused{0};
  Replies begin([&](const bp_answer&) {
    for (Replies& each : replies) refused += context.submit("sleeper.remaining", each) != BP_OK;
  });
  REQUIRE(context.submit("sleeper.remaining", begin) == BP_OK);
  CHECK(begin.wait() == Seen{"ok:none"});
  REQUIRE(refused == 0);
  for (Replies& each : replies) CHECK(each.wait() == Seen{"ok:none"});
  Replies outer;
  REQUIRE(context.submit("asks.call", outer, "sleeper.sleep") == BP_OK);  // for 5 ms
  CHECK(outer.wait().back() == "ok:5");
  for (Replies& each : replies) CHECK(each.wait() == Seen{"ok:none"});
}

TEST_CASE("a stale warning may cancel the very call that it warns of") {
  const Context context(with_stale(5));
  const Loaded holder(context, "holder");
  bp_request request{};
  std::atomic<bp_status> canceled{BP_ERROR};
  Replies replies([&](const bp_answer& answer) {
    if (answer.status == BP_STALE) canceled = bp_cancel(context.native, request);
  });
  REQUIRE(context.submit("holder.keep", replies, "", 0, &request) == BP_OK);
  CHECK(replies.wait() == Seen{"stale", "canceled"});
  CHECK(canceled == BP_OK);
}

TEST_CASE("partial replies come in order and before the terminal one") {
  const Context context;
  const Loaded partials(context, "partials");
  for (const char* name : {"partials.count", "partials.late"}) {
    CAPTURE(name);
    Replies replies;
    REQUIRE(context.submit(name, replies, "10") == BP_OK);
    Seen expected;
    for (int i = 1; i <= 10; ++i) expected.push_back("partial:" + std::to_string(i));
    expected.push_back("ok:end");
    CHECK(replies.wait() == expected);
  }
  CHECK(context.call("partials.count", "10") == "ok:end");  // a synchronous call drops them
}

TEST_CASE("a canceled stream of parts ends with the one terminal reply") {
  const Context context;
  const Loaded partials(context, "partials");
  bp_request request{};
  std::atomic<int> parts{0};
  Replies replies([&](const bp_answer& answer) {
    if (answer.status == BP_PARTIAL && ++parts == 3) bp_cancel(context.native, request);
  });
  REQUIRE(context.submit("partials.late", replies, "100000", 0, &request) == BP_OK);
  const Seen seen = replies.wait();
  CHECK(seen.size() >= 4);
  CHECK(seen.back() == "canceled");
  context.call("no.such_name");
  CHECK(replies.wait_for(1).size() == seen.size());
}

TEST_CASE("a full queue refuses one more call, and takes it when there is room") {
  bp_context_options options = no_options();
  options.queue_depth = 4;
  const Context context(options);
  const Loaded slow(context, "slow");
  Replies busy;
  REQUIRE(context.submit("slow.sleep", busy, "80") == BP_OK);
  // It does not wait any more once its handler has begun; then there is room for four.
  Replies queued[5];
  bp_status status = BP_OK;
  int accepted = 0;
  const auto limit = Clock::now() + std::chrono::milliseconds(60);
  while (accepted < 4 && Clock::now() < limit) {
    if (context.submit("slow.sleep", queued[accepted], "0") == BP_OK) ++accepted;
  }
  REQUIRE(accepted == 4);
  bp_request request{77};
  status = context.submit("slow.sleep", queued[4], "0", 0, &request);
  CHECK(status == BP_OVERLOADED);
  CHECK(request.id == 0);
  for (int i = 0; i < 4; ++i) CHECK(queued[i].wait() == Seen{"ok:0"});
  CHECK(queued[4].terminal() == 0);
  CHECK(context.submit("slow.sleep", queued[4], "0") == BP_OK);
  CHECK(queued[4].wait() == Seen{"ok:0"});
}

// The header allows it: the handle is in place before the first reply can come, so another thread may read it there
// before bp_submit returns.
TEST_CASE("a cancel by a thread that reads the handle during the submit hits no call that is refused") {
  bp_context_options options = no_options();
  options.queue_depth = 1;
  const Context context(options);
  struct Call {
    std::atomic<int> terminal{0};
    bool accepted = false;
  };
  constexpr int submitters = 2;
  constexpr int each = 100'000;
  std::vector<std::vector<Call>> calls(submitters);
  for (auto& own : calls) own = std::vector<Call>(each);
  std::array<bp_request, submitters> requests{};
  std::atomic<bool> over{false};
  std::thread canceler([&] {
    while (!over) {
      for (bp_request& request : requests) {
        const std::uint64_t id = std::atomic_ref(request.id).load(std::memory_order_acquire);
        if (id != 0) bp_cancel(context.native, {id});
      }
    }
  });
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < submitters; ++i) {
    threads.emplace_back([&, i] {
      for (Call& call : calls[i]) {
        bp_submission submission{};
        submission.struct_size = sizeof submission;
        submission.name = str("no.such_name");
        submission.user = &call;
        submission.on_reply = [](void* user, const bp_answer*) { ++static_cast<Call*>(user)->terminal; };
        call.accepted = bp_submit(context.native, &submission, &requests[i]) == BP_OK;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  over = true;
  canceler.join();
  CHECK(bp_context_stop(context.native, 10'000) == BP_OK);
  int accepted = 0;
  int wrong = 0;
  for (const auto& own : calls) {
    for (const Call& call : own) {
      accepted += call.accepted;
      wrong += call.terminal != (call.accepted ? 1 : 0);
    }
  }
  CHECK(wrong == 0);
  CHECK(accepted > 0);
  CHECK(accepted < submitters * each);
}

TEST_CASE("a payload that is handed over in a buffer arrives, and stays the caller's if refused") {
  const Context context;
  const Loaded handles(context, "handles");
  const std::string large(200'000, 'b');
  bp_buffer* buffer = bp_buffer_new(large.size());
  REQUIRE(buffer != nullptr);
  std::copy(large.begin(), large.end(), buffer->data);
  buffer->size = large.size();
  Replies replies;
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("handles.put");
  submission.buffer = buffer;
  submission.user = &replies;
  CHECK(bp_submit(context.native, &submission, nullptr) == BP_MISSING_CALLBACK);
  CHECK(buffer->size == large.size());  // still ours
  submission.on_reply = Replies::on_reply;
  REQUIRE(bp_submit(context.native, &submission, nullptr) == BP_OK);
  const Seen seen = replies.wait();
  REQUIRE(seen.size() == 1);
  CHECK(context.call("handles.get", seen[0].substr(3)) == "ok:" + large);
}

namespace {

/// Whether `buffer` is still the caller's: the host would give one that it has freed to the next who asks.
bool is_ours(const bp_buffer* buffer) {
  std::vector<bp_buffer*> others;
  bool ours = true;
  for (int i = 0; i < 40; ++i) {
    others.push_back(bp_buffer_new(buffer->capacity));
    ours = ours && others.back() != buffer;
  }
  for (bp_buffer* const other : others) bp_buffer_free(other);
  return ours;
}

std::size_t allocated() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace

TEST_CASE("a call that is refused leaves its buffer with its caller, and no copy of its payload") {
  bp_context_options options = no_options();
  options.queue_depth = 4;
  const Context context(options);
  const Loaded sleeper(context, "sleeper");
  const bool has_request = GENERATE(false, true);
  const bool is_closed = GENERATE(false, true);
  CAPTURE(has_request, is_closed);
  std::optional<KeptThread> kept(context);
  Replies waiting[4];
  for (Replies& each : waiting) REQUIRE(context.submit("sleeper.remaining", each) == BP_OK);
  if (is_closed) {
    kept.reset();
    for (Replies& each : waiting) CHECK(each.wait() == Seen{"ok:none"});
    REQUIRE(bp_context_close(context.native) == BP_OK);
  }
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("sleeper.remaining");
  submission.on_reply = [](void*, const bp_answer*) {};
  const bp_status expected = is_closed ? BP_CLOSED : BP_OVERLOADED;
  bp_request request{};
  bp_request* const wanted = has_request ? &request : nullptr;

  bp_buffer* const buffer = bp_buffer_new(5'000);
  REQUIRE(buffer != nullptr);
  buffer->size = 5'000;
  submission.buffer = buffer;
  CHECK(bp_submit(context.native, &submission, wanted) == expected);
  CHECK(is_ours(buffer));
  bp_buffer_free(buffer);

  submission.buffer = nullptr;
  const std::string large(1'000'000, 'p');
  submission.payload = bytes_of(large);
  const std::size_t before = allocated();
  for (int i = 0; i < 50; ++i) REQUIRE(bp_submit(context.native, &submission, wanted) == expected);
  CHECK(allocated() < before + 5 * large.size());  // a sanitizer's allocator tells of no bytes, and of the leaks itself
  kept.reset();
  for (Replies& each : waiting) CHECK(each.wait() == Seen{"ok:none"});
}

TEST_CASE("handles of a module are typed, and their objects are freed with the instance at the latest") {
  const Context context;
  const Loaded handles(context, "handles");
  {
    const Context other;
    const std::string id = other.call("handles.put", "mine").substr(3);
    CHECK(other.call("handles.get", id) == "ok:mine");
    CHECK(other.call("handles.get_other", id) == "invalid_handle");
    CHECK(context.call("handles.get", id) == "invalid_handle");
    CHECK(context.call("handles.release", id) == "invalid_handle");
    CHECK(other.call("handles.release", id) == "ok:released");
    CHECK(other.call("handles.release", id) == "invalid_handle");
    CHECK(context.call("handles.released") == "ok:1");
    other.call("handles.put", "left behind");
  }
  CHECK(context.call("handles.released") == "ok:2");
}
