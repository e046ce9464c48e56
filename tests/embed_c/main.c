/* SPDX-License-Identifier: Apache-2.0
 *
 * embed_c MODULE: an application in plain C that embeds a host by backplane/backplane.h alone. It loads the
 * module `session` from the file MODULE, provides profile.fetch from a thread of its own, listens to
 * session.logged_in, calls session.login in both ways, and shuts down. One line a step; the exit code is 1
 * at the first thing that is not as expected.
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "backplane/backplane.h"
#include "items.h"
#include "profiles.h"

#define EXPECT(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))
#define EXPECT_STATUS(call, expected) expect_status(__LINE__, #call, (call), (expected))

enum { MANY = 16, PATIENCE_S = 10 };

static void fail(int line, const char* what) {
  fprintf(stderr, "embed_c: line %d: expected %s\n", line, what);
  exit(1);
}

static void expect_status(int line, const char* call, bp_status found, bp_status expected) {
  if (found == expected) return;
  fprintf(stderr, "embed_c: line %d: %s: found %s, expected %s\n", line, call, bp_status_name(found),
          bp_status_name(expected));
  exit(1);
}

static void step(const char* text) { printf("embed_c: %s\n", text); }

/* ---- What callbacks tell the main thread ---- */

typedef struct board {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  unsigned replies, good_replies; /* terminal ones */
  unsigned events, good_events;
} board;

/* Waits until *count is `wanted`; false after PATIENCE_S seconds. */
static bool wait_for(board* b, const unsigned* count, unsigned wanted) {
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += PATIENCE_S;
  pthread_mutex_lock(&b->mutex);
  int late = 0;
  while (*count < wanted && late == 0) late = pthread_cond_timedwait(&b->changed, &b->mutex, &end);
  bool reached = *count == wanted;
  pthread_mutex_unlock(&b->mutex);
  return reached;
}

static void expected_reply(item* it, const char* user) {
  bp_cbor_writer* out = begin(it);
  bp_cbor_put_map(out, 2);
  bp_cbor_put_string(out, "user_id");
  bp_cbor_put_string(out, user);
  bp_cbor_put_string(out, "profile");
  put_profile(out, user);
}

static void on_reply(void* user, const bp_answer* answer) {
  board* b = user;
  if (answer->status == BP_STALE || answer->status == BP_PARTIAL) return; /* the terminal one follows */
  item expected;
  expected_reply(&expected, "grace");
  pthread_mutex_lock(&b->mutex);
  b->replies++;
  b->good_replies += answer->status == BP_OK && same(answer->payload, &expected);
  pthread_cond_signal(&b->changed);
  pthread_mutex_unlock(&b->mutex);
}

static void on_logged_in(void* user, const bp_event* event) {
  board* b = user;
  item ada, grace;
  const char* names[] = {"ada", "grace"};
  item* items[] = {&ada, &grace};
  for (int i = 0; i < 2; i++) {
    bp_cbor_writer* out = begin(items[i]);
    bp_cbor_put_map(out, 2);
    bp_cbor_put_string(out, "eventType");
    bp_cbor_put_string(out, "session.logged_in");
    bp_cbor_put_string(out, "payload");
    put_user(out, names[i]);
  }
  bool good = (event->flags & BP_EVENT_TYPED) != 0 && (same(event->payload, &ada) || same(event->payload, &grace));
  pthread_mutex_lock(&b->mutex);
  b->events++;
  b->good_events += good;
  pthread_cond_signal(&b->changed);
  pthread_mutex_unlock(&b->mutex);
}

/* ---- Steps ---- */

static bp_status login(bp_context ctx, const char* user, bp_result* result) {
  item request;
  put_user(begin(&request), user);
  return bp_call_sync(ctx, BP_STR("session.login"), view_of(&request), PATIENCE_S * 1000, result);
}

static void load(bp_context ctx, const char* file) {
  bp_load_options options = {sizeof options, 0, file, {NULL, 0}};
  bp_result result = {.struct_size = sizeof result};
  bp_status status = bp_module_load(ctx, &options, &result);
  if (status != BP_OK) fprintf(stderr, "embed_c: %.*s\n", (int)result.message.size, result.message.data);
  EXPECT_STATUS(status, BP_OK);
  EXPECT(result.payload.size > 0);
  bp_result_free(&result);

  EXPECT_STATUS(bp_module_load(ctx, &options, &result), BP_NAME_TAKEN);
  EXPECT(result.message.size > 0);
  bp_result_free(&result);
  step("session is loaded, and is not loaded twice");
}

static void call_once(bp_context ctx) {
  bp_result result = {.struct_size = sizeof result};
  item expected;
  expected_reply(&expected, "ada");
  EXPECT_STATUS(login(ctx, "ada", &result), BP_OK);
  EXPECT(same(result.payload, &expected));
  bp_result_free(&result);
  step("session.login answers with the profile that our thread gave");

  EXPECT_STATUS(login(ctx, "nobody", &result), BP_NOT_FOUND);
  EXPECT(result.message.size > 0 && memcmp(result.message.data, "there is no user nobody", 23) == 0);
  bp_result_free(&result);
  step("an error of profile.fetch comes through to the caller");
}

static void call_many(bp_context ctx, board* b) {
  item request;
  put_user(begin(&request), "grace");
  bp_submission submission = {.struct_size = sizeof submission,
                              .name = BP_STR("session.login"),
                              .payload = view_of(&request),
                              .on_reply = on_reply,
                              .user = b};
  for (unsigned i = 0; i < MANY; i++) EXPECT_STATUS(bp_submit(ctx, &submission, NULL), BP_OK);
  EXPECT(wait_for(b, &b->replies, MANY));
  EXPECT(wait_for(b, &b->good_replies, MANY));
  step("each of 16 calls under way together gets its one answer");
}

static void refuse_what_is_wrong(bp_context ctx) {
  bp_result result = {.struct_size = sizeof result};
  bp_bytes nothing = {NULL, 0};
  EXPECT_STATUS(bp_call_sync(ctx, BP_STR("session.dance"), nothing, 1000, &result), BP_UNKNOWN_NAME);
  bp_result_free(&result);
  EXPECT_STATUS(bp_call_sync(ctx, BP_STR("session.login"), nothing, 1000, &result), BP_BAD_PAYLOAD);
  EXPECT(result.message.size > 0);
  bp_result_free(&result);

  bp_context none = {0};
  bp_context forged = {ctx.id ^ 0xffff0000u};
  EXPECT_STATUS(bp_context_close(none), BP_INVALID_HANDLE);
  EXPECT_STATUS(bp_context_close(forged), BP_INVALID_HANDLE);
  bp_submission silent = {.struct_size = sizeof silent, .name = BP_STR("session.login")};
  EXPECT_STATUS(bp_submit(ctx, &silent, NULL), BP_MISSING_CALLBACK);
  step("unknown names, wrong payloads, forged contexts and missing callbacks are refused");
}

static void listen_no_more(bp_context ctx, board* b, bp_listener listener) {
  EXPECT(wait_for(b, &b->events, MANY + 1));
  EXPECT(wait_for(b, &b->good_events, MANY + 1));
  EXPECT_STATUS(bp_unlisten(ctx, listener), BP_OK);
  EXPECT_STATUS(bp_unlisten(ctx, listener), BP_INVALID_HANDLE);
  bp_result result = {.struct_size = sizeof result};
  EXPECT_STATUS(login(ctx, "ada", &result), BP_OK);
  bp_result_free(&result);
  step("every login was heard of");
}

static void unload(bp_context ctx) {
  bp_result result = {.struct_size = sizeof result};
  EXPECT_STATUS(bp_function_set(ctx, BP_STR("profile.fetch"), NULL, NULL), BP_OK);
  EXPECT_STATUS(bp_function_set(ctx, BP_STR("profile.fetch"), NULL, NULL), BP_NOT_FOUND);
  EXPECT_STATUS(login(ctx, "ada", &result), BP_NO_HOST_FUNCTION);
  bp_result_free(&result);
  EXPECT_STATUS(bp_module_unload(ctx, BP_STR("session"), 0, &result), BP_OK);
  bp_result_free(&result);
  EXPECT_STATUS(login(ctx, "ada", &result), BP_MODULE_GONE);
  bp_result_free(&result);
  step("session is gone");
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fputs("usage: embed_c MODULE, the file of the module session\n", stderr);
    return 2;
  }
  EXPECT(bp_abi_version() == (BP_ABI_MAJOR << 16 | BP_ABI_MINOR));
  board b = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
  profiles* provider = profiles_start();
  EXPECT(provider != NULL);

  bp_context ctx;
  bp_result why = {.struct_size = sizeof why};
  EXPECT_STATUS(bp_context_create(NULL, &ctx, &why), BP_OK);
  bp_result_free(&why);
  step("a context is there");

  load(ctx, argv[1]);
  EXPECT_STATUS(login(ctx, "ada", &why), BP_NO_HOST_FUNCTION);
  bp_result_free(&why);
  EXPECT_STATUS(bp_function_set(ctx, BP_STR("profile.fetch"), profiles_fetch, provider), BP_OK);
  bp_listener listener;
  EXPECT_STATUS(bp_listen(ctx, BP_STR("session.logged_in"), on_logged_in, &b, &listener), BP_OK);

  call_once(ctx);
  call_many(ctx, &b);
  refuse_what_is_wrong(ctx);
  listen_no_more(ctx, &b, listener);
  unload(ctx);

  EXPECT_STATUS(bp_context_destroy(ctx), BP_OK);
  EXPECT_STATUS(bp_context_destroy(ctx), BP_INVALID_HANDLE);
  unsigned answered, refused;
  profiles_stop(provider, &answered, &refused);
  EXPECT(answered == MANY + 3); /* ada twice, nobody once */
  EXPECT(refused == answered);
  EXPECT(b.replies == MANY && b.events == MANY + 1);
  step("shut down; no callback came too often");
  return 0;
}
