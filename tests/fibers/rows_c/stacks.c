/* SPDX-License-Identifier: Apache-2.0
 *
 * Stacks, and how many there may be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "row.h"

enum { FRAME = 4096 };

/* Touches about `bytes` of the stack; how much it found to be as it left it. */
__attribute__((noinline)) static size_t use_stack(Actor* self, size_t bytes) {
  volatile unsigned char frame[FRAME];
  for (size_t i = 0; i < sizeof frame; i += 64) frame[i] = (unsigned char)(bytes / FRAME);
  const size_t below = bytes <= FRAME ? 0 : use_stack(self, bytes - FRAME);
  if (bytes <= FRAME) self->seen = to(self->row, MAIN); /* at the deepest */
  size_t kept = 0;
  for (size_t i = 0; i < sizeof frame; i += 64) kept += frame[i] == (unsigned char)(bytes / FRAME);
  return below + (kept == sizeof frame / 64);
}

static bp_status uses_its_stack(void* arg) {
  Actor* const self = arg;
  self->count = (int)use_stack(self, self->next);
  return park(arg);
}

static void try_stack(Row* row, uint64_t size, uint64_t used) {
  Actor* const actor = &row->actors[row->made++];
  actor->row = row;
  actor->token = row->token;
  actor->next = used;
  EXPECT_EQUAL(row, make_fiber(actor, uses_its_stack, size), BP_OK);
  EXPECT_EQUAL(row, to(row, actor->id), BP_OK);
  EXPECT_EQUAL(row, to(row, actor->id), BP_OK);
  EXPECT_EQUAL(row, actor->count - 1, used / FRAME);
}

void stack_sizes(Row* row) {
  try_stack(row, 16384, FRAME);
  try_stack(row, 16385, FRAME);
  try_stack(row, 0, 8 * FRAME); /* the default, 64 KiB; half of it, since sanitizers make frames larger */
  try_stack(row, 1024 * 1024, 128 * FRAME);
  try_stack(row, 32 * 1024 * 1024, 4096 * FRAME);
  try_stack(row, (uint64_t)1 << 30, 16 * FRAME);
  try_stack(row, 0, 8 * FRAME);
}

static bp_status parks_in_the_crowd(void* arg) {
  Actor* const self = arg;
  self->count++;
  while (to(self->row, MAIN) == BP_OK) self->count++;
  self->number++;
  return BP_CANCELED;
}

#if defined(__SANITIZE_THREAD__)
enum { MANY = 1000 }; /* it ends a process that has more than 8128 threads and fibers */
#else
enum { MANY = 10000 };
#endif

void ten_thousand(Row* row) {
  Actor* const crowd = &row->crowd;
  uint64_t* const ids = calloc(MANY, sizeof *ids);
  for (int i = 0; i < MANY; i++) {
    EXPECT_EQUAL(row, make_fiber(crowd, parks_in_the_crowd, 0), BP_OK);
    ids[i] = crowd->id;
    EXPECT_EQUAL(row, to(row, ids[i]), BP_OK);
  }
  EXPECT_EQUAL(row, crowd->count, MANY);
  for (int i = 0; i < MANY; i++) EXPECT_EQUAL(row, to(row, ids[i]), BP_OK);
  EXPECT_EQUAL(row, crowd->count, 2 * MANY);
  for (int i = 0; i < MANY; i += 2) EXPECT_EQUAL(row, end(row, ids[i]), BP_OK);
  EXPECT_EQUAL(row, crowd->number, MANY / 2);
  EXPECT_EQUAL(row, crowd->released, MANY / 2);
  EXPECT_EQUAL(row, fibers->close(row->token), BP_OK);
  EXPECT_EQUAL(row, crowd->number, MANY);
  EXPECT_EQUAL(row, crowd->released, MANY);
  free(ids);
}

static bp_status shows_its_stack(void* arg) {
  Actor* const self = arg;
  self->next = (uint64_t)(uintptr_t)__builtin_frame_address(0);
  if (self->number % 3 == 0) return CODE_SEVEN;
  self->seen = to(self->row, MAIN);
  return BP_CANCELED;
}

void stacks_reused(Row* row) {
  Actor* const actor = &row->crowd;
  uint64_t seen[8] = {0};
  int stacks = 0;
  for (actor->number = 0; actor->number < 300; actor->number++) {
    EXPECT_EQUAL(row, make_fiber(actor, shows_its_stack, 0), BP_OK);
    EXPECT_EQUAL(row, to(row, actor->id), actor->number % 3 == 0 ? CODE_SEVEN : BP_OK);
    EXPECT_EQUAL(row, end(row, actor->id), BP_OK);
    int known = 0;
    for (int i = 0; i < stacks && i < 8; i++) known |= seen[i] == actor->next;
    if (!known) seen[stacks++ % 8] = actor->next;
  }
  EXPECT(row, stacks >= 1 && stacks <= 4);
  EXPECT_EQUAL(row, actor->released, 300);
}

static rlim_t address_space_in_use(void) {
  unsigned long pages = 0;
  FILE* file = fopen("/proc/self/statm", "re");
  if (file == NULL || fscanf(file, "%lu", &pages) != 1) pages = 0;
  if (file != NULL) fclose(file);
  return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* The stack has a size that nobody else asks for here: none that was used before is at hand. */
void no_stack(Row* row) {
  Actor* const actor = &row->crowd;
  EXPECT_EQUAL(row, make_fiber(actor, park, (uint64_t)512 << 20), BP_OK);
  struct rlimit before;
  EXPECT_EQUAL(row, getrlimit(RLIMIT_AS, &before), 0);
  const struct rlimit tight = {address_space_in_use() + ((rlim_t)128 << 20), before.rlim_max};
  EXPECT_EQUAL(row, setrlimit(RLIMIT_AS, &tight), 0);
  const bp_status first = to(row, actor->id);
  const bp_status second = to(row, actor->id);
  EXPECT_EQUAL(row, setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_EQUAL(row, first, BP_OUT_OF_MEMORY);
  EXPECT_EQUAL(row, second, BP_OUT_OF_MEMORY);
  EXPECT_EQUAL(row, active(row), MAIN);
  EXPECT_EQUAL(row, actor->count + actor->released, 0);
  EXPECT_EQUAL(row, fibers->ended(row->token, NULL, NULL), BP_NOT_FOUND);
  EXPECT_EQUAL(row, to(row, actor->id), BP_OK);
  EXPECT_EQUAL(row, actor->count, 1);
}

/* Checked by the test, which looks at the stacks whenever it is asked. */
bp_handled takes_stacks(const bp_call* call) {
  static Actor ten[10];
  memset(ten, 0, sizeof ten);
  bp_status wrong = BP_OK;
  for (int i = 0; i < 10; i++) {
    ten[i].token = call->token;
    wrong |= make_fiber(&ten[i], park, 0);
  }
  wrong |= wait_for_application(call->token);
  for (int i = 0; i < 10; i++) wrong |= fibers->switch_to(call->token, ten[i].id);
  wrong |= wait_for_application(call->token);
  wrong |= fibers->close(call->token);
  wrong |= wait_for_application(call->token);
  return answer_text(call, wrong == BP_OK ? "ok" : "something failed");
}

/* The payload is how many fibers the context allows a run. */
void limit(Row* row) {
  const int allowed = (int)payload_number(row->call);
  Actor* const over = &row->crowd;
  for (int i = 0; i < allowed; i++) act(row, i == 0 ? return_code_seven : park);
  for (int turn = 0; turn < 3; turn++) EXPECT_EQUAL(row, make_fiber(over, park, 0), BP_OUT_OF_MEMORY);
  EXPECT_EQUAL(row, over->id, 0);
  EXPECT_EQUAL(row, over->released, 0);
  EXPECT_EQUAL(row, to(row, row->actors[0].id), CODE_SEVEN); /* ends, and makes room */
  act(row, park);
  EXPECT_EQUAL(row, make_fiber(over, park, 0), BP_OUT_OF_MEMORY);
  EXPECT_EQUAL(row, to(row, row->actors[1].id), BP_OK);
  EXPECT_EQUAL(row, end(row, row->actors[1].id), BP_OK); /* so does this */
  act(row, park);
  EXPECT_EQUAL(row, make_fiber(over, park, 0), BP_OUT_OF_MEMORY);
  EXPECT_EQUAL(row, fibers->close(row->token), BP_OK); /* and this */
  for (int i = 0; i < allowed; i++) act(row, park);
  EXPECT_EQUAL(row, make_fiber(over, park, 0), BP_OUT_OF_MEMORY);
}

/* Where the application has switched fibers off. */
void switched_off(Row* row) {
  expect_nothing_with(row, row->token);
  EXPECT_EQUAL(row, waits->sleep(row->token, 0), BP_OK);
}
