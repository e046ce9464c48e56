// SPDX-License-Identifier: Apache-2.0
//
// The table of matrix_test.cpp: how handlers answer, and what their calls may end with.
#pragma once

#include "matrix_fixture.hpp"

namespace host_test {

inline constexpr int crowd = 12;  // calls at a time
inline constexpr int workers = 4;
inline constexpr std::uint64_t an_hour = 3'600'000;

// ---- How handlers answer ----

inline bp_handled later(MatrixFixture& fixture, const Here& here, bool at_once, bool twice) {
  const bp_host_api& host = here.host;
  fixture.hand(
      [&fixture, &host, token = here.call.token, payload = text_of(here.call.payload), twice] {
        fixture.reply(host, token, BP_OK, payload);
        if (twice) fixture.too_late(host, token);
      },
      at_once);
  fixture.arrive();
  return BP_LATER;
}

inline bp_handled pass_on(MatrixFixture& fixture, const Here& here, bp_result& result) {
  fixture.reply(here.host, here.call.token, result.status, text_of(result.payload));
  here.host.result_free(&result);
  return BP_DONE;
}

inline bp_handled replies(MatrixFixture& fixture, const Here& here) { return fixture.reply(here, BP_OK); }
inline bp_handled replies_twice(MatrixFixture& fixture, const Here& here) {
  fixture.reply(here, BP_OK);
  fixture.too_late(here.host, here.call.token);
  return BP_DONE;
}
inline bp_handled replies_in_parts(MatrixFixture& fixture, const Here& here) {
  for (int i = 0; i < 3; ++i) fixture.part(here.host, here.call.token);
  return fixture.reply(here, BP_OK);
}
inline bp_handled replies_before_return(MatrixFixture& fixture, const Here& here) {
  std::thread([&] { fixture.reply(here, BP_OK); }).join();
  return BP_LATER;
}
inline bp_handled replies_soon(MatrixFixture& fixture, const Here& here) { return later(fixture, here, true, false); }
inline bp_handled replies_later(MatrixFixture& fixture, const Here& here) { return later(fixture, here, false, false); }
inline bp_handled replies_later_twice(MatrixFixture& fixture, const Here& here) {
  return later(fixture, here, false, true);
}
inline bp_handled replies_later_in_parts(MatrixFixture& fixture, const Here& here) {
  fixture.part(here.host, here.call.token);
  fixture.hand([&fixture, &host = here.host, token = here.call.token] { fixture.part(host, token); }, false);
  return later(fixture, here, false, false);
}
inline bp_handled never_replies(MatrixFixture& fixture, const Here&) {
  fixture.arrive();
  return BP_LATER;
}
inline bp_handled forgets(MatrixFixture&, const Here&) { return BP_DONE; }
inline bp_handled sleeps(MatrixFixture& fixture, const Here& here) {
  fixture.arrive();
  return fixture.reply(here, here.await.sleep(here.call.token, an_hour));
}
inline bp_handled naps(MatrixFixture& fixture, const Here& here) {
  return fixture.reply(here, here.await.sleep(here.call.token, 1));
}
inline bp_handled calls(MatrixFixture& fixture, const Here& here) {
  bp_result result{};
  result.struct_size = sizeof result;
  here.await.call(here.call.token, BP_STR("matrix_other.run"), here.call.payload, 0, &result);
  return pass_on(fixture, here, result);
}
template <const char* const& name>
inline bp_handled asks(MatrixFixture& fixture, const Here& here) {
  bp_result result{};
  result.struct_size = sizeof result;
  here.await.host_call(here.call.token, str(name), here.call.payload, 0, &result);
  return pass_on(fixture, here, result);
}
inline constexpr const char* app_now = "app.now";
inline constexpr const char* app_later = "app.later";
inline constexpr const char* app_never = "app.never";
inline constexpr const char* app_absent = "app.absent";
inline constexpr const char* offered = "matrix_other.offered";
inline bp_handled waits_for_fd(MatrixFixture& fixture, const Here& here) {
  fixture.arrive();
  return fixture.reply(here, here.await.fd(here.call.token, fixture.descriptor(), BP_FD_READABLE, 0));
}
inline bp_handled blocks(MatrixFixture& fixture, const Here& here) {
  fixture.arrive();
  fixture.wait_open();
  return fixture.reply(here, BP_OK);
}

// The application's host functions.
inline void answer_now(void*, bp_context ctx, bp_token token, bp_str, bp_bytes payload) {
  bp_answer answer = answer_of(BP_OK);
  answer.payload = payload;
  bp_complete(ctx, token, &answer);
}
inline void answer_later(void* user, bp_context ctx, bp_token token, bp_str, bp_bytes payload) {
  auto& fixture = *static_cast<MatrixFixture*>(user);
  fixture.hand(
      [=, text = text_of(payload)] {
        const bp_answer answer = answer_of(BP_OK, text);
        bp_complete(ctx, token, &answer);
      },
      false);
  fixture.arrive();
}
inline void answer_never(void* user, bp_context, bp_token, bp_str, bp_bytes) {
  static_cast<MatrixFixture*>(user)->arrive();
}

// ---- What calls may end with ----

enum class Ending { nothing, cancel, deadline, unload, reload, close, stop, destroy, renew };

/// For each ending the statuses that are allowed; = stands for the row's own.
struct Allowed {
  const char* nothing;
  const char* cancel;
  const char* deadline;
  const char* unload;
  const char* reload;
  const char* close;
  const char* stop;
  const char* destroy;  ///< renew, too
};
// The handler goes ahead: its answer races with whatever happens.
inline constexpr Allowed races{"=", "= canceled", "= deadline", "= module_gone", "=", "=", "= canceled", "= canceled"};
// The handler's answer is held back until what happens has happened.
inline constexpr Allowed held{"=", "canceled", "deadline", "=", "=", "=", "canceled", "canceled"};
// It answers never: where nothing else ends the call, the test cancels it afterwards.
inline constexpr Allowed never{"canceled", "canceled", "deadline", "canceled",
                               "canceled", "canceled", "canceled", "canceled"};
// It has not begun, because another handler holds the request thread. When that one has returned, the stop may
// find the calls behind it begun already.
inline constexpr Allowed behind{"=", "canceled", "deadline", "module_gone", "=", "=", "= canceled", "= canceled"};

/// Who holds a thread, so that the calls cannot begin.
enum class Holder { none, request_thread, instance };

struct Row {
  const char* what;
  const char* wire;
  MatrixFixture::Handler handler;
  const char* own;  ///< the status it ends with by itself
  const Allowed& allowed;
  int arrivals = 0;  ///< handlers that come to a place where they wait
  bool inner_answers = true;
  Holder holder = Holder::none;
};

inline const Row rows[] = {
    {"replies inline", "matrix.run", replies, "ok", races},
    {"replies inline, twice", "matrix.run", replies_twice, "ok", races},
    {"replies in parts, then ends", "matrix.run", replies_in_parts, "ok", races},
    {"is answered by another thread before it returns", "matrix.run", replies_before_return, "ok", races},
    {"is answered by another thread while it returns", "matrix.run", replies_soon, "ok", races},
    {"is answered by another thread later", "matrix.run", replies_later, "ok", held, crowd},
    {"is answered by another thread later, twice", "matrix.run", replies_later_twice, "ok", held, crowd},
    {"is answered by another thread in parts", "matrix.run", replies_later_in_parts, "ok", held, crowd},
    {"promises a reply and gives none", "matrix.run", never_replies, "", never, crowd},
    {"is done and has not replied", "matrix.run", forgets, "no_reply", races},
    {"throws", "throws.now", nullptr, "exception", races},
    {"sleeps, and throws when it is woken early", "throws.late", nullptr, "", never},
    {"sleeps", "matrix.run", sleeps, "", never, crowd},
    {"sleeps shortly", "matrix.run", naps, "ok", races},
    {"awaits another wire name", "matrix.run", calls, "ok", held, crowd},
    {"awaits another wire name that never answers", "matrix.run", calls, "", never, crowd, false},
    {"awaits a host function that answers inline", "matrix.run", asks<app_now>, "ok", races},
    {"awaits a host function that nobody has", "matrix.run", asks<app_absent>, "no_host_function", races},
    {"awaits a host function that answers later", "matrix.run", asks<app_later>, "ok", held, crowd},
    {"awaits a host function that never answers", "matrix.run", asks<app_never>, "", never, crowd},
    {"awaits a module's host function", "matrix.run", asks<offered>, "ok", held, crowd},
    {"awaits a module's host function that never answers", "matrix.run", asks<offered>, "", never, crowd, false},
    {"waits for a descriptor", "matrix.run", waits_for_fd, "ok", held, crowd},
    {"runs on a worker and replies", "matrix.block", replies, "ok", races},
    {"runs on a worker, one at a time, and replies", "matrix.serial", replies, "ok", races},
    {"runs on a worker and forgets to reply", "matrix.block", forgets, "no_reply", races},
    {"runs on a worker, promises a reply and gives none", "matrix.block", never_replies, "", never, crowd},
    {"blocks on a worker, then replies", "matrix.block", blocks, "ok", held, workers},
    {"sleeps on a worker", "matrix.block", sleeps, "", never, crowd},
    {"awaits another wire name on a worker", "matrix.block", calls, "ok", held, crowd},
    {"awaits a host function on a worker", "matrix.block", asks<app_later>, "ok", held, crowd},
    {"awaits a host function on a worker, for ever", "matrix.block", asks<app_never>, "", never, crowd},
    {"waits for a descriptor on a worker", "matrix.block", waits_for_fd, "ok", held, crowd},
    {"has not begun: the request thread is held", "matrix.run", replies, "ok", behind, 1, true, Holder::request_thread},
    {"has not begun: its instance is held", "matrix.serial", replies, "ok", held, 1, true, Holder::instance},
};

}  // namespace host_test
