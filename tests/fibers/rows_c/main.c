/* SPDX-License-Identifier: Apache-2.0
 *
 * fiber_c: the fiber suite in plain C against bp.fiber/1.
 */
#include <stdlib.h>

#include "../../fixtures/modules/testmod.h"
#include "row.h"

TM_MANIFEST("fiber_c");
BP_MANIFEST("requires=" BP_EXT_AWAIT);
BP_MANIFEST("requires=" BP_EXT_FIBER);
#define PROVIDES(row) TM_PROVIDES("fiber_c." #row);
FIBER_ROWS(PROVIDES)
FIBER_C_ROWS(PROVIDES)
FIBER_LOOSE(PROVIDES)
TM_PROVIDES("fiber_c.foreign_inner");
TM_PROVIDES("fiber_c.blocking");
TM_PROVIDES("fiber_c.static");
TM_PROVIDES("fiber_c.after_return");
BP_MANIFEST("offers=fiber_c_offers.try");

const bp_fiber_api* fibers;
const bp_await_api* waits;

typedef struct {
  const char* name;
  void (*play)(Row* row);
} Entry;

static const Entry rows[] = {
#define ROW_ENTRY(row) {"fiber_c." #row, row},
    FIBER_ROWS(ROW_ENTRY) FIBER_C_ROWS(ROW_ENTRY)};

/* Whoever made an actor's fiber gets its argument back, once. */
static void check_releases(Row* row) {
  for (int i = 0; i < row->made; i++) {
    if (row->wrong[0] != 0 || row->actors[i].released == (row->actors[i].id != 0)) continue;
    snprintf(row->wrong, sizeof row->wrong, "the fiber made as number %d has been released %d times; expected %d", i,
             row->actors[i].released, row->actors[i].id != 0);
  }
}

static bp_handled play(const bp_call* call) {
  const Entry* entry = call->data;
  Row* row = calloc(1, sizeof *row);
  row->call = call;
  row->token = call->token;
  row->crowd.row = row;
  row->crowd.token = call->token;
  entry->play(row);
  fibers->close(call->token);
  check_releases(row);
  tm_ok(call->token, row->wrong[0] == 0 ? "ok" : row->wrong);
  free(row);
  return BP_DONE;
}

static bp_status register_rows(bp_module* module) {
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    bp_handler_desc desc = {sizeof desc, 0, tm_str(rows[i].name), play, (void*)&rows[i]};
    bp_status status = tm_host->register_handler(module, &desc);
    if (status != BP_OK) return status;
  }
  return BP_OK;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  fibers = host->extension(BP_EXT_FIBER);
  waits = host->extension(BP_EXT_AWAIT);
  bp_status status = register_rows(module);
#define REGISTER(row) \
  if (status == BP_OK) status = tm_register(module, "fiber_c." #row, row);
  FIBER_LOOSE(REGISTER)
  REGISTER(foreign_inner)
  REGISTER(after_return)
  if (status == BP_OK) status = tm_register_as(module, "fiber_c.blocking", nowhere, BP_HANDLER_BLOCKING);
  if (status == BP_OK) status = tm_register_as(module, "fiber_c.static", nowhere, BP_HANDLER_STATIC);
  if (status == BP_OK) status = tm_offer(module, "fiber_c_offers.try", offered);
  return status;
}
TM_ENTRY(init);

uint64_t payload_number(const bp_call* call) { return tm_number(call->payload); }

bp_handled answer_text(const bp_call* call, const char* text) {
  tm_ok(call->token, text);
  return BP_DONE;
}

bp_handled echo(const bp_call* call) { return tm_echo(call); }

void free_result(bp_result* result) { tm_host->result_free(result); }
