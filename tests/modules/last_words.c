/* SPDX-License-Identifier: Apache-2.0
 *
 * Emits the event last_words.said ten times, "0" to "9", when an instance of it ends.
 */
#include "testmod.h"

#include "backplane/ext/event.h"

TM_MANIFEST("last_words");
BP_MANIFEST("requires=" BP_EXT_EVENT);
BP_MANIFEST("emits=last_words.said");
TM_PROVIDES("last_words.echo");

static const bp_event_api* events;

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  events = host->extension(BP_EXT_EVENT);
  return tm_register(module, "last_words.echo", tm_echo);
}

static bp_status create(void* module_data, bp_instance* instance, void** state) {
  (void)module_data;
  *state = instance;
  return BP_OK;
}

static void destroy(void* state) {
  for (char c = '0'; c <= '9'; c++) events->emit(state, tm_str("last_words.said"), tm_bytes(&c, 1), 0);
}
TM_ENTRY_WITH_STATE(init, NULL, create, destroy);
