/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes every call on to the test that has loaded it: the configuration is {"bench": the address of a
 * matrix_bench}. Built as the modules matrix and matrix_other, with the wire names .run, .echo (both on
 * fibers), .block (concurrent) and .serial, and the host function .offered.
 */
#include "matrix.h"

#include "backplane/ext/config.h"
#include "testmod.h"

TM_MANIFEST(MATRIX_NAME);
BP_MANIFEST("requires=" BP_EXT_AWAIT);
BP_MANIFEST("requires=" BP_EXT_CONFIG);
TM_PROVIDES(MATRIX_NAME ".run");
TM_PROVIDES(MATRIX_NAME ".echo");
TM_PROVIDES(MATRIX_NAME ".block");
TM_PROVIDES(MATRIX_NAME ".serial");
BP_MANIFEST("offers=" MATRIX_NAME ".offered");

static const bp_await_api* await;
static matrix_bench* bench;

static bp_handled handle(const bp_call* call) { return bench->handle(bench, tm_host, await, call); }
static void offered(const bp_call* call) { bench->function(bench, tm_host, call); }

/* a1 65 "bench" 1b and eight bytes, the most significant first. */
static matrix_bench* read_config(bp_bytes config) {
  uint64_t address = 0;
  if (config.size != 16) return NULL;
  for (size_t i = 8; i < 16; i++) address = address << 8 | config.data[i];
  return (matrix_bench*)(uintptr_t)address;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  await = host->extension(BP_EXT_AWAIT);
  bench = read_config(((const bp_config_api*)host->extension(BP_EXT_CONFIG))->get(module));
  if (bench == NULL) return BP_CONFIG;
  if (bench->init != NULL) bench->init(bench);
  bp_status status = tm_register(module, MATRIX_NAME ".run", handle);
  if (status == BP_OK) status = tm_register(module, MATRIX_NAME ".echo", handle);
  if (status == BP_OK) {
    status = tm_register_as(module, MATRIX_NAME ".block", handle, BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT);
  }
  if (status == BP_OK) status = tm_register_as(module, MATRIX_NAME ".serial", handle, BP_HANDLER_BLOCKING);
  if (status == BP_OK) status = tm_offer(module, MATRIX_NAME ".offered", offered);
  return status;
}
TM_ENTRY(init);
