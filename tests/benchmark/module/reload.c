/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_reload, built twice. bench_reload.echo answers the number of the build, then the payload.
 */
#include <backplane/plugin.h>
#include <string.h>

BP_MANIFEST_ABI;
BP_MANIFEST("name=bench_reload");
BP_MANIFEST("version=" BUILD);
BP_MANIFEST("provides=bench_reload.echo");

static const bp_host_api* host;

static bp_handled echo(const bp_call* call) {
  uint8_t text[64] = BUILD;
  bp_answer answer = {.struct_size = sizeof answer, .status = BP_OK, .payload = {text, 1 + call->payload.size}};
  if (call->payload.size >= sizeof text) {
    answer = (bp_answer){.struct_size = sizeof answer, .status = BP_BAD_PAYLOAD};
  } else {
    memcpy(text + 1, call->payload.data, call->payload.size);
  }
  host->reply(call->token, &answer);
  return BP_DONE;
}

static bp_status init(const bp_host_api* api, bp_module* module, void** module_data) {
  (void)module_data;
  host = api;
  const bp_handler_desc desc = {.struct_size = sizeof desc, .name = BP_STR("bench_reload.echo"), .handler = echo};
  return host->register_handler(module, &desc);
}

BP_MODULE_ENTRY = {
    sizeof(bp_module_entry), BP_ABI_MAJOR, BP_ABI_MINOR, 0, init, NULL, NULL, NULL, NULL,
};
