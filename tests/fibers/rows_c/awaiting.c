/* SPDX-License-Identifier: Apache-2.0
 *
 * Fibers that await: the whole environment waits, and goes on in the fiber that did.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "row.h"

typedef bp_status (*Outward)(bp_token, bp_str, bp_bytes, uint64_t, bp_result*);

static void expect_answer(Row* row, Outward out, const char* name, const char* payload, const char* expected) {
  const uint64_t before = active(row);
  bp_result result = {.struct_size = sizeof result};
  const bp_str view = {name, strlen(name)};
  const bp_bytes bytes = {(const uint8_t*)payload, strlen(payload)};
  EXPECT_EQUAL(row, out(row->token, view, bytes, 0, &result), BP_OK);
  EXPECT_EQUAL(row, result.payload.size, strlen(expected));
  EXPECT(row, result.payload.size == strlen(expected) && memcmp(result.payload.data, expected, strlen(expected)) == 0);
  free_result(&result);
  EXPECT_EQUAL(row, active(row), before);
}

static bp_status sleeps(void* arg) {
  Actor* const self = arg;
  Row* const row = self->row;
  note(row, 'a');
  EXPECT_EQUAL(row, waits->sleep(row->token, 1), BP_OK);
  EXPECT_EQUAL(row, active(row), self->id);
  note(row, 'A');
  EXPECT_EQUAL(row, to(row, self->next), BP_OK);
  EXPECT_EQUAL(row, waits->sleep(row->token, 0), BP_OK);
  note(row, 'E');
  return park(arg);
}

static bp_status calls(void* arg) {
  Actor* const self = arg;
  note(self->row, 'b');
  expect_answer(self->row, waits->call, "fiber_c.echo", "over there", "over there");
  note(self->row, 'B');
  return to(self->row, self->next) == BP_OK ? park(arg) : BP_CANCELED;
}

static bp_status waits_for_descriptor(void* arg) {
  Actor* const self = arg;
  Row* const row = self->row;
  int ends[2] = {-1, -1};
  EXPECT_EQUAL(row, pipe(ends), 0);
  note(row, 'c');
  EXPECT_EQUAL(row, waits->fd(row->token, ends[0], BP_FD_READABLE, 1), BP_TIMEOUT);
  EXPECT_EQUAL(row, waits->fd(row->token, ends[1], BP_FD_WRITABLE, 0), BP_OK);
  EXPECT_EQUAL(row, active(row), self->id);
  EXPECT_EQUAL(row, write(ends[1], "x", 1), 1);
  EXPECT_EQUAL(row, waits->fd(row->token, ends[0], BP_FD_READABLE, 0), BP_OK);
  EXPECT_EQUAL(row, close(ends[0]) + close(ends[1]), 0);
  EXPECT_EQUAL(row, active(row), self->id);
  note(row, 'C');
  return to(row, self->next) == BP_OK ? park(arg) : BP_CANCELED;
}

static bp_status asks_module(void* arg) {
  Actor* const self = arg;
  note(self->row, 'd');
  expect_answer(self->row, waits->host_call, "fiber_c_offers.try", "", "ok");
  note(self->row, 'D');
  return to(self->row, self->next) == BP_OK ? park(arg) : BP_CANCELED;
}

void awaits(Row* row) {
  Actor* const a = act(row, sleeps);
  Actor* const b = act(row, calls);
  Actor* const c = act(row, waits_for_descriptor);
  Actor* const d = act(row, asks_module);
  a->next = b->id;
  b->next = c->id;
  c->next = d->id;
  d->next = a->id;
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_LOG(row, "aAbBcCdDE");
  EXPECT_EQUAL(row, active(row), MAIN);
}

static bp_status asks_application(void* arg) {
  Actor* const self = arg;
  note(self->row, self->letter);
  expect_answer(self->row, waits->host_call, "app.wait", "?", "answered");
  note(self->row, self->letter);
  return to(self->row, self->next) == BP_OK ? park(arg) : BP_CANCELED;
}

void waits_for_host(Row* row) {
  Actor* const a = act_as(row, asks_application, 'a');
  Actor* const b = act_as(row, asks_application, 'b');
  Actor* const c = act_as(row, park, 'c');
  EXPECT_EQUAL(row, to(row, c->id), BP_OK);
  a->next = b->id;
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  expect_answer(row, waits->host_call, "app.wait", "?", "answered"); /* and main, too */
  EXPECT_LOG(row, "aabb");
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, a->count, 1);
  EXPECT_EQUAL(row, c->count, 1);
}

/* The payload is how deep the nest is. Each level has an environment of its own. */
static bp_status calls_itself(void* arg) {
  Actor* const self = arg;
  char deeper[24];
  snprintf(deeper, sizeof deeper, "%d", self->number);
  if (self->number >= 0) expect_answer(self->row, waits->call, "fiber_c.nested", deeper, "ok");
  note(self->row, self->letter);
  return park(arg);
}

void nested(Row* row) {
  Actor* const a = act_as(row, calls_itself, 'a');
  Actor* const b = act_as(row, calls_itself, 'b');
  EXPECT_EQUAL(row, a->id, 1);
  EXPECT_EQUAL(row, b->id, 2);
  a->number = b->number = (int)payload_number(row->call) - 1;
  EXPECT_EQUAL(row, to(row, b->id), BP_OK);
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, act(row, park)->id, 3);
  EXPECT_LOG(row, "ba");
}

void main_waits(Row* row) {
  Actor* const a = act(row, park);
  for (int turn = 1; turn < 4; turn++) {
    EXPECT_EQUAL(row, to(row, a->id), BP_OK);
    EXPECT_EQUAL(row, waits->sleep(row->token, 1), BP_OK);
    EXPECT_EQUAL(row, active(row), MAIN);
    EXPECT_EQUAL(row, a->count, turn);
  }
}
