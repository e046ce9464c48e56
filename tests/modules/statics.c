/* SPDX-License-Identifier: Apache-2.0
 *
 * Static names. statics.echo answers its payload; statics.bare answers "bare" if it has no instance;
 * statics.silent does not reply, statics.later says that it will; statics.tries answers the statuses of a
 * partial reply, of a sleep, of its reply and, from then on, of a second one, which the next call tells;
 * statics.slow N blocks for N ms. statics.plain is not static.
 */
#define _POSIX_C_SOURCE 200809L /* nanosleep */
#include <time.h>

#include "backplane/ext/await.h"
#include "testmod.h"

TM_MANIFEST("statics");
BP_MANIFEST("requires=" BP_EXT_AWAIT);
TM_PROVIDES("statics.echo");
TM_PROVIDES("statics.bare");
TM_PROVIDES("statics.silent");
TM_PROVIDES("statics.later");
TM_PROVIDES("statics.tries");
TM_PROVIDES("statics.slow");
TM_PROVIDES("statics.plain");

static const bp_await_api* await;

static bp_handled bare(const bp_call* call) {
  tm_ok(call->token, call->instance == NULL && call->state == NULL ? "bare" : "has an instance");
  return BP_DONE;
}

static bp_handled silent(const bp_call* call) {
  (void)call;
  return BP_DONE;
}

static bp_handled later(const bp_call* call) {
  (void)call;
  return BP_LATER;
}

static bp_handled tries(const bp_call* call) {
  static _Thread_local bp_status second; /* of the call before */
  char text[64];
  bp_status partial = tm_answer(call->token, BP_PARTIAL, "x", 1);
  bp_status sleep = await->sleep(call->token, 1);
  snprintf(text, sizeof text, "%d %d %d", (int)partial, (int)sleep, (int)second);
  tm_ok(call->token, text);
  second = tm_ok(call->token, text);
  return BP_DONE;
}

static bp_handled slow(const bp_call* call) {
  uint64_t ms = tm_number(call->payload);
  struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000 * 1000000)};
  nanosleep(&time, NULL);
  tm_ok(call->token, "slept");
  return BP_DONE;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  await = host->extension(BP_EXT_AWAIT);
  bp_status status = tm_register_as(module, "statics.wrong", tm_echo, BP_HANDLER_STATIC | BP_HANDLER_BLOCKING);
  if (status != BP_INVALID_ARGUMENT) return BP_ERROR;
  status = tm_register_as(module, "statics.echo", tm_echo, BP_HANDLER_STATIC);
  if (status == BP_OK) status = tm_register_as(module, "statics.bare", bare, BP_HANDLER_STATIC);
  if (status == BP_OK) status = tm_register_as(module, "statics.silent", silent, BP_HANDLER_STATIC);
  if (status == BP_OK) status = tm_register_as(module, "statics.later", later, BP_HANDLER_STATIC);
  if (status == BP_OK) status = tm_register_as(module, "statics.tries", tries, BP_HANDLER_STATIC);
  if (status == BP_OK) status = tm_register_as(module, "statics.slow", slow, BP_HANDLER_STATIC);
  if (status == BP_OK) status = tm_register(module, "statics.plain", tm_echo);
  return status;
}
TM_ENTRY(init);
