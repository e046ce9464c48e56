/* SPDX-License-Identifier: Apache-2.0
 *
 * How fibers end, and what becomes of them when main does.
 */
#include <string.h>

#include "row.h"

static void expect_ended(Row* row, const Actor* actor, bp_status expected) {
  uint64_t id = 0;
  bp_status status = -1;
  EXPECT_EQUAL(row, fibers->ended(row->token, &id, &status), BP_OK);
  EXPECT_EQUAL(row, id, actor->id);
  EXPECT_EQUAL(row, status, expected);
  id = 0;
  status = -1;
  EXPECT_EQUAL(row, fibers->ended(row->token, &id, NULL), BP_OK);
  EXPECT_EQUAL(row, fibers->ended(row->token, NULL, &status), BP_OK);
  EXPECT_EQUAL(row, id, actor->id);
  EXPECT_EQUAL(row, status, expected);
}

void entry_returned(Row* row) {
  Actor* const a = act(row, return_ok);
  Actor* const b = act(row, return_ok);
  EXPECT_EQUAL(row, fibers->ended(row->token, NULL, NULL), BP_NOT_FOUND);
  EXPECT_EQUAL(row, to(row, b->id), BP_ENTRY_RETURNED);
  expect_ended(row, b, BP_ENTRY_RETURNED);
  EXPECT_EQUAL(row, b->released, 1);
  EXPECT_EQUAL(row, to(row, a->id), BP_ENTRY_RETURNED);
  expect_ended(row, a, BP_ENTRY_RETURNED);
  EXPECT_EQUAL(row, to(row, a->id), BP_NOT_FOUND);
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
  EXPECT_EQUAL(row, active(row), MAIN);
  EXPECT_EQUAL(row, a->count + b->count, 2);
  EXPECT_EQUAL(row, to(row, act(row, park)->id), BP_OK);
}

void entry_failed(Row* row) {
  Actor* const a = act(row, return_code_seven);
  EXPECT_EQUAL(row, to(row, a->id), CODE_SEVEN);
  expect_ended(row, a, CODE_SEVEN);
  EXPECT_EQUAL(row, a->released, 1);
  EXPECT_EQUAL(row, to(row, a->id), BP_NOT_FOUND);
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
  /* Another, of which nobody asks: that is no error of the run. */
  EXPECT_EQUAL(row, to(row, act(row, return_code_seven)->id), CODE_SEVEN);
}

static bp_status goes_on(void* arg) {
  Actor* const self = arg;
  self->count++;
  self->seen = to(self->row, self->next);
  self->count++;
  self->seen = to(self->row, MAIN);
  return BP_CANCELED;
}

void end_reaches_main(Row* row) {
  Actor* const a = act(row, goes_on);
  Actor* const b = act(row, goes_on);
  Actor* const c = act(row, return_code_seven);
  Actor* const d = act(row, return_ok);
  a->next = b->id;
  b->next = c->id;
  EXPECT_EQUAL(row, to(row, a->id), CODE_SEVEN);
  EXPECT_EQUAL(row, active(row), MAIN);
  expect_ended(row, c, CODE_SEVEN);
  EXPECT_EQUAL(row, a->count + b->count, 2); /* neither has gone on */
  EXPECT_EQUAL(row, to(row, b->id), BP_OK);
  EXPECT_EQUAL(row, b->seen, BP_OK); /* not theirs to know */
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, a->seen, BP_OK);
  EXPECT_EQUAL(row, a->count + b->count, 4);
  EXPECT_EQUAL(row, to(row, d->id), BP_ENTRY_RETURNED);
  expect_ended(row, d, BP_ENTRY_RETURNED);
}

static bp_status closes(void* arg) {
  Actor* const self = arg;
  EXPECT_EQUAL(self->row, fibers->close(self->token), BP_INVALID_ARGUMENT);
  return park(arg);
}

void close_unwinds(Row* row) {
  Actor* const a = act_as(row, park, 'A');
  Actor* const b = act_as(row, closes, 'B');
  Actor* const never = act_as(row, park, 'X');
  Actor* const c = act_as(row, park, 'C');
  EXPECT_EQUAL(row, to(row, c->id), BP_OK); /* not the order in which they ran counts, but who was made last */
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, to(row, b->id), BP_OK);
  EXPECT_EQUAL(row, fibers->close(row->token), BP_OK);
  EXPECT_LOG(row, "CBA");
  for (const Actor* each = a; each <= c; each++) EXPECT_EQUAL(row, each->released, 1);
  EXPECT_EQUAL(row, never->count, 0);
  EXPECT_EQUAL(row, fibers->close(row->token), BP_OK);
  EXPECT_EQUAL(row, active(row), MAIN);
}

/* ---- Checked by the test: what outlives the handler is no part of its frame, and speaks through a pipe ---- */

static Actor loose[8];
static int pipe_of_test;

static bp_status parks_and_tells(void* arg) {
  Actor* const self = arg;
  while (fibers->switch_to(self->token, MAIN) == BP_OK) continue;
  tell(pipe_of_test, self->letter);
  return BP_CANCELED;
}

static void tell_release(void* arg) { tell(pipe_of_test, (char)(((Actor*)arg)->letter + ('a' - 'A'))); }

static uint64_t make_loose(const bp_call* call, int number, bp_fiber_entry_fn entry) {
  Actor* const actor = &loose[number];
  memset(actor, 0, sizeof *actor);
  actor->token = call->token;
  actor->letter = (char)('A' + number);
  bp_fiber_desc desc = {sizeof desc, 0, entry, actor, tell_release, 0};
  if (fibers->create(call->token, &desc, &actor->id) != BP_OK) tell(pipe_of_test, '!');
  return actor->id;
}

bp_handled main_ends(const bp_call* call) {
  pipe_of_test = (int)payload_number(call);
  for (int i = 0; i < 5; i++) {
    const uint64_t id = make_loose(call, i, parks_and_tells);
    if (i != 3 && fibers->switch_to(call->token, id) != BP_OK) tell(pipe_of_test, '!');
  }
  tell(pipe_of_test, '.');
  return answer_text(call, "ended");
}

bp_handled early_reply(const bp_call* call) {
  pipe_of_test = (int)payload_number(call);
  answer_text(call, "early");
  fibers->switch_to(call->token, make_loose(call, 0, parks_and_tells));
  waits->sleep(call->token, 2); /* others, and replies, have their turn */
  tell(pipe_of_test, '.');
  return BP_DONE;
}

static char letter_of(bp_status cause) { return cause == BP_CANCELED ? 'k' : cause == BP_DEADLINE ? 'd' : '?'; }

bp_handled early_and_waits(const bp_call* call) {
  pipe_of_test = (int)payload_number(call);
  answer_text(call, "early");
  fibers->switch_to(call->token, make_loose(call, 0, parks_and_tells));
  tell(pipe_of_test, letter_of(wait_for_application(call->token)));
  tell(pipe_of_test, '.');
  return BP_DONE;
}

/* With a timeout. A loaded machine may need longer to let the other begin. */
bp_handled calls_early(const bp_call* call) {
  const bp_str name = BP_STR("fiber_c.early_and_waits");
  bp_status status = BP_DEADLINE;
  int early = 0;
  for (uint64_t ms = 50; status == BP_DEADLINE && ms < 5000; ms *= 4) {
    bp_result result = {.struct_size = sizeof result};
    status = waits->call(call->token, name, call->payload, ms, &result);
    early = status == BP_OK && result.payload.size == 5 && memcmp(result.payload.data, "early", 5) == 0;
    free_result(&result);
  }
  return answer_text(call, early ? "early" : status == BP_DEADLINE ? "deadline" : "something else");
}

static uint64_t fail_to_return(const bp_call* call, bp_fiber_entry_fn entry) {
  static Actor actor;
  actor.token = call->token;
  make_fiber(&actor, entry, 0);
  fibers->switch_to(call->token, actor.id);
  return actor.id;
}

bp_handled entry_returned_unasked(const bp_call* call) {
  pipe_of_test = -1;
  answer_text(call, "fine");
  for (int i = 0; i < 5; i++) make_loose(call, i, parks_and_tells);
  for (uint64_t id = 1; id < 6; id++) fibers->destroy(call->token, id);
  fail_to_return(call, return_ok); /* the sixth */
  bp_status status = BP_OK;
  fibers->ended(call->token, NULL, &status); /* how, and not who: that asks nothing */
  fibers->ended(call->token, NULL, NULL);
  return BP_DONE;
}

bp_handled entry_returned_unasked_twice(const bp_call* call) {
  uint64_t id = 0;
  fail_to_return(call, return_ok);
  fibers->ended(call->token, &id, NULL); /* of the first, which is settled so */
  fail_to_return(call, return_ok);
  return answer_text(call, "fine");
}

bp_handled main_fails(const bp_call* call) {
  pipe_of_test = (int)payload_number(call);
  for (int i = 0; i < 2; i++) fibers->switch_to(call->token, make_loose(call, i, parks_and_tells));
  tell(pipe_of_test, '.');
  return BP_DONE; /* without an answer */
}

/* While A waits for the application, nobody wants the run any more: A hears of it, and all can still be switched to. */
static bp_status waits_until_ended(void* arg) {
  Actor* const self = arg;
  const bp_status status = wait_for_application(self->token);
  tell(pipe_of_test, letter_of(status));
  uint64_t id = 0;
  fibers->active(self->token, &id);
  if (id != self->id) tell(pipe_of_test, '!');
  if (waits->sleep(self->token, 0) != status) tell(pipe_of_test, '!');
  if (fibers->switch_to(self->token, loose[3].id) != BP_OK) tell(pipe_of_test, '!');
  tell(pipe_of_test, 'z');
  return status;
}

static bp_status comes_back(void* arg) {
  Actor* const self = arg;
  tell(pipe_of_test, 'y');
  fibers->switch_to(self->token, loose[2].id);
  tell(pipe_of_test, self->letter);
  return BP_CANCELED;
}

static void release_nothing(void* arg) { (void)arg; }

bp_handled ended_while_waiting(const bp_call* call) {
  pipe_of_test = (int)payload_number(call);
  bp_fiber_entry_fn entries[] = {parks_and_tells, parks_and_tells, waits_until_ended, comes_back};
  for (int i = 0; i < 4; i++) {
    Actor* const actor = &loose[i];
    memset(actor, 0, sizeof *actor);
    actor->token = call->token;
    actor->letter = (char)('A' + i);
    bp_fiber_desc desc = {sizeof desc, 0, entries[i], actor, release_nothing, 0};
    if (fibers->create(call->token, &desc, &actor->id) != BP_OK) tell(pipe_of_test, '!');
    if (i < 2) fibers->switch_to(call->token, actor->id);
  }
  const bp_status status = fibers->switch_to(call->token, loose[2].id);
  tell(pipe_of_test, status == BP_CANCELED || status == BP_DEADLINE ? '.' : '!');
  return answer_text(call, "too late");
}

/* A fiber hears of the deadline and switches away; destroyed then, it ends with what it heard first. */
static bp_status ends_with_the_deadline(void* arg) {
  Actor* const self = arg;
  const bp_status status = waits->sleep(self->token, 3600000);
  tell(pipe_of_test, letter_of(status));
  tell(pipe_of_test, fibers->switch_to(self->token, MAIN) == BP_CANCELED ? 'x' : '!');
  return status;
}

bp_handled deadline_kept(const bp_call* call) {
  pipe_of_test = (int)payload_number(call);
  const uint64_t id = make_loose(call, 0, ends_with_the_deadline);
  if (fibers->switch_to(call->token, id) != BP_OK) tell(pipe_of_test, '!');
  if (fibers->destroy(call->token, id) != BP_OK) tell(pipe_of_test, '!');
  tell(pipe_of_test, '.');
  return answer_text(call, "too late");
}
