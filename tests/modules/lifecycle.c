/* SPDX-License-Identifier: Apache-2.0
 *
 * Appends a word and a newline for each step of its life to the file that the environment variable
 * BP_TEST_LIFECYCLE names: init, create, call, destroy, deinit.
 */
#include <stdlib.h>

#include "testmod.h"

TM_MANIFEST("lifecycle");
TM_PROVIDES("lifecycle.call");

static void note(const char* step) {
  const char* path = getenv("BP_TEST_LIFECYCLE");
  FILE* file = path != NULL ? fopen(path, "a") : NULL;
  if (file == NULL) return;
  fprintf(file, "%s\n", step);
  fclose(file);
}

static bp_handled call_it(const bp_call* call) {
  note("call");
  return tm_echo(call);
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  note("init");
  return tm_register(module, "lifecycle.call", call_it);
}

static void deinit(void* module_data) {
  (void)module_data;
  note("deinit");
}

static bp_status create(void* module_data, bp_instance* instance, void** state) {
  (void)module_data, (void)instance, (void)state;
  note("create");
  return BP_OK;
}

static void destroy(void* state) {
  (void)state;
  note("destroy");
}
TM_ENTRY_WITH_STATE(init, deinit, create, destroy);
