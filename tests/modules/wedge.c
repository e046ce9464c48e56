/* SPDX-License-Identifier: Apache-2.0
 *
 * Holds the thread that calls it, at the place that the environment variable BP_TEST_WEDGE names: "PLACE FD" with
 * PLACE handler (wedge.hold), function (the host function wedge.function), create or destroy (of an instance). It
 * goes on when a byte can be read from FD. Elsewhere, and without the variable, it does not wait.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "testmod.h"

TM_MANIFEST("wedge");
BP_MANIFEST("offers=wedge.function");
TM_PROVIDES("wedge.hold");

static void hold(const char* place) {
  const char* said = getenv("BP_TEST_WEDGE");
  size_t size = strlen(place);
  if (said == NULL || strncmp(said, place, size) != 0 || said[size] != ' ') return;
  char byte;
  while (read(atoi(said + size), &byte, 1) < 0 && errno == EINTR) {
  }
}

static bp_handled handler(const bp_call* call) {
  hold("handler");
  return tm_echo(call);
}

static void function(const bp_call* call) {
  hold("function");
  tm_ok(call->token, "from wedge");
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  bp_status status = tm_register(module, "wedge.hold", handler);
  return status == BP_OK ? tm_offer(module, "wedge.function", function) : status;
}

static bp_status create(void* module_data, bp_instance* instance, void** state) {
  (void)module_data, (void)instance, (void)state;
  hold("create");
  return BP_OK;
}

static void destroy(void* state) {
  (void)state;
  hold("destroy");
}
TM_ENTRY_WITH_STATE(init, NULL, create, destroy);
