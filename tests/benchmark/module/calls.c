/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_calls: handlers that take payloads, emit events and call host functions. Each answers a bench_report, but take;
 * or the status and the step that went wrong.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include "calls.h"

#include <backplane/ext/await.h>
#include <backplane/ext/event.h>
#include <backplane/plugin.h>
#include <string.h>

#include "orders.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=bench_calls");
BP_MANIFEST("version=1");
BP_MANIFEST("requires=" BP_EXT_AWAIT);
BP_MANIFEST("requires=" BP_EXT_EVENT);
BP_MANIFEST("provides=bench_calls.here");
BP_MANIFEST("provides=bench_calls.take");
BP_MANIFEST("provides=bench_calls.emit");
BP_MANIFEST("provides=bench_calls.outward");
BP_MANIFEST("provides=bench_calls.stream");
BP_MANIFEST("provides=bench_calls.spin");
BP_MANIFEST("emits=bench_calls.tick");
BP_MANIFEST("calls=bench.twice");

static const bp_host_api* host;
static const bp_await_api* await;
static const bp_event_api* events;

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

static bp_handled here(const bp_call* call) { return answer_with(call, NULL, 0); }

static bp_handled take(const bp_call* call) {
  const bp_bytes payload = call->payload;
  bench_taken taken = {payload.size, 0, 0};
  if (payload.size < 16) return fail(call, BP_BAD_PAYLOAD, "expected 16 bytes or more");
  memcpy(&taken.first, payload.data, sizeof taken.first);
  memcpy(&taken.last, payload.data + payload.size - sizeof taken.last, sizeof taken.last);
  return answer_with(call, &taken, sizeof taken);
}

static bp_handled emit(const bp_call* call) {
  bench_emission order;
  bench_report report = {0};
  if (call->payload.size != sizeof order) return fail(call, BP_BAD_PAYLOAD, "order");
  memcpy(&order, call->payload.data, sizeof order);
  const uint64_t begin = bench_now();
  for (; report.done < order.count; report.done++) {
    order.before(order.user);
    memcpy(order.event, &report.done, sizeof report.done);
    const bp_bytes event = {order.event, order.event_size};
    const bp_status status = events->emit(call->instance, BP_STR("bench_calls.tick"), event, 0);
    if (status != BP_OK) return fail(call, status, "emit");
  }
  order.after(order.user);
  report.nanoseconds = bench_now() - begin;
  return answer_with(call, &report, sizeof report);
}

/* False if the answer is not twice `number`. */
static int twice(const bp_call* call, uint64_t number, bp_status* status) {
  const bp_bytes payload = {(const uint8_t*)&number, sizeof number};
  bp_result result = {.struct_size = sizeof result};
  uint64_t answer = 0;
  *status = await->host_call(call->token, BP_STR("bench.twice"), payload, 0, &result);
  if (*status == BP_OK && result.payload.size == sizeof answer) memcpy(&answer, result.payload.data, sizeof answer);
  host->result_free(&result);
  return *status == BP_OK && answer == 2 * number;
}

static bp_handled outward(const bp_call* call) {
  bench_outward order;
  bench_report report = {0};
  bp_status status = BP_OK;
  if (call->payload.size != sizeof order) return fail(call, BP_BAD_PAYLOAD, "order");
  memcpy(&order, call->payload.data, sizeof order);
  const uint64_t begin = bench_now();
  for (; report.done < order.count; report.done++) {
    const uint64_t one = order.samples == NULL ? 0 : bench_now();
    if (!twice(call, report.done + 1, &status)) return fail(call, status, "bench.twice");
    if (order.samples != NULL) order.samples[report.done] = (double)(bench_now() - one);
  }
  report.nanoseconds = bench_now() - begin;
  return answer_with(call, &report, sizeof report);
}

static bp_handled stream(const bp_call* call) {
  bench_stream order;
  bench_report report = {0};
  if (call->payload.size != sizeof order) return fail(call, BP_BAD_PAYLOAD, "order");
  memcpy(&order, call->payload.data, sizeof order);
  bp_answer part = {.struct_size = sizeof part, .status = BP_PARTIAL, .payload = {order.data, order.size}};
  const uint64_t begin = bench_now();
  for (; report.done < order.count; report.done++) {
    memcpy(order.data, &report.done, sizeof report.done);
    const bp_status status = await->part(call->token, &part, 0);
    if (status != BP_OK) return fail(call, status, "part");
  }
  report.nanoseconds = bench_now() - begin;
  return answer_with(call, &report, sizeof report);
}

static bp_handled spin(const bp_call* call) {
  uint64_t us = 0;
  for (size_t i = 0; i < call->payload.size; i++) us = us * 10 + (uint64_t)(call->payload.data[i] - '0');
  const uint64_t end = bench_now() + us * 1000;
  while (bench_now() < end) {
  }
  return answer_with(call, call->payload.data, call->payload.size);
}

static bp_status init(const bp_host_api* api, bp_module* module, void** module_data) {
  (void)module_data;
  host = api;
  await = api->extension(BP_EXT_AWAIT);
  events = api->extension(BP_EXT_EVENT);
  const bp_handler_desc all[] = {
      {.struct_size = sizeof *all, .name = BP_STR("bench_calls.here"), .handler = here},
      {.struct_size = sizeof *all, .name = BP_STR("bench_calls.take"), .handler = take},
      {.struct_size = sizeof *all, .name = BP_STR("bench_calls.emit"), .handler = emit},
      {.struct_size = sizeof *all, .name = BP_STR("bench_calls.outward"), .handler = outward},
      {.struct_size = sizeof *all, .name = BP_STR("bench_calls.stream"), .handler = stream},
      {.struct_size = sizeof *all, .name = BP_STR("bench_calls.spin"), .handler = spin},
  };
  bp_status status = BP_OK;
  for (size_t i = 0; i < sizeof all / sizeof *all && status == BP_OK; i++)
    status = host->register_handler(module, &all[i]);
  return status;
}

BP_MODULE_ENTRY = {
    sizeof(bp_module_entry), BP_ABI_MAJOR, BP_ABI_MINOR, 0, init, NULL, NULL, NULL, NULL,
};
