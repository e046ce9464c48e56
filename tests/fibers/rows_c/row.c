/* SPDX-License-Identifier: Apache-2.0 */
#include "row.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char* file_name(const char* path) {
  const char* slash = strrchr(path, '/');
  return slash == NULL ? path : slash + 1;
}

void row_expect(Row* row, int holds, const char* what, const char* file, int line) {
  if (holds || row->wrong[0] != 0) return;
  snprintf(row->wrong, sizeof row->wrong, "%s:%d: %s does not hold", file_name(file), line, what);
}

void row_expect_equal(Row* row, int64_t found, int64_t expected, const char* what, const char* file, int line) {
  if (found == expected || row->wrong[0] != 0) return;
  snprintf(row->wrong, sizeof row->wrong, "%s:%d: %s is %lld; expected %lld", file_name(file), line, what,
           (long long)found, (long long)expected);
}

void row_expect_log(Row* row, const char* expected, const char* file, int line) {
  if (strcmp(row->log, expected) == 0 || row->wrong[0] != 0) return;
  snprintf(row->wrong, sizeof row->wrong, "%s:%d: the log is \"%s\"; expected \"%s\"", file_name(file), line, row->log,
           expected);
}

void note(Row* row, char what) {
  const size_t size = strlen(row->log);
  if (size + 1 < sizeof row->log) row->log[size] = what;
}

void note_release(void* actor) { ((Actor*)actor)->released++; }

bp_status make_fiber(Actor* actor, bp_fiber_entry_fn entry, uint64_t stack_size) {
  bp_fiber_desc desc = {sizeof desc, 0, entry, actor, note_release, stack_size};
  return fibers->create(actor->token, &desc, &actor->id);
}

Actor* act(Row* row, bp_fiber_entry_fn entry) {
  Actor* const actor = &row->actors[row->made++ % ACTORS_MAX];
  actor->row = row;
  actor->token = row->token;
  actor->number = row->made;
  EXPECT_EQUAL(row, make_fiber(actor, entry, 0), BP_OK);
  return actor;
}

Actor* act_as(Row* row, bp_fiber_entry_fn entry, char letter) {
  Actor* const actor = act(row, entry);
  actor->letter = letter;
  return actor;
}

bp_status to(const Row* row, uint64_t id) { return fibers->switch_to(row->token, id); }
bp_status end(const Row* row, uint64_t id) { return fibers->destroy(row->token, id); }

uint64_t active(const Row* row) {
  uint64_t id = UINT64_MAX;
  return fibers->active(row->token, &id) == BP_OK ? id : UINT64_MAX;
}

bp_status park(void* actor) {
  Actor* const self = actor;
  do {
    self->count++;
    self->seen = fibers->switch_to(self->token, MAIN);
  } while (self->seen == BP_OK);
  if (self->letter != 0) note(self->row, self->letter);
  return BP_CANCELED;
}

bp_status return_ok(void* actor) {
  ((Actor*)actor)->count++;
  return BP_OK;
}

bp_status return_code_seven(void* actor) {
  ((Actor*)actor)->count++;
  return CODE_SEVEN;
}

bp_status wait_for_application(bp_token token) {
  bp_result result = {.struct_size = sizeof result};
  const bp_str name = BP_STR("app.wait");
  const bp_bytes nothing = {NULL, 0};
  const bp_status status = waits->host_call(token, name, nothing, 0, &result);
  free_result(&result);
  return status;
}

void tell(int fd, char what) {
  if (fd >= 0 && write(fd, &what, 1) != 1) perror("fiber_c: the test's pipe cannot be written");
}
