/* SPDX-License-Identifier: Apache-2.0
 *
 * The host function profile.fetch: calls come in on the context's request thread, which must not wait, and
 * are answered by a thread of ours.
 */
#ifndef EMBED_C_PROFILES_H
#define EMBED_C_PROFILES_H

#include "backplane/backplane.h"

typedef struct profiles profiles;

/* Starts the thread. NULL if that failed. */
profiles* profiles_start(void);
/* Answers what is queued, ends the thread, and tells how many calls were answered, and how many second
 * answers were refused with BP_STALE_TOKEN: each call is answered twice. */
void profiles_stop(profiles* self, unsigned* answered, unsigned* refused);
/* The bp_host_function_fn; `user` is the profiles. */
void profiles_fetch(void* user, bp_context ctx, bp_token token, bp_str name, bp_bytes payload);

#endif /* EMBED_C_PROFILES_H */
