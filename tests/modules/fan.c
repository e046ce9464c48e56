/* SPDX-License-Identifier: Apache-2.0
 *
 * fan.out N NAME starts N calls of the host function NAME at once, and answers when all have been answered:
 * how many were OK, how many were not, and how many could not be started.
 */
#include <stdlib.h>

#include "backplane/ext/await.h"
#include "testmod.h"

TM_MANIFEST("fan");
BP_MANIFEST("requires=" BP_EXT_AWAIT);
TM_PROVIDES("fan.out");

static const bp_await_api* await;

typedef struct {
  bp_token call;
  uint64_t open; /* one more than are, as long as some may follow */
  uint64_t ok;
  uint64_t failed;
  uint64_t refused;
} Fan;

static void one_less(Fan* fan) {
  char text[80];
  if (--fan->open != 0) return;
  snprintf(text, sizeof text, "%llu %llu %llu", (unsigned long long)fan->ok, (unsigned long long)fan->failed,
           (unsigned long long)fan->refused);
  tm_ok(fan->call, text);
  free(fan);
}

static void answered(void* user, const bp_answer* answer) {
  Fan* fan = user;
  if (answer->status == BP_OK)
    fan->ok++;
  else
    fan->failed++;
  one_less(fan);
}

static bp_handled fan_out(const bp_call* call) {
  size_t at = 0;
  uint64_t count = tm_next_number(call->payload, &at);
  bp_str name = {(const char*)call->payload.data + at, call->payload.size - at};
  Fan* fan = calloc(1, sizeof *fan);
  fan->call = call->token;
  fan->open = 1;
  for (uint64_t i = 0; i < count; i++) {
    if (await->start_host_call(call->token, name, tm_bytes(&i, sizeof i), 0, answered, fan) == BP_OK)
      fan->open++;
    else
      fan->refused++;
  }
  one_less(fan);
  return BP_LATER;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  await = host->extension(BP_EXT_AWAIT);
  return tm_register(module, "fan.out", fan_out);
}
TM_ENTRY(init);
