/* SPDX-License-Identifier: Apache-2.0
 *
 * destroy, and what a fiber that is being destroyed may do.
 */
#include <string.h>

#include "row.h"

static bp_status destroys_itself(void* arg) {
  Actor* const self = arg;
  EXPECT_EQUAL(self->row, end(self->row, self->id), BP_INVALID_ARGUMENT);
  EXPECT_EQUAL(self->row, active(self->row), self->id);
  const bp_status last = park(arg);
  EXPECT_EQUAL(self->row, end(self->row, self->id), BP_INVALID_ARGUMENT); /* also while it is being destroyed */
  return last;
}

void destroy_self(Row* row) {
  Actor* const a = act(row, destroys_itself);
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, a->count, 2);
}

static bp_status destroys_main(void* arg) {
  Actor* const self = arg;
  EXPECT_EQUAL(self->row, end(self->row, MAIN), BP_INVALID_ARGUMENT);
  return park(arg);
}

void destroy_main(Row* row) {
  EXPECT_EQUAL(row, end(row, MAIN), BP_INVALID_ARGUMENT);
  EXPECT_EQUAL(row, to(row, act(row, destroys_main)->id), BP_OK);
  EXPECT_EQUAL(row, end(row, MAIN), BP_INVALID_ARGUMENT);
  EXPECT_EQUAL(row, active(row), MAIN);
}

void destroy_gone(Row* row) {
  EXPECT_EQUAL(row, end(row, 77), BP_OK);
  EXPECT_EQUAL(row, end(row, UINT64_MAX), BP_OK);
  Actor* const a = act(row, park);
  Actor* const b = act(row, return_code_seven);
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
  EXPECT_EQUAL(row, to(row, b->id), CODE_SEVEN);
  EXPECT_EQUAL(row, b->released, 1);
  EXPECT_EQUAL(row, end(row, b->id), BP_OK);
  EXPECT_EQUAL(row, end(row, b->id), BP_OK);
  EXPECT_EQUAL(row, a->released, 1);
  EXPECT_EQUAL(row, b->released, 1);
}

void destroy_unstarted(Row* row) {
  Actor* const a = act(row, park);
  Actor* const b = act(row, park);
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
  EXPECT_EQUAL(row, a->released, 1);
  EXPECT_EQUAL(row, b->released, 0);
  EXPECT_EQUAL(row, to(row, a->id), BP_NOT_FOUND);
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
  EXPECT_EQUAL(row, fibers->close(row->token), BP_OK);
  EXPECT_EQUAL(row, b->released, 1);
  EXPECT_EQUAL(row, a->count + b->count, 0);
}

static bp_status deep(Actor* self, int frames) {
  volatile char here = (char)frames;
  const bp_status status = frames == 0 ? to(self->row, MAIN) : deep(self, frames - 1);
  if (status == BP_CANCELED && here == (char)frames) self->number++;
  return status;
}

static bp_status suspends_deep(void* arg) {
  Actor* const self = arg;
  self->number = 0;
  self->seen = deep(self, 10);
  note(self->row, 'a');
  return self->seen;
}

void destroy_suspended(Row* row) {
  Actor* const a = act(row, suspends_deep);
  Actor* const b = act_as(row, park, 'b');
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, to(row, b->id), BP_OK);
  note(row, '1');
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
  note(row, '2');
  EXPECT_LOG(row, "1a2");
  EXPECT_EQUAL(row, a->seen, BP_CANCELED);
  EXPECT_EQUAL(row, a->number, 11);
  EXPECT_EQUAL(row, a->released, 1);
  EXPECT_EQUAL(row, active(row), MAIN);
  EXPECT_EQUAL(row, to(row, b->id), BP_OK);
  EXPECT_EQUAL(row, fibers->ended(row->token, NULL, NULL), BP_NOT_FOUND);
}

static bp_status call_outwards(Row* row, bp_status (*out)(bp_token, bp_str, bp_bytes, uint64_t, bp_result*),
                               const char* name) {
  bp_result result = {.struct_size = sizeof result};
  const bp_str view = {name, strlen(name)};
  const bp_bytes nothing = {NULL, 0};
  const bp_status status = out(row->token, view, nothing, 0, &result);
  EXPECT_EQUAL(row, result.status, status);
  free_result(&result);
  return status;
}

static bp_status tries_all(void* arg) {
  Actor* const self = arg;
  Row* const row = self->row;
  self->seen = to(row, MAIN);
  Actor* const never = &row->crowd;
  for (int turn = 0; turn < 3; turn++) {
    EXPECT_EQUAL(row, to(row, MAIN), BP_CANCELED);
    EXPECT_EQUAL(row, to(row, self->next), BP_CANCELED);
    EXPECT_EQUAL(row, make_fiber(never, park, 0), BP_CANCELED);
    EXPECT_EQUAL(row, waits->sleep(row->token, 0), BP_CANCELED);
    EXPECT_EQUAL(row, waits->sleep(row->token, 3600000), BP_CANCELED);
    EXPECT_EQUAL(row, call_outwards(row, waits->call, "fiber_c.echo"), BP_CANCELED);
    EXPECT_EQUAL(row, call_outwards(row, waits->host_call, "fiber_c_offers.try"), BP_CANCELED);
    EXPECT_EQUAL(row, waits->fd(row->token, 0, BP_FD_READABLE, 0), BP_CANCELED);
    EXPECT_EQUAL(row, active(row), self->id);
  }
  EXPECT_EQUAL(row, never->id, 0);
  EXPECT_EQUAL(row, never->released, 0);
  note(row, 'a');
  return BP_CANCELED;
}

void canceled_again(Row* row) {
  Actor* const a = act(row, tries_all);
  Actor* const b = act(row, park);
  a->next = b->id;
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
  EXPECT_LOG(row, "a");
  EXPECT_EQUAL(row, a->seen, BP_CANCELED);
  EXPECT_EQUAL(row, b->count, 0);
  /* The others, and main, are not canceled. */
  EXPECT_EQUAL(row, waits->sleep(row->token, 0), BP_OK);
  EXPECT_EQUAL(row, to(row, b->id), BP_OK);
}

static bp_status swallows(void* arg) {
  Actor* const self = arg;
  self->seen = to(self->row, self->next);
  note(self->row, self->letter);
  return self->number % 2 == 0 ? BP_OK : CODE_SEVEN;
}

static bp_status destroys_next(void* arg) {
  Actor* const self = arg;
  EXPECT_EQUAL(self->row, end(self->row, self->next), BP_OK);
  EXPECT_EQUAL(self->row, active(self->row), self->id);
  note(self->row, self->letter);
  return park(arg);
}

void swallowed(Row* row) {
  Actor* const a = act_as(row, swallows, 'A');
  Actor* const b = act_as(row, swallows, 'B');
  Actor* const c = act_as(row, swallows, 'C');
  Actor* const d = act_as(row, swallows, 'D');
  Actor* const e = act_as(row, destroys_next, 'E');
  for (Actor* each = a; each <= d; each++) EXPECT_EQUAL(row, to(row, each->id), BP_OK);
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
  EXPECT_EQUAL(row, end(row, b->id), BP_OK);
  e->next = c->id;
  EXPECT_EQUAL(row, to(row, e->id), BP_OK);
  EXPECT_LOG(row, "ABCE");
  EXPECT_EQUAL(row, fibers->ended(row->token, NULL, NULL), BP_NOT_FOUND);
  EXPECT_EQUAL(row, to(row, a->id), BP_NOT_FOUND);
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
  e->letter = 0;
  EXPECT_EQUAL(row, fibers->close(row->token), BP_OK);
  EXPECT_LOG(row, "ABCED");
  for (Actor* each = a; each <= d; each++) EXPECT_EQUAL(row, each->seen, BP_CANCELED);
}

static bp_status destroys_its_destroyer(void* arg) {
  Actor* const self = arg;
  Row* const row = self->row;
  EXPECT_EQUAL(row, to(row, MAIN), BP_CANCELED);
  EXPECT_EQUAL(row, end(row, self->next), BP_INVALID_ARGUMENT);
  EXPECT_EQUAL(row, end(row, self->id), BP_INVALID_ARGUMENT);
  EXPECT_EQUAL(row, end(row, MAIN), BP_INVALID_ARGUMENT);
  note(row, 'B');
  return BP_CANCELED;
}

void destroy_the_destroyer(Row* row) {
  Actor* const a = act_as(row, destroys_next, 'A');
  Actor* const b = act(row, destroys_its_destroyer);
  a->next = b->id;
  b->next = a->id;
  EXPECT_EQUAL(row, to(row, b->id), BP_OK);
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_LOG(row, "BA");
  EXPECT_EQUAL(row, to(row, b->id), BP_NOT_FOUND);
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
  EXPECT_EQUAL(row, a->count, 2);
}

static bp_status destroys_others_at_its_end(void* arg) {
  Actor* const self = arg;
  Row* const row = self->row;
  EXPECT_EQUAL(row, to(row, MAIN), BP_CANCELED);
  note(row, '(');
  /* The next of the chain, which does the same, and one that never ran. */
  EXPECT_EQUAL(row, end(row, self->next), BP_OK);
  EXPECT_EQUAL(row, end(row, row->actors[0].id), BP_OK);
  EXPECT_EQUAL(row, active(row), self->id);
  EXPECT_EQUAL(row, to(row, MAIN), BP_CANCELED);
  note(row, ')');
  return BP_CANCELED;
}

void destroyed_destroys(Row* row) {
  Actor* const unstarted = act(row, park);
  Actor* const first = act(row, destroys_others_at_its_end);
  for (int i = 0; i < 4; i++) act(row, destroys_others_at_its_end);
  Actor* const last = act_as(row, park, 'x');
  for (Actor* each = first; each < last; each++) {
    each->next = each[1].id;
    EXPECT_EQUAL(row, to(row, each->id), BP_OK);
  }
  EXPECT_EQUAL(row, to(row, last->id), BP_OK);
  EXPECT_EQUAL(row, end(row, first->id), BP_OK);
  EXPECT_LOG(row, "(((((x)))))");
  EXPECT_EQUAL(row, unstarted->count, 0);
  EXPECT_EQUAL(row, unstarted->released, 1);
  for (Actor* each = first; each <= last; each++) EXPECT_EQUAL(row, to(row, each->id), BP_NOT_FOUND);
}
