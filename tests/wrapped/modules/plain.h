/* SPDX-License-Identifier: Apache-2.0
 *
 * What the modules in C share. A request and its answer are plain bytes here, without CBOR.
 */
#ifndef WRAPPED_PLAIN_H
#define WRAPPED_PLAIN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backplane/ext/await.h"
#include "backplane/plugin.h"

static const bp_host_api* host;
static const bp_await_api* await;

static inline bp_handled answer(const bp_call* call, const void* data, size_t size) {
  bp_answer out = {.struct_size = sizeof out, .status = BP_OK, .payload = {data, size}};
  host->reply(call->token, &out);
  return BP_DONE;
}

static inline bp_handled refuse(const bp_call* call, const char* why) {
  bp_answer out = {.struct_size = sizeof out, .status = BP_ERROR, .message = {why, strlen(why)}};
  host->reply(call->token, &out);
  return BP_DONE;
}

static inline bp_status unfit(bp_module* module, const char* why) {
  host->fail(module, (bp_str){why, strlen(why)});
  return BP_ERROR;
}

/* Whether the call has been canceled. The handler then returns; the caller has its answer already. */
static inline int canceled(const bp_call* call) { return await->check(call->token, NULL) != BP_OK; }

static inline bp_status add(bp_module* module, const char* name, bp_handler_fn handler, uint32_t flags,
                            uint64_t stack) {
  bp_handler_desc desc = {.struct_size = sizeof desc, .flags = flags, .name = {name, strlen(name)}, .handler = handler};
  desc.stack_size = stack;
  return host->register_handler(module, &desc);
}

static inline void use(const bp_host_api* api) {
  host = api;
  await = api->extension(BP_EXT_AWAIT);
}

#endif
