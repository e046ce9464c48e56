/* SPDX-License-Identifier: Apache-2.0
 *
 * What the test modules share. Their payloads are plain ASCII: a decimal number, a name, or nothing.
 */
#ifndef BACKPLANE_TESTMOD_H
#define BACKPLANE_TESTMOD_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "backplane/plugin.h"

#define TM_MANIFEST(module)    \
  BP_MANIFEST_ABI;             \
  BP_MANIFEST("name=" module); \
  BP_MANIFEST("version=1")
#define TM_PROVIDES(name) BP_MANIFEST("provides=" name)

#define TM_ENTRY(init)                                                                      \
  BP_MODULE_ENTRY = {                                                                       \
      sizeof(bp_module_entry), BP_ABI_MAJOR, BP_ABI_MINOR, 0, init, NULL, NULL, NULL, NULL, \
  }
#define TM_ENTRY_WITH_STATE(init, deinit, create, destroy)                                         \
  BP_MODULE_ENTRY = {                                                                              \
      sizeof(bp_module_entry), BP_ABI_MAJOR, BP_ABI_MINOR, 0, init, deinit, create, destroy, NULL, \
  }

/* The host, once init has called tm_begin. */
__attribute__((unused)) static const bp_host_api* tm_host;

static inline bp_str tm_str(const char* text) {
  bp_str view = {text, strlen(text)};
  return view;
}

static inline bp_bytes tm_bytes(const void* data, size_t size) {
  bp_bytes view = {(const uint8_t*)data, size};
  return view;
}

static inline bp_status tm_answer(bp_token token, bp_status status, const void* payload, size_t size) {
  bp_answer answer;
  memset(&answer, 0, sizeof answer);
  answer.struct_size = sizeof answer;
  answer.status = status;
  answer.payload = tm_bytes(payload, size);
  return tm_host->reply(token, &answer);
}

static inline bp_status tm_ok(bp_token token, const char* text) { return tm_answer(token, BP_OK, text, strlen(text)); }

static inline bp_status tm_ok_number(bp_token token, uint64_t number) {
  char text[24];
  snprintf(text, sizeof text, "%llu", (unsigned long long)number);
  return tm_ok(token, text);
}

static inline bp_status tm_error(bp_token token, bp_status status, const char* message) {
  bp_answer answer;
  memset(&answer, 0, sizeof answer);
  answer.struct_size = sizeof answer;
  answer.status = status;
  answer.message = tm_str(message);
  return tm_host->reply(token, &answer);
}

/* Passes on what an await brought, and frees it. */
static inline bp_status tm_pass_on(bp_token token, bp_result* result) {
  bp_answer answer;
  memset(&answer, 0, sizeof answer);
  answer.struct_size = sizeof answer;
  answer.status = result->status;
  answer.payload = result->payload;
  answer.message = result->message;
  answer.detail = result->detail;
  bp_status status = tm_host->reply(token, &answer);
  tm_host->result_free(result);
  return status;
}

/* The decimal number at `*at` and after it one separator; `*at` moves on. 0 if there is none. */
static inline uint64_t tm_next_number(bp_bytes payload, size_t* at) {
  uint64_t number = 0;
  while (*at < payload.size && payload.data[*at] >= '0' && payload.data[*at] <= '9')
    number = number * 10 + (uint64_t)(payload.data[(*at)++] - '0');
  if (*at < payload.size) (*at)++;
  return number;
}

static inline uint64_t tm_number(bp_bytes payload) {
  size_t at = 0;
  return tm_next_number(payload, &at);
}

static inline void tm_begin(const bp_host_api* host) { tm_host = host; }

static inline bp_status tm_register_as(bp_module* module, const char* name, bp_handler_fn handler, uint32_t flags) {
  bp_handler_desc desc;
  memset(&desc, 0, sizeof desc);
  desc.struct_size = sizeof desc;
  desc.flags = flags;
  desc.name = tm_str(name);
  desc.handler = handler;
  return tm_host->register_handler(module, &desc);
}

static inline bp_status tm_register(bp_module* module, const char* name, bp_handler_fn handler) {
  return tm_register_as(module, name, handler, 0);
}

static inline bp_status tm_offer(bp_module* module, const char* name, bp_function_fn function) {
  bp_function_desc desc;
  memset(&desc, 0, sizeof desc);
  desc.struct_size = sizeof desc;
  desc.name = tm_str(name);
  desc.function = function;
  return tm_host->register_function(module, &desc);
}

/* Answers its payload: for modules whose fault lies elsewhere. */
__attribute__((unused)) static bp_handled tm_echo(const bp_call* call) {
  tm_answer(call->token, BP_OK, call->payload.data, call->payload.size);
  return BP_DONE;
}

/* An init that registers tm_echo under one name. */
#define TM_INIT_ECHO(name)                                                                \
  static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) { \
    (void)module_data;                                                                    \
    tm_begin(host);                                                                       \
    return tm_register(module, name, tm_echo);                                            \
  }                                                                                       \
  TM_ENTRY(init)

#endif /* BACKPLANE_TESTMOD_H */
