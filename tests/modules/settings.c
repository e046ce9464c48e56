/* SPDX-License-Identifier: Apache-2.0
 *
 * Tells what the host gave it. settings.config answers the configuration's bytes, settings.data_dir the path of
 * its data directory, settings.log TEXT logs the text as a warning.
 */
#include "testmod.h"

#include "backplane/ext/config.h"
#include "backplane/ext/log.h"

TM_MANIFEST("settings");
BP_MANIFEST("requires=" BP_EXT_CONFIG);
BP_MANIFEST("requires=" BP_EXT_LOG);
TM_PROVIDES("settings.config");
TM_PROVIDES("settings.data_dir");
TM_PROVIDES("settings.log");

static bp_module* self;
static const bp_config_api* config;
static const bp_log_api* logs;

static bp_handled tell_config(const bp_call* call) {
  bp_bytes bytes = config->get(self);
  tm_answer(call->token, BP_OK, bytes.data, bytes.size);
  return BP_DONE;
}

static bp_handled tell_data_dir(const bp_call* call) {
  bp_str path = {NULL, 0};
  bp_str message = {NULL, 0};
  bp_status status = config->data_dir(self, &path, &message);
  bp_answer answer = {.struct_size = sizeof answer, .status = status, .message = message};
  if (status == BP_OK) answer.payload = tm_bytes(path.data, path.size);
  tm_host->reply(call->token, &answer);
  return BP_DONE;
}

static bp_handled log_it(const bp_call* call) {
  bp_str text = {(const char*)call->payload.data, call->payload.size};
  logs->write(self, BP_LOG_WARN, text);
  tm_ok_number(call->token, (uint64_t)logs->enabled(BP_LOG_WARN));
  return BP_DONE;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  self = module;
  config = host->extension(BP_EXT_CONFIG);
  logs = host->extension(BP_EXT_LOG);
  bp_status status = tm_register(module, "settings.config", tell_config);
  if (status == BP_OK) status = tm_register(module, "settings.data_dir", tell_data_dir);
  if (status == BP_OK) status = tm_register(module, "settings.log", log_it);
  return status;
}
TM_ENTRY(init);
