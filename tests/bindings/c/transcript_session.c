/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines of session.
 */
#define _POSIX_C_SOURCE 200809L
#include "transcript.h"

typedef struct late_answer {
  bp_asked asked;
  long wait_ms;
  const char* text;
} late_answer;

static bp_bytes one_text(uint8_t* memory, size_t size, const char* text) {
  bp_cbor_writer out;
  bp_cbor_writer_fixed(&out, memory, size);
  bp_cbor_put_string(&out, text);
  return bp_cbor_view(&out);
}

static void* answer_late(void* user) {
  late_answer* late = (late_answer*)user;
  uint8_t memory[32];
  const bp_bytes item = one_text(memory, sizeof memory, late->text);
  sleep_ms(late->wait_ms);
  session_answer_profile_fetch(late->asked, &item);
  free(late);
  return NULL;
}

static void answer_from_thread(bp_asked asked, long wait_ms, const char* text) {
  late_answer* late = (late_answer*)malloc(sizeof *late);
  pthread_t thread;
  late->asked = asked;
  late->wait_ms = wait_ms;
  late->text = text;
  pthread_create(&thread, NULL, answer_late, late);
  pthread_detach(thread);
}

static void profile_fetch(void* user, const struct session_user* request, bp_asked asked) {
  const bool is_text = request->user_id.kind == SESSION_TEXT_OR_UINT64_TEXT;
  const bp_str name = is_text ? request->user_id.as.text : BP_STR("");
  uint8_t memory[64];
  bp_cbor_writer out;
  bp_bytes item;
  (void)user;
  if (bp_cbor_is(name, "bob")) {
    answer_from_thread(asked, 5, "later");
    return;
  }
  if (bp_cbor_is(name, "cid")) {
    answer_from_thread(asked, 0, "thread");
    return;
  }
  bp_cbor_writer_fixed(&out, memory, sizeof memory);
  if (bp_cbor_is(name, "dan")) {
    bp_cbor_put_map(&out, 1);
    bp_cbor_put_string(&out, "user");
    bp_cbor_put_text(&out, name);
    bp_asked_fail(asked, 1234, BP_STR("no such user"), bp_cbor_view(&out));
    return;
  }
  bp_cbor_put_map(&out, 2);
  bp_cbor_put_string(&out, "age");
  bp_cbor_put_uint(&out, 42);
  bp_cbor_put_string(&out, "name");
  if (is_text) {
    bp_cbor_put_text(&out, name);
  } else {
    bp_cbor_put_uint(&out, request->user_id.as.uint64);
  }
  item = bp_cbor_view(&out);
  session_answer_profile_fetch(asked, &item);
}

static struct session_user named(const char* name) {
  struct session_user user;
  memset(&user, 0, sizeof user);
  user.user_id.kind = SESSION_TEXT_OR_UINT64_TEXT;
  user.user_id.as.text.data = name;
  user.user_id.as.text.size = strlen(name);
  return user;
}

static void show_user(const struct session_text_or_uint64* id) {
  if (id->kind == SESSION_TEXT_OR_UINT64_TEXT) {
    text_member("user_id", id->as.text);
  } else {
    uint_member("user_id", id->as.uint64);
  }
}

static void login(const struct session_client* session, const char* name, struct session_user user) {
  struct session_logged_in reply;
  bp_error error = {0};
  must(name, session_login(session, &user, NULL, &reply, &error), &error);
  printf("%s:", name);
  show_user(&reply.user_id);
  item_member("profile", reply.profile);
  end_line();
  session_logged_in_free(&reply);
}

static void login_fails(const struct session_client* session, const char* name, const char* user, int with_message) {
  const struct session_user request = named(user);
  struct session_logged_in reply;
  bp_error error = {0};
  session_login(session, &request, NULL, &reply, &error);
  show_error(name, &error, with_message);
  session_logged_in_free(&reply);
}

typedef struct login_event {
  signal_flag flag;
  char name[16];
} login_event;

static void on_logged_in(void* user, const struct session_user* event) {
  login_event* login_of = (login_event*)user;
  snprintf(login_of->name, sizeof login_of->name, "%s", event->user_id.as.text.data);
  raise_flag(&login_of->flag);
}

void session_lines(const struct session_client* session) {
  struct session_user number = {{SESSION_TEXT_OR_UINT64_UINT64, {.uint64 = UINT64_MAX}}};
  login_event logged_in = {SIGNAL_FLAG, ""};
  bp_typed_handle *listener, *provided;
  bp_error error = {0};
  bp_str name;
  login_fails(session, "session.login alone", "ann", 0);
  must("profile.fetch", session_provide_profile_fetch(session, profile_fetch, NULL, &provided, &error), &error);
  must("session.logged_in", session_on_logged_in(session, on_logged_in, NULL, &logged_in, &listener, &error), &error);
  login(session, "session.login inline", named("ann"));
  await_flag(&logged_in.flag, "session.logged_in");
  name.data = logged_in.name;
  name.size = strlen(logged_in.name);
  printf("session.logged_in:");
  text_member("user_id", name);
  end_line();
  bp_typed_end(listener);
  login(session, "session.login number", number);
  login(session, "session.login later", named("bob"));
  login(session, "session.login thread", named("cid"));
  login_fails(session, "session.login failing", "dan", 1);
  bp_typed_end(provided);
  login_fails(session, "session.login withdrawn", "ann", 0);
}
