/* SPDX-License-Identifier: Apache-2.0
 *
 * The module gen, built as generations 1, 2 and 3 (the last without gen.slow, but with gen.extra), and as one
 * whose init fails. gen.which answers the generation's number; gen.slow N awaits N ms and then answers it.
 */
#include "testmod.h"

#include "backplane/ext/await.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=gen");
BP_MANIFEST("version=" BP_STRING(GENERATION));
BP_MANIFEST("requires=" BP_EXT_AWAIT);
TM_PROVIDES("gen.which");
#if GENERATION == 3
TM_PROVIDES("gen.extra");
#else
TM_PROVIDES("gen.slow");
#endif

static const bp_await_api* await;

static bp_handled which(const bp_call* call) {
  tm_ok_number(call->token, GENERATION);
  return BP_DONE;
}

__attribute__((unused)) static bp_handled slow(const bp_call* call) {
  bp_status status = await->sleep(call->token, tm_number(call->payload));
  if (status != BP_OK) {
    tm_error(call->token, status, "the sleep was ended");
    return BP_DONE;
  }
  return which(call);
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  await = host->extension(BP_EXT_AWAIT);
  bp_status status = tm_register(module, "gen.which", which);
  if (status != BP_OK) return status;
#ifdef GENERATION_BROKEN
  host->fail(module, tm_str("this generation was never meant to start"));
  return BP_ERROR;
#elif GENERATION == 3
  return tm_register(module, "gen.extra", which);
#else
  return tm_register(module, "gen.slow", slow);
#endif
}
TM_ENTRY(init);
