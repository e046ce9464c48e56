/* SPDX-License-Identifier: Apache-2.0
 *
 * desk: the module that the tests of the command line load. It answers in each way a module can.
 * Built several times, with one of these defined: DESK_VERSION "…", DESK_INIT_FAILS, DESK_ABORTS.
 */
#include <stdlib.h>
#include <string.h>

#include "backplane/ext/await.h"
#include "backplane/ext/config.h"
#include "backplane/ext/event.h"
#include "backplane/ext/fiber.h"
#include "backplane/plugin.h"

#ifndef DESK_VERSION
#define DESK_VERSION "1.0"
#endif

BP_MANIFEST_ABI;
BP_MANIFEST("name=desk");
BP_MANIFEST("version=" DESK_VERSION);
BP_MANIFEST("summary=answers in every way there is");
BP_MANIFEST("provides=desk.version");
BP_MANIFEST("provides=desk.config");
BP_MANIFEST("provides=desk.wait");
BP_MANIFEST("provides=desk.refuse");
BP_MANIFEST("provides=desk.parts");
BP_MANIFEST("provides=desk.back");
BP_MANIFEST("provides=desk.say");
BP_MANIFEST("provides=desk.swallow");
BP_MANIFEST("emits=desk.said");
BP_MANIFEST("emits=desk.blurted");
BP_MANIFEST("requires=" BP_EXT_AWAIT);
BP_MANIFEST("requires=" BP_EXT_CONFIG);
BP_MANIFEST("requires=" BP_EXT_EVENT);
BP_MANIFEST("requires=" BP_EXT_FIBER);
BP_CDDL("desk.version.request = any\ndesk.version.reply = tstr\n");

static const bp_host_api* host;
static const bp_await_api* await;
static const bp_config_api* config;
static const bp_event_api* event;
static const bp_fiber_api* fiber;
static bp_module* self;

#ifdef DESK_ABORTS
__attribute__((constructor)) static void abort_at_load(void) { abort(); }
#endif

static bp_handled answer(const bp_call* call, bp_status status, const void* data, size_t size) {
  const bp_answer a = {.struct_size = sizeof a, .status = status, .payload = {data, size}};
  host->reply(call->token, &a);
  return BP_DONE;
}

static bp_handled tell_version(const bp_call* call) {
  char text[32] = {0x60 | (char)strlen(DESK_VERSION)};
  strcpy(text + 1, DESK_VERSION);
  return answer(call, BP_OK, text, strlen(text));
}

static bp_handled tell_config(const bp_call* call) {
  const bp_bytes map = config->get(self);
  return answer(call, BP_OK, map.data, map.size);
}

/* Emits desk.said with true, and waits until it is canceled, or a minute. */
static bp_handled wait_long(const bp_call* call) {
  const bp_bytes truth = {(const uint8_t*)"\xf5", 1};
  const bp_str name = {"desk.said", 9};
  event->emit(call->instance, name, truth, BP_EVENT_TYPED);
  const bp_status status = await->sleep(call->token, 60000);
  return answer(call, status, "\xf6", status == BP_OK ? 1 : 0);
}

static bp_handled refuse(const bp_call* call) {
  static const char message[] = "the desk is \033[31mclosed";
  const bp_answer a = {.struct_size = sizeof a,
                       .status = BP_STATUS_MODULE_FIRST + 7,
                       .message = {message, sizeof message - 1},
                       .detail = {(const uint8_t*)"\xa1\x62\x61t\x09", 5}}; /* {"at": 9} */
  host->reply(call->token, &a);
  return BP_DONE;
}

/* 1 and 2 as parts, 3 as the answer. */
static bp_handled in_parts(const bp_call* call) {
  answer(call, BP_PARTIAL, "\x01", 1);
  answer(call, BP_PARTIAL, "\x02", 1);
  return answer(call, BP_OK, "\x03", 1);
}

/* The payload, whatever it is. */
static bp_handled back(const bp_call* call) { return answer(call, BP_OK, call->payload.data, call->payload.size); }

/* The payload as the events desk.said (typed) and desk.blurted (as it is). */
static bp_handled say(const bp_call* call) {
  const bp_str said = {"desk.said", 9}, blurted = {"desk.blurted", 12};
  event->emit(call->instance, said, call->payload, BP_EVENT_TYPED);
  event->emit(call->instance, blurted, call->payload, 0);
  return answer(call, BP_OK, "\xf6", 1);
}

static bp_status swallow_in_fiber(void* call) {
  fiber->switch_to(*(const bp_token*)call, BP_FIBER_MAIN);
  return BP_OK; /* though it was canceled */
}

/* A fiber that swallows its cancellation. */
static bp_handled swallow(const bp_call* call) {
  bp_token token = call->token;
  const bp_fiber_desc desc = {.struct_size = sizeof desc, .entry = swallow_in_fiber, .arg = &token};
  uint64_t id = 0;
  bp_status status = fiber->create(token, &desc, &id);
  if (status == BP_OK) status = fiber->switch_to(token, id);
  if (status == BP_OK) status = fiber->destroy(token, id);
  fiber->close(token);
  return answer(call, status, "\xf6", status == BP_OK ? 1 : 0);
}

static bp_status init(const bp_host_api* api, bp_module* module, void** data) {
  static const struct {
    const char* name;
    bp_handler_fn handler;
  } table[] = {{"desk.version", tell_version},
               {"desk.config", tell_config},
               {"desk.wait", wait_long},
               {"desk.refuse", refuse},
               {"desk.parts", in_parts},
               {"desk.back", back},
               {"desk.say", say},
               {"desk.swallow", swallow}};
  (void)data;
  host = api;
  self = module;
  await = api->extension(BP_EXT_AWAIT);
  config = api->extension(BP_EXT_CONFIG);
  event = api->extension(BP_EXT_EVENT);
  fiber = api->extension(BP_EXT_FIBER);
#ifdef DESK_INIT_FAILS
  const bp_str why = {"the desk has no legs; expected four", 35};
  api->fail(module, why);
  return BP_ERROR;
#endif
  for (size_t i = 0; i < sizeof table / sizeof *table; ++i) {
    const bp_handler_desc desc = {
        .struct_size = sizeof desc, .name = {table[i].name, strlen(table[i].name)}, .handler = table[i].handler};
    const bp_status status = api->register_handler(module, &desc);
    if (status != BP_OK) return status;
  }
  return BP_OK;
}

BP_MODULE_ENTRY = {sizeof(bp_module_entry), BP_ABI_MAJOR, BP_ABI_MINOR, 0, init, NULL, NULL, NULL, NULL};
