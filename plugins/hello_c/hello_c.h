/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the two files of this module.
 */
#ifndef HELLO_C_H
#define HELLO_C_H

#include "backplane/plugin.h"

/* Maximum size of a name, in bytes. */
#define NAME_MAX_BYTES 200
/* Maximum delay of hello_c.later, in milliseconds. */
#define DELAY_MAX_MS 60000

/* The host's functions, from init to deinit. Each generation of a module has its own variables. */
extern const bp_host_api* hello_host;

/* Ends the call with an error and this message. */
void hello_refuse(bp_token call, bp_status status, bp_str message);
/* Ends the call with BP_BAD_PAYLOAD. The message names what was found and `expected`. */
void hello_refuse_payload(const bp_call* call, const char* expected);

/* Ends the call with the CBOR text "<greeting>, <name>!". */
void hello_reply(bp_token call, bp_str greeting, bp_str name);

/* ---- later.c: answers from a thread of the module ---- */

typedef struct later later;

/* Returns NULL if out of memory. The first hello_c.later starts the thread.
 * [thread: request] */
later* later_new(void);
/* Waits until the thread has ended, because no code of the module may run after it is unmapped.
 * [thread: request] */
void later_free(later* self);
/* hello_c.later {ms} -> text. */
bp_handled later_handle(later* self, const bp_call* call);

#endif /* HELLO_C_H */
