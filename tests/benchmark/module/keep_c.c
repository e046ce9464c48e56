/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_keep: calls that wait, by the hundred thousand. Counts travel as 8 bytes of this machine's order.
 *   bench_keep.room N   makes room for N tokens, so that it is there before anything is measured
 *   bench_keep.keep     is answered later: the k-th, counted from 0, with k
 *   bench_keep.ask      awaits the host function app.gate, and answers what that says
 *   bench_keep.kept     answers how many are being kept
 *   bench_keep.release  answers all of them, in their order
 *   bench_keep.work     runs on a worker, emits an event, and answers its payload
 */
#include <backplane/ext/await.h>
#include <backplane/ext/event.h>
#include <backplane/plugin.h>
#include <stdlib.h>
#include <string.h>

BP_MANIFEST_ABI;
BP_MANIFEST("name=bench_keep");
BP_MANIFEST("version=1");
BP_MANIFEST("requires=" BP_EXT_AWAIT);
BP_MANIFEST("requires=" BP_EXT_EVENT);
BP_MANIFEST("provides=bench_keep.room");
BP_MANIFEST("provides=bench_keep.keep");
BP_MANIFEST("provides=bench_keep.ask");
BP_MANIFEST("provides=bench_keep.kept");
BP_MANIFEST("provides=bench_keep.release");
BP_MANIFEST("provides=bench_keep.work");
BP_MANIFEST("emits=bench_keep.worked");

static const bp_host_api* host;
static const bp_await_api* await;
static const bp_event_api* events;

typedef struct keeper {
  bp_token* tokens;
  uint64_t count;
  uint64_t room;
} keeper;

static bp_bytes bytes_of(const uint64_t* number) { return (bp_bytes){(const uint8_t*)number, sizeof *number}; }

static bp_status reply(bp_token token, bp_status status, bp_bytes payload) {
  const bp_answer answer = {.struct_size = sizeof answer, .status = status, .payload = payload};
  return host->reply(token, &answer);
}

static bp_handled number(const bp_call* call, uint64_t value) {
  reply(call->token, BP_OK, bytes_of(&value));
  return BP_DONE;
}

static bp_handled fail(const bp_call* call, bp_status status) {
  reply(call->token, status, (bp_bytes){NULL, 0});
  return BP_DONE;
}

static bp_handled room(const bp_call* call) {
  keeper* const self = call->state;
  uint64_t wanted = 0;
  if (call->payload.size != sizeof wanted) return fail(call, BP_BAD_PAYLOAD);
  memcpy(&wanted, call->payload.data, sizeof wanted);
  bp_token* const tokens = malloc(wanted * sizeof *tokens);
  if (tokens == NULL) return fail(call, BP_OUT_OF_MEMORY);
  memset(tokens, 1, wanted * sizeof *tokens); /* in memory from now on */
  free(self->tokens);
  *self = (keeper){tokens, 0, wanted};
  return number(call, wanted);
}

static bp_handled keep(const bp_call* call) {
  keeper* const self = call->state;
  if (self->count == self->room) return fail(call, BP_OVERLOADED);
  self->tokens[self->count++] = call->token;
  return BP_LATER;
}

static bp_handled ask(const bp_call* call) {
  bp_result result = {.struct_size = sizeof result};
  const bp_status status = await->host_call(call->token, BP_STR("app.gate"), call->payload, 0, &result);
  reply(call->token, status, result.payload);
  host->result_free(&result);
  return BP_DONE;
}

static bp_handled kept(const bp_call* call) { return number(call, ((const keeper*)call->state)->count); }

static bp_handled release(const bp_call* call) {
  keeper* const self = call->state;
  uint64_t answered = 0;
  for (uint64_t k = 0; k < self->count; k++) answered += reply(self->tokens[k], BP_OK, bytes_of(&k)) == BP_OK;
  self->count = 0;
  return number(call, answered);
}

static bp_handled work(const bp_call* call) {
  const bp_status status = events->emit(call->instance, BP_STR("bench_keep.worked"), call->payload, 0);
  reply(call->token, status, call->payload);
  return BP_DONE;
}

static bp_status create(void* module_data, bp_instance* instance, void** state) {
  (void)module_data, (void)instance;
  *state = calloc(1, sizeof(keeper));
  return *state == NULL ? BP_OUT_OF_MEMORY : BP_OK;
}

static void destroy(void* state) {
  free(((keeper*)state)->tokens);
  free(state);
}

static bp_status init(const bp_host_api* api, bp_module* module, void** module_data) {
  (void)module_data;
  host = api;
  await = api->extension(BP_EXT_AWAIT);
  events = api->extension(BP_EXT_EVENT);
  const bp_handler_desc all[] = {
      {.struct_size = sizeof *all, .name = BP_STR("bench_keep.room"), .handler = room},
      {.struct_size = sizeof *all, .name = BP_STR("bench_keep.keep"), .handler = keep},
      {.struct_size = sizeof *all, .name = BP_STR("bench_keep.ask"), .handler = ask},
      {.struct_size = sizeof *all, .name = BP_STR("bench_keep.kept"), .handler = kept},
      {.struct_size = sizeof *all, .name = BP_STR("bench_keep.release"), .handler = release},
      {.struct_size = sizeof *all, .flags = BP_HANDLER_BLOCKING, .name = BP_STR("bench_keep.work"), .handler = work},
  };
  bp_status status = BP_OK;
  for (size_t i = 0; i < sizeof all / sizeof *all && status == BP_OK; i++)
    status = host->register_handler(module, &all[i]);
  return status;
}

BP_MODULE_ENTRY = {
    sizeof(bp_module_entry), BP_ABI_MAJOR, BP_ABI_MINOR, 0, init, NULL, create, destroy, NULL,
};
