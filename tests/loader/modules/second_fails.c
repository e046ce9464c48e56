/* SPDX-License-Identifier: Apache-2.0
 *
 * Starts in one context, fails in the second one, and appends its steps to the file that the environment
 * variable BP_TEST_LIFECYCLE names: init, create, fail, destroy, deinit.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "../../modules/testmod.h"

TM_MANIFEST("second_fails");
TM_PROVIDES("second_fails.echo");

static atomic_uint created;

static void note(const char* step) {
  const char* path = getenv("BP_TEST_LIFECYCLE");
  FILE* file = path != NULL ? fopen(path, "a") : NULL;
  if (file == NULL) return;
  fprintf(file, "%s\n", step);
  fclose(file);
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  note("init");
  return tm_register(module, "second_fails.echo", tm_echo);
}

static void deinit(void* module_data) {
  (void)module_data;
  note("deinit");
}

static bp_status create(void* module_data, bp_instance* instance, void** state) {
  (void)module_data, (void)instance, (void)state;
  if (atomic_fetch_add(&created, 1) == 0) {
    note("create");
    return BP_OK;
  }
  note("fail");
  return BP_ERROR;
}

static void destroy(void* state) {
  (void)state;
  note("destroy");
}
TM_ENTRY_WITH_STATE(init, deinit, create, destroy);
