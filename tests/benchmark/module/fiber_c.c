/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_c: bp.fiber/1 as a module in plain C uses it. Each wire name takes a bench_order and answers a
 * bench_report, or the status and the step that went wrong.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include <backplane/ext/fiber.h>
#include <backplane/plugin.h>
#include <stdlib.h>
#include <string.h>

#include "orders.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=bench_c");
BP_MANIFEST("version=1");
BP_MANIFEST("requires=" BP_EXT_FIBER);
BP_MANIFEST("provides=bench_c.here");
BP_MANIFEST("provides=bench_c.switch");
BP_MANIFEST("provides=bench_c.create");
BP_MANIFEST("provides=bench_c.many");

static const bp_host_api* host;
static const bp_fiber_api* fibers;

static bp_handled fail(const bp_call* call, bp_status status, const char* step) {
  bp_answer answer = {.struct_size = sizeof answer, .status = status == BP_OK ? BP_ERROR : status};
  answer.message = (bp_str){step, strlen(step)};
  host->reply(call->token, &answer);
  return BP_DONE;
}

static bp_handled answer_with(const bp_call* call, const void* data, size_t size) {
  bp_answer answer = {.struct_size = sizeof answer, .status = BP_OK, .payload = {data, size}};
  host->reply(call->token, &answer);
  return BP_DONE;
}

static int read_order(const bp_call* call, bench_order* order) {
  if (call->payload.size != sizeof *order) return 0;
  memcpy(order, call->payload.data, sizeof *order);
  return 1;
}

/* For what the program itself wants to do on the request thread, in its reply callback. */
static bp_handled here(const bp_call* call) { return answer_with(call, NULL, 0); }

/* ---- switch: there and back ------------------------------------------------------------------------ */

typedef struct partner {
  bp_token token;
  uint64_t switched; /* how often it was switched to */
} partner;

static bp_status switch_back(void* arg) {
  partner* const self = arg;
  const bp_token token = self->token;
  bp_status status = BP_OK;
  while (status == BP_OK) {
    ++self->switched;
    status = fibers->switch_to(token, BP_FIBER_MAIN);
  }
  return status;
}

static bp_handled switch_pairs(const bp_call* call) {
  bench_order order;
  bench_report report = {0};
  if (!read_order(call, &order)) return fail(call, BP_BAD_PAYLOAD, "order");
  partner other = {call->token, 0};
  const bp_fiber_desc desc = {.struct_size = sizeof desc, .entry = switch_back, .arg = &other};
  uint64_t id = 0;
  bp_status status = fibers->create(call->token, &desc, &id);
  if (status != BP_OK) return fail(call, status, "create");
  if ((status = fibers->switch_to(call->token, id)) != BP_OK) return fail(call, status, "first switch");
  const uint64_t begin = bench_now();
  for (uint64_t i = 0; i < order.count && status == BP_OK; i++) status = fibers->switch_to(call->token, id);
  report.nanoseconds = bench_now() - begin;
  report.done = other.switched - 1;
  if (status != BP_OK) return fail(call, status, "switch");
  if ((status = fibers->destroy(call->token, id)) != BP_OK) return fail(call, status, "destroy");
  return answer_with(call, &report, sizeof report);
}

/* ---- create: make, run to the end ------------------------------------------------------------------ */

static bp_status count_and_return(void* arg) {
  ++*(uint64_t*)arg;
  return BP_OK;
}

static bp_handled create_and_finish(const bp_call* call) {
  bench_order order;
  bench_report report = {0};
  if (!read_order(call, &order)) return fail(call, BP_BAD_PAYLOAD, "order");
  const bp_fiber_desc desc = {.struct_size = sizeof desc, .entry = count_and_return, .arg = &report.done};
  bp_status status = BP_OK;
  uint64_t id = 0;
  const uint64_t begin = bench_now();
  for (uint64_t i = 0; i < order.count; i++) {
    if ((status = fibers->create(call->token, &desc, &id)) != BP_OK) return fail(call, status, "create");
    /* BP_ENTRY_RETURNED is how a fiber ends that simply returns; the only end that costs no more than itself. */
    if ((status = fibers->switch_to(call->token, id)) != BP_ENTRY_RETURNED) return fail(call, status, "switch");
  }
  report.nanoseconds = bench_now() - begin;
  uint64_t last = 0;
  if ((status = fibers->ended(call->token, &last, NULL)) != BP_OK) return fail(call, status, "ended");
  if (last != id) return fail(call, BP_ERROR, "ended names another fiber than the last");
  return answer_with(call, &report, sizeof report);
}

/* ---- many: all suspended at once, then canceled ----------------------------------------------------- */

typedef struct crowd {
  bp_token token;
  uint64_t canceled;
} crowd;

static bp_status wait_for_the_end(void* arg) {
  crowd* const all = arg;
  const bp_status status = fibers->switch_to(all->token, BP_FIBER_MAIN);
  if (status == BP_CANCELED) ++all->canceled;
  return status;
}

static bp_status make_all(crowd* all, uint64_t* ids, uint64_t count, const char** step) {
  const bp_fiber_desc desc = {.struct_size = sizeof desc, .entry = wait_for_the_end, .arg = all};
  bp_status status = BP_OK;
  for (uint64_t i = 0; i < count && status == BP_OK; i++) {
    *step = "create";
    if ((status = fibers->create(all->token, &desc, &ids[i])) != BP_OK) break;
    *step = "switch";
    status = fibers->switch_to(all->token, ids[i]);
  }
  return status;
}

static bp_status end_all(const crowd* all, const uint64_t* ids, const bench_order* order) {
  if (order->close != 0) return fibers->close(all->token);
  bp_status status = BP_OK;
  for (uint64_t i = 0; i < order->count && status == BP_OK; i++) status = fibers->destroy(all->token, ids[i]);
  return status;
}

static bp_handled many(const bp_call* call) {
  bench_order order;
  bench_report report = {0};
  if (!read_order(call, &order)) return fail(call, BP_BAD_PAYLOAD, "order");
  crowd all = {call->token, 0};
  uint64_t* const ids = malloc(order.count * sizeof *ids);
  if (ids == NULL) return fail(call, BP_OUT_OF_MEMORY, "the list of ids");
  memset(ids, 1, order.count * sizeof *ids); /* so that it is in memory when the counting begins */
  const char* step = "open";
  bp_status status = fibers->open(call->token);
  report.resident_before = bench_resident();
  if (status == BP_OK) status = make_all(&all, ids, order.count, &step);
  report.resident_after = bench_resident();
  if (status == BP_OK) {
    step = "the end of all";
    const uint64_t begin = bench_now();
    status = end_all(&all, ids, &order);
    report.nanoseconds = bench_now() - begin;
  }
  fibers->close(call->token); /* whoever is left after a failure still knows `all` */
  free(ids);
  report.done = all.canceled;
  return status == BP_OK ? answer_with(call, &report, sizeof report) : fail(call, status, step);
}

/* ---- The module --------------------------------------------------------------------------------------- */

static bp_status init(const bp_host_api* api, bp_module* module, void** module_data) {
  (void)module_data;
  host = api;
  fibers = api->extension(BP_EXT_FIBER);
  const bp_handler_desc all[] = {
      {.struct_size = sizeof *all, .name = BP_STR("bench_c.here"), .handler = here},
      {.struct_size = sizeof *all, .name = BP_STR("bench_c.switch"), .handler = switch_pairs},
      {.struct_size = sizeof *all, .name = BP_STR("bench_c.create"), .handler = create_and_finish},
      {.struct_size = sizeof *all, .name = BP_STR("bench_c.many"), .handler = many},
  };
  bp_status status = BP_OK;
  for (size_t i = 0; i < sizeof all / sizeof *all && status == BP_OK; i++)
    status = host->register_handler(module, &all[i]);
  return status;
}

BP_MODULE_ENTRY = {
    sizeof(bp_module_entry), BP_ABI_MAJOR, BP_ABI_MINOR, 0, init, NULL, NULL, NULL, NULL,
};
