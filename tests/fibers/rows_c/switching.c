/* SPDX-License-Identifier: Apache-2.0
 *
 * Environments, create and switch_to.
 */
#include "row.h"

static bp_status opens_first(void* arg) {
  Actor* const self = arg;
  EXPECT_EQUAL(self->row, fibers->open(self->token), BP_REENTRANT);
  return park(arg);
}

void open_twice(Row* row) {
  EXPECT_EQUAL(row, fibers->close(row->token), BP_OK); /* there is none */
  EXPECT_EQUAL(row, fibers->open(row->token), BP_OK);
  EXPECT_EQUAL(row, fibers->open(row->token), BP_REENTRANT);
  EXPECT_EQUAL(row, to(row, act(row, opens_first)->id), BP_OK);
  EXPECT_EQUAL(row, fibers->close(row->token), BP_OK);

  act(row, opens_first); /* makes the next one */
  EXPECT_EQUAL(row, fibers->open(row->token), BP_REENTRANT);
  EXPECT_EQUAL(row, fibers->close(row->token), BP_OK);
  EXPECT_EQUAL(row, fibers->open(row->token), BP_OK);
}

static void expect_refused(Row* row, Actor* actor, const bp_fiber_desc* desc) {
  uint64_t id = 99;
  EXPECT_EQUAL(row, fibers->create(row->token, desc, &id), BP_INVALID_ARGUMENT);
  EXPECT_EQUAL(row, id, 99);
  EXPECT_EQUAL(row, actor->released, 0);
}

void create_refused(Row* row) {
  Actor* const actor = &row->crowd;
  const bp_fiber_desc good = {sizeof good, 0, park, actor, note_release, 0};
  bp_fiber_desc desc = good;
  EXPECT_EQUAL(row, fibers->create(row->token, &desc, NULL), BP_INVALID_ARGUMENT);
  expect_refused(row, actor, NULL);
  desc.entry = NULL;
  expect_refused(row, actor, &desc);
  desc = good;
  desc.struct_size = 8;
  expect_refused(row, actor, &desc);
  const uint64_t sizes[] = {1, 8192, (UINT64_C(1) << 30) + 1, UINT64_MAX};
  for (int i = 0; i < 4; i++) {
    desc = good;
    desc.stack_size = sizes[i];
    expect_refused(row, actor, &desc);
  }
  for (uint64_t id = 1; id < 9; id++) EXPECT_EQUAL(row, to(row, id), BP_NOT_FOUND);
  EXPECT_EQUAL(row, actor->released, 0);
  EXPECT_EQUAL(row, actor->count, 0);
  EXPECT_EQUAL(row, act(row, park)->id, 1);
}

void create_waits(Row* row) {
  Actor* const a = act(row, park);
  Actor* const b = act(row, park);
  Actor* const c = act(row, park);
  EXPECT_EQUAL(row, a->id, 1);
  EXPECT_EQUAL(row, b->id, 2);
  EXPECT_EQUAL(row, c->id, 3);
  EXPECT_EQUAL(row, a->count + b->count + c->count, 0);
  EXPECT_EQUAL(row, to(row, b->id), BP_OK);
  EXPECT_EQUAL(row, b->count, 1);
  EXPECT_EQUAL(row, a->count + c->count, 0);
}

static bp_status switches_to_itself(void* arg) {
  Actor* const self = arg;
  Row* const row = self->row;
  for (int i = 0; i < 3; i++) EXPECT_EQUAL(row, to(row, self->id), BP_OK);
  EXPECT_EQUAL(row, active(row), self->id);
  self->count++;
  return park(arg);
}

void switch_to_self(Row* row) {
  EXPECT_EQUAL(row, to(row, MAIN), BP_OK); /* of no environment yet */
  Actor* const other = act(row, park);
  EXPECT_EQUAL(row, to(row, MAIN), BP_OK);
  EXPECT_EQUAL(row, active(row), MAIN);
  Actor* const a = act(row, switches_to_itself);
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, a->count, 2);
  EXPECT_EQUAL(row, other->count, 0);
}

static bp_status switches_to_nobody(void* arg) {
  Actor* const self = arg;
  Row* const row = self->row;
  const uint64_t gone[] = {row->actors[0].id, row->actors[1].id, 77, UINT64_MAX, UINT64_C(1) << 32};
  for (int i = 0; i < 5; i++) EXPECT_EQUAL(row, to(row, gone[i]), BP_NOT_FOUND);
  EXPECT_EQUAL(row, active(row), self->id);
  return park(arg);
}

void switch_to_gone(Row* row) {
  Actor* const destroyed = act(row, park);
  Actor* const finished = act(row, return_ok);
  EXPECT_EQUAL(row, to(row, destroyed->id), BP_OK);
  EXPECT_EQUAL(row, to(row, 77), BP_NOT_FOUND);
  EXPECT_EQUAL(row, active(row), MAIN);
  EXPECT_EQUAL(row, to(row, destroyed->id), BP_OK); /* untouched */
  EXPECT_EQUAL(row, end(row, destroyed->id), BP_OK);
  EXPECT_EQUAL(row, to(row, finished->id), BP_ENTRY_RETURNED);
  uint64_t who = 0;
  EXPECT_EQUAL(row, fibers->ended(row->token, &who, NULL), BP_OK);
  EXPECT_EQUAL(row, who, finished->id);
  EXPECT_EQUAL(row, to(row, destroyed->id), BP_NOT_FOUND);
  EXPECT_EQUAL(row, to(row, finished->id), BP_NOT_FOUND);
  EXPECT_EQUAL(row, active(row), MAIN);
  Actor* const c = act(row, switches_to_nobody);
  for (int turn = 1; turn < 4; turn++) {
    EXPECT_EQUAL(row, to(row, c->id), BP_OK);
    EXPECT_EQUAL(row, c->count, turn);
  }
  EXPECT_EQUAL(row, destroyed->count, 2);
  EXPECT_EQUAL(row, finished->count, 1);
}

static bp_status looks_who_is_active(void* arg) {
  Actor* const self = arg;
  Row* const row = self->row;
  EXPECT_EQUAL(row, active(row), self->id);
  if (self->next != 0) EXPECT_EQUAL(row, to(row, self->next), BP_OK);
  EXPECT_EQUAL(row, active(row), self->id);
  note(row, self->letter);
  self->seen = to(row, self == &row->actors[1] ? row->actors[0].id : MAIN);
  EXPECT_EQUAL(row, active(row), self->id); /* also while it is being destroyed */
  return BP_CANCELED;
}

void active_on_both_sides(Row* row) {
  EXPECT_EQUAL(row, active(row), MAIN);
  EXPECT_EQUAL(row, fibers->active(row->token, NULL), BP_INVALID_ARGUMENT);
  Actor* const a = act_as(row, looks_who_is_active, 'A');
  Actor* const b = act_as(row, looks_who_is_active, 'B');
  a->next = b->id;
  EXPECT_EQUAL(row, active(row), MAIN);
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, active(row), MAIN);
  EXPECT_LOG(row, "BA");
  EXPECT_EQUAL(row, end(row, b->id), BP_OK);
  EXPECT_EQUAL(row, active(row), MAIN);
}

void ids_never_reused(Row* row) {
  for (int i = 0; i < 3; i++) act(row, park);
  EXPECT_EQUAL(row, end(row, 3), BP_OK);
  EXPECT_EQUAL(row, act(row, park)->id, 4);
  EXPECT_EQUAL(row, to(row, 4), BP_OK);
  EXPECT_EQUAL(row, end(row, 4), BP_OK);
  EXPECT_EQUAL(row, act(row, park)->id, 5);
  EXPECT_EQUAL(row, fibers->close(row->token), BP_OK);

  uint64_t last = 5;
  for (int round = 0; round < 4; round++) {
    EXPECT_EQUAL(row, fibers->open(row->token), BP_OK);
    for (uint64_t old = 1; old <= last; old++) EXPECT_EQUAL(row, to(row, old), BP_NOT_FOUND);
    Actor* const a = act(row, park);
    EXPECT(row, a->id > last);
    last = a->id;
    EXPECT_EQUAL(row, to(row, last), BP_OK);
    EXPECT_EQUAL(row, fibers->close(row->token), BP_OK);
  }
}
