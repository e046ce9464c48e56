/* SPDX-License-Identifier: Apache-2.0
 *
 * Short programs whose results are known.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "row.h"

static bp_status loops_over_next(void* arg) {
  Actor* const self = arg;
  for (;;) {
    self->seen = to(self->row, self->next);
    if (self->seen == BP_CANCELED) return BP_CANCELED;
    if (self->row->stop) break;
    self->row->count++;
  }
  return park(arg);
}

static bp_status comes_four_times(void* arg) {
  Actor* const self = arg;
  for (int i = 0; i < 4; i++) EXPECT_EQUAL(self->row, to(self->row, self->next), BP_OK);
  self->row->stop = 1;
  self->seen = to(self->row, self->next);
  return BP_CANCELED;
}

void game_two_loops(Row* row) {
  Actor* const a = act(row, loops_over_next);
  Actor* const b = act(row, comes_four_times);
  a->next = b->id;
  b->next = a->id;
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, row->count, 4);
}

void game_loop_and_main(Row* row) {
  Actor* const a = act(row, loops_over_next);
  a->next = MAIN;
  for (int i = 0; i < 5; i++) EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, row->count, 4);
  row->stop = 1;
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, row->count, 4);
}

/* There along `next`, and back from where it came. */
static bp_status there_and_back(void* arg) {
  Actor* const self = arg;
  Row* const row = self->row;
  self->count++;
  if (self->next != MAIN) EXPECT_EQUAL(row, to(row, self->next), BP_OK);
  self->seen = to(row, self->id == 1 ? MAIN : self->id - 1);
  return BP_CANCELED;
}

void game_there_and_back(Row* row) {
  Actor* const a = act(row, there_and_back);
  Actor* const b = act(row, there_and_back);
  Actor* const c = act(row, there_and_back);
  a->next = b->id;
  b->next = c->id;
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  for (const Actor* each = a; each <= c; each++) {
    EXPECT_EQUAL(row, each->count, 1);
    EXPECT_EQUAL(row, end(row, each->id), BP_OK);
    EXPECT_EQUAL(row, each->seen, BP_CANCELED);
  }
}

typedef struct {
  char note;
  int next; /* actor by number, 0 for main */
} Step;

static const Step steps_of_game[3][3] = {{{'1', 2}, {'4', 3}, {'6', 0}}, {{'2', 3}, {'5', 1}}, {{'3', 1}, {'7', 2}}};

static bp_status plays_its_steps(void* arg) {
  Actor* const self = arg;
  Row* const row = self->row;
  for (const Step* step = steps_of_game[self->number - 1]; step->note != 0; step++) {
    note(row, step->note);
    self->seen = to(row, step->next == 0 ? MAIN : row->actors[step->next - 1].id);
    if (self->seen != BP_OK) return BP_CANCELED;
  }
  return BP_CANCELED;
}

void game_log(Row* row) {
  for (int i = 0; i < 3; i++) act(row, plays_its_steps);
  EXPECT_EQUAL(row, to(row, 1), BP_OK);
  EXPECT_LOG(row, "1234756");
  EXPECT_EQUAL(row, end(row, 2), BP_OK);
  EXPECT_EQUAL(row, end(row, 3), BP_OK);
  EXPECT_LOG(row, "1234756");
  EXPECT_EQUAL(row, row->actors[0].released, 0); /* A stays suspended */
}

static bp_status destroys_itself_in_vain(void* arg) {
  Actor* const self = arg;
  EXPECT_EQUAL(self->row, end(self->row, self->id), BP_INVALID_ARGUMENT);
  return park(arg);
}

void game_destroys(Row* row) {
  Actor* const a = act(row, destroys_itself_in_vain);
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, end(row, MAIN), BP_INVALID_ARGUMENT);
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
  EXPECT_EQUAL(row, to(row, a->id), BP_NOT_FOUND);
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
}

enum { ROUNDS = 1000 };

static bp_status plays_ping_pong(void* arg) {
  Actor* const self = arg;
  uint64_t sum = (uint64_t)self->number;
  double product = 1.0;
  for (int i = 0; i < ROUNDS; i++) {
    sum += (uint64_t)(i * self->number);
    product *= -1.0;
    EXPECT_EQUAL(self->row, to(self->row, self->next), BP_OK);
    self->count++;
  }
  EXPECT_EQUAL(self->row, sum, self->number + self->number * (ROUNDS * (ROUNDS - 1) / 2));
  EXPECT(self->row, product == 1.0);
  self->seen = to(self->row, MAIN);
  return BP_CANCELED;
}

void game_ping_pong(Row* row) {
  Actor* const ping = act(row, plays_ping_pong);
  Actor* const pong = act(row, plays_ping_pong);
  ping->next = pong->id;
  pong->next = ping->id;
  EXPECT_EQUAL(row, to(row, ping->id), BP_OK);
  EXPECT_EQUAL(row, ping->count, ROUNDS);
  EXPECT_EQUAL(row, to(row, pong->id), BP_OK);
  EXPECT_EQUAL(row, pong->count, ROUNDS);
}

static int sum_down(Actor* self, int n) {
  const int mine = n * self->number;
  EXPECT_EQUAL(self->row, to(self->row, self->next), BP_OK);
  const int below = n == 0 ? 0 : sum_down(self, n - 1);
  EXPECT_EQUAL(self->row, to(self->row, self->next), BP_OK);
  return mine + below;
}

static bp_status recurses(void* arg) {
  Actor* const self = arg;
  self->count = sum_down(self, 20);
  self->seen = to(self->row, MAIN);
  return BP_CANCELED;
}

void game_recursion(Row* row) {
  Actor* const a = act(row, recurses);
  Actor* const b = act(row, recurses);
  a->next = b->id;
  b->next = a->id;
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, to(row, b->id), BP_OK);
  EXPECT_EQUAL(row, a->count, 210 * a->number);
  EXPECT_EQUAL(row, b->count, 210 * b->number);
}

void game_twenty(Row* row) {
  for (int i = 0; i < 40; i++) act(row, park);
  for (int round = 1; round < 4; round++) {
    for (int i = 0; i < 20; i++) {
      EXPECT_EQUAL(row, to(row, row->actors[i].id), BP_OK);
      EXPECT_EQUAL(row, row->actors[i].count, round);
    }
  }
  for (int i = 20; i < 40; i++) {
    EXPECT_EQUAL(row, end(row, row->actors[i].id), BP_OK);
    EXPECT_EQUAL(row, row->actors[i].released, 1);
    EXPECT_EQUAL(row, row->actors[i].count, 0);
  }
}

enum { HEAP = 64 * 1024 };

static bp_status keeps_heap_and_file(void* arg) {
  Actor* const self = arg;
  Row* const row = self->row;
  unsigned char* const mine = malloc(HEAP);
  FILE* const file = tmpfile();
  memset(mine, self->letter, HEAP);
  EXPECT(row, file != NULL && fputs("first ", file) >= 0);
  EXPECT_EQUAL(row, to(row, self->next), BP_OK);
  int wrong = 0;
  for (int i = 0; i < HEAP; i++) wrong += mine[i] != (unsigned char)self->letter;
  EXPECT_EQUAL(row, wrong, 0);
  char text[32] = "";
  EXPECT(row, file != NULL && fputs("second", file) >= 0);
  if (file != NULL) rewind(file);
  EXPECT(row, file != NULL && fgets(text, sizeof text, file) != NULL && strcmp(text, "first second") == 0);
  if (file != NULL) fclose(file);
  free(mine);
  note(row, self->letter);
  return park(arg);
}

static bp_status allocates(void* arg) {
  Actor* const self = arg;
  for (int i = 0; i < 50; i++) {
    void* const block = malloc(HEAP);
    memset(block, 'x', HEAP);
    free(block);
  }
  self->seen = to(self->row, self->next);
  return BP_CANCELED;
}

void game_heap_and_file(Row* row) {
  Actor* const a = act_as(row, keeps_heap_and_file, 'a');
  Actor* const b = act(row, allocates);
  a->next = b->id;
  b->next = a->id;
  EXPECT_EQUAL(row, to(row, a->id), BP_OK);
  EXPECT_EQUAL(row, row->log[0], 'a');
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
}

void game_code_seven(Row* row) {
  Actor* const a = act(row, return_code_seven);
  bp_status status = BP_OK;
  EXPECT_EQUAL(row, to(row, a->id), BP_STATUS_MODULE_FIRST + 7);
  EXPECT_EQUAL(row, fibers->ended(row->token, NULL, &status), BP_OK);
  EXPECT_EQUAL(row, status - BP_STATUS_MODULE_FIRST, 7);
  EXPECT_EQUAL(row, end(row, a->id), BP_OK);
}
