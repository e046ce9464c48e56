/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two files of this module share.
 */
#ifndef HELLO_C_H
#define HELLO_C_H

#include "backplane/plugin.h"

/* Longest name that is greeted, in bytes. */
#define NAME_MAX_BYTES 200
/* Longest delay of hello_c.later, in milliseconds. */
#define DELAY_MAX_MS 60000

/* The host's functions, from init to deinit. Each generation of a module has variables of its own. */
extern const bp_host_api* hello_host;

/* Ends the call with an error that says `message`. */
void hello_refuse(bp_token call, bp_status status, bp_str message);
/* Ends the call with BP_BAD_PAYLOAD: what its payload is, and that `expected` was expected. */
void hello_refuse_payload(const bp_call* call, const char* expected);

/* Ends the call with the CBOR text "<greeting>, <name>!". */
void hello_reply(bp_token call, bp_str greeting, bp_str name);

/* ---- later.c: answers that come from a thread of our own ---- */

typedef struct later later;

/* NULL if memory cannot be had. The thread starts with the first hello_c.later.
 * [thread: request] */
later* later_new(void);
/* Returns when the thread has ended: no code of ours may run once the object is unmapped.
 * [thread: request] */
void later_free(later* self);
/* hello_c.later {ms} -> text. */
bp_handled later_handle(later* self, const bp_call* call);

#endif /* HELLO_C_H */
