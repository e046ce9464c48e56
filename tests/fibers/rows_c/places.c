/* SPDX-License-Identifier: Apache-2.0
 *
 * Where there is no environment to be had: each function says so, and does nothing.
 */
#include <pthread.h>
#include <string.h>

#include "row.h"

void expect_nothing_with(Row* row, bp_token token) {
  Actor* const never = &row->crowd;
  bp_fiber_desc desc = {sizeof desc, 0, park, never, note_release, 0};
  uint64_t id = 99;
  bp_status status = -1;
  EXPECT_EQUAL(row, fibers->open(token), BP_NOT_SUPPORTED);
  EXPECT_EQUAL(row, fibers->create(token, &desc, &id), BP_NOT_SUPPORTED);
  EXPECT_EQUAL(row, fibers->switch_to(token, MAIN), BP_NOT_SUPPORTED);
  EXPECT_EQUAL(row, fibers->switch_to(token, 1), BP_NOT_SUPPORTED);
  EXPECT_EQUAL(row, fibers->destroy(token, 1), BP_NOT_SUPPORTED);
  EXPECT_EQUAL(row, fibers->active(token, &id), BP_NOT_SUPPORTED);
  EXPECT_EQUAL(row, fibers->ended(token, &id, &status), BP_NOT_SUPPORTED);
  EXPECT_EQUAL(row, fibers->close(token), BP_NOT_SUPPORTED);
  EXPECT_EQUAL(row, id, 99);
  EXPECT_EQUAL(row, status, -1);
  EXPECT_EQUAL(row, never->count + never->released, 0);
}

static void never_answered(void* user, const bp_answer* answer) {
  (void)answer;
  EXPECT(user, !"an answer of a call that was refused");
}

/* The same of bp.await/1. */
static void expect_no_wait_with(Row* row, bp_token token) {
  bp_result result = {.struct_size = sizeof result};
  const bp_str handler = BP_STR("fiber_c.echo");
  const bp_str function = BP_STR("fiber_c_offers.try");
  const bp_bytes nothing = {NULL, 0};
  EXPECT_EQUAL(row, waits->sleep(token, 0), BP_NOT_SUPPORTED);
  EXPECT_EQUAL(row, waits->fd(token, 0, BP_FD_READABLE, 1), BP_NOT_SUPPORTED);
  EXPECT_EQUAL(row, waits->call(token, handler, nothing, 0, &result), BP_NOT_SUPPORTED);
  free_result(&result);
  EXPECT_EQUAL(row, waits->host_call(token, function, nothing, 0, &result), BP_NOT_SUPPORTED);
  free_result(&result);
  EXPECT_EQUAL(row, waits->start_host_call(token, function, nothing, 0, never_answered, row), BP_NOT_SUPPORTED);
}

static Row found; /* by who has no row of its own */

static void begin_found(const bp_call* call) {
  memset(&found, 0, sizeof found);
  found.call = call;
  found.token = call->token;
}

static const char* verdict(void) { return found.wrong[0] == 0 ? "ok" : found.wrong; }

/* A blocking or static handler. */
bp_handled nowhere(const bp_call* call) {
  Row row;
  memset(&row, 0, sizeof row);
  expect_nothing_with(&row, call->token);
  return answer_text(call, row.wrong[0] == 0 ? "ok" : row.wrong);
}

static bp_token outer_token;

bp_handled foreign_inner(const bp_call* call) {
  begin_found(call);
  expect_nothing_with(&found, outer_token);
  expect_nothing_with(&found, 0);
  expect_nothing_with(&found, call->token + 1);
  EXPECT_EQUAL(&found, fibers->open(call->token), BP_OK); /* its own is good */
  expect_nothing_with(&found, outer_token);
  return answer_text(call, verdict());
}

static void ask(Row* row, bp_status (*out)(bp_token, bp_str, bp_bytes, uint64_t, bp_result*), const char* name) {
  bp_result result = {.struct_size = sizeof result};
  const bp_str view = {name, strlen(name)};
  const bp_bytes nothing = {NULL, 0};
  EXPECT_EQUAL(row, out(row->token, view, nothing, 0, &result), BP_OK);
  row_expect(row, result.payload.size == 2 && memcmp(result.payload.data, "ok", 2) == 0, verdict(), name, 0);
  free_result(&result);
}

static bp_status asks_a_stranger(void* arg) {
  Actor* const self = arg;
  ask(self->row, waits->call, "fiber_c.foreign_inner");
  EXPECT_EQUAL(self->row, active(self->row), self->id);
  return park(arg);
}

void foreign_token(Row* row) {
  outer_token = row->token;
  EXPECT_EQUAL(row, to(row, act(row, asks_a_stranger)->id), BP_OK);
  EXPECT_EQUAL(row, to(row, act(row, park)->id), BP_OK);
}

static void* on_another_thread(void* arg) {
  Row* const row = arg;
  expect_nothing_with(row, row->token);
  return NULL;
}

void other_thread(Row* row) {
  Actor* const a = act(row, park);
  pthread_t thread;
  EXPECT_EQUAL(row, pthread_create(&thread, NULL, on_another_thread, row), 0);
  pthread_join(thread, NULL);
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
}

/* A host function, with the token it is to answer and with that of the handler that called it. */
void offered(const bp_call* call) {
  begin_found(call);
  expect_nothing_with(&found, call->token);
  expect_no_wait_with(&found, call->token);
  if (outer_token != 0) {
    expect_nothing_with(&found, outer_token);
    expect_no_wait_with(&found, outer_token);
  }
  answer_text(call, verdict());
}

void in_function(Row* row) {
  outer_token = 0;
  const uint64_t made = act(row, park)->id;
  ask(row, waits->host_call, "fiber_c_offers.try");
  EXPECT_EQUAL(row, to(row, made), BP_OK);
}

void callers_token(Row* row) {
  outer_token = row->token;
  const uint64_t made = act(row, park)->id;
  ask(row, waits->host_call, "fiber_c_offers.try");
  outer_token = 0;
  EXPECT_EQUAL(row, to(row, made), BP_OK);
}

static void on_answer(void* user, const bp_answer* answer) {
  (void)user;
  EXPECT_EQUAL(&found, answer->status, BP_OK);
  expect_nothing_with(&found, outer_token);
  const bp_call call = {.struct_size = sizeof call, .token = outer_token};
  outer_token = 0;
  answer_text(&call, verdict());
}

/* Answers when the handler has long returned, from the answer of a call that it did not wait for. */
bp_handled after_return(const bp_call* call) {
  const bp_str name = BP_STR("app.wait");
  const bp_bytes nothing = {NULL, 0};
  begin_found(call);
  outer_token = call->token;
  EXPECT_EQUAL(&found, fibers->open(call->token), BP_OK);
  EXPECT_EQUAL(&found, waits->start_host_call(call->token, name, nothing, 0, on_answer, NULL), BP_OK);
  return BP_LATER;
}
