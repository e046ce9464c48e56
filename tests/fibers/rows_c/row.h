/* SPDX-License-Identifier: Apache-2.0
 *
 * What the rows in C share. A row is a program; its fibers are actors, whose state lives as long as the row.
 */
#ifndef FIBER_ROW_H
#define FIBER_ROW_H

#include "../rows.h"
#include "backplane/ext/await.h"
#include "backplane/ext/fiber.h"
#include "backplane/plugin.h"

enum { MAIN = BP_FIBER_MAIN, ACTORS_MAX = 48, CODE_SEVEN = BP_STATUS_MODULE_FIRST + 7 };

extern const bp_fiber_api* fibers;
extern const bp_await_api* waits;

typedef struct Row Row;

typedef struct Actor {
  Row* row;
  bp_token token;
  uint64_t id;
  uint64_t next; /* whom it is to switch to */
  int number;
  int count;
  int released;
  char letter;
  bp_status seen;
} Actor;

struct Row {
  const bp_call* call;
  bp_token token;
  int stop;
  int count;
  Actor actors[ACTORS_MAX];
  int made;
  Actor crowd; /* shared by fibers without number */
  char log[64];
  char wrong[600]; /* what was found first that should be otherwise; empty if nothing was */
};

void row_expect(Row* row, int holds, const char* what, const char* file, int line);
void row_expect_equal(Row* row, int64_t found, int64_t expected, const char* what, const char* file, int line);
void row_expect_log(Row* row, const char* expected, const char* file, int line);
#define EXPECT(row, condition) row_expect(row, (condition) != 0, #condition, __FILE__, __LINE__)
#define EXPECT_EQUAL(row, found, expected) \
  row_expect_equal(row, (int64_t)(found), (int64_t)(expected), #found, __FILE__, __LINE__)
#define EXPECT_LOG(row, expected) row_expect_log(row, expected, __FILE__, __LINE__)

/* One more character of the log. */
void note(Row* row, char what);

bp_status make_fiber(Actor* actor, bp_fiber_entry_fn entry, uint64_t stack_size);
/* The row's next actor, with a fiber that has not run yet. */
Actor* act(Row* row, bp_fiber_entry_fn entry);
Actor* act_as(Row* row, bp_fiber_entry_fn entry, char letter);
void note_release(void* actor);

bp_status to(const Row* row, uint64_t id);
bp_status end(const Row* row, uint64_t id);
uint64_t active(const Row* row);

/* Goes to main over and over, and counts its turns, until it is destroyed; notes its letter then, if any. */
bp_status park(void* actor);
/* Counts its turn and returns. */
bp_status return_ok(void* actor);
bp_status return_code_seven(void* actor);

/* Each function with a token that is none here: not supported, and nothing done. */
void expect_nothing_with(Row* row, bp_token token);

uint64_t payload_number(const bp_call* call);
bp_handled answer_text(const bp_call* call, const char* text);
void free_result(bp_result* result);
/* app.wait, which answers when the test says so; its status. */
bp_status wait_for_application(bp_token token);
/* One character into the descriptor that is the call's payload. */
void tell(int fd, char what);

#define ROW_FUNCTION(name) void name(Row* row);
FIBER_ROWS(ROW_FUNCTION)
FIBER_C_ROWS(ROW_FUNCTION)
#undef ROW_FUNCTION
#define LOOSE_FUNCTION(name) bp_handled name(const bp_call* call);
FIBER_LOOSE(LOOSE_FUNCTION)
#undef LOOSE_FUNCTION

bp_handled foreign_inner(const bp_call* call);
bp_handled nowhere(const bp_call* call);
bp_handled after_return(const bp_call* call);
void offered(const bp_call* call);

#endif
