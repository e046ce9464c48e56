/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/wait.h: calls without callbacks. backplane.h includes it.
 *
 *   bp_pending call;
 *   bp_result part = {.struct_size = sizeof part};
 *   if (bp_call_start(ctx, &submission, &call) != BP_OK) …
 *   while (bp_call_next(call, BP_FOREVER, &part) == BP_PARTIAL) {
 *     …                          one part of the reply
 *     bp_result_free(&part);
 *   }
 *   …                            `part` has the terminal answer
 *   bp_result_free(&part);
 *   bp_call_free(call);
 *
 * All of it works alike on embedded and connected contexts. bp_call_sync is shorter for a call with a single answer.
 *
 * THREADS. Several threads may use one call at the same time. Each part goes to one of those that ask for it. The
 * terminal answer goes to all of them, as often as they ask. Functions that wait return BP_REENTRANT on the host's own
 * threads, unless their `timeout_ms` is 0.
 * FLOW. Parts wait in the call until they are taken, up to the window of its submission. Then the handler waits, or
 * gets BP_WOULD_BLOCK. Taking a part makes room. LIFE. A call outlives its context: when that ends, the call has its
 * terminal answer, and still needs bp_call_free.
 */
#ifndef BACKPLANE_WAIT_H
#define BACKPLANE_WAIT_H

#include "backplane.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As a `timeout_ms`: no bound. */
#define BP_FOREVER UINT64_MAX

/* A call that its owner waits for. Ids start at 1 and only grow, so a stale handle never means another call. */
typedef struct bp_pending {
  uint64_t id; /* 0: none */
} bp_pending;

/* Starts a call and returns. `submission` is as for bp_submit, but its on_reply and on_credit must be NULL; `user` is
 * not used. A window that is 0 means 1 MiB and 1024 parts. `*out` is the call after BP_OK, and zero after an error. The
 * caller must free it with bp_call_free.
 *   BP_INVALID_ARGUMENT  `out` is NULL, a callback is not NULL, or as bp_submit says
 *   BP_OUT_OF_MEMORY     no memory for the call
 *   Other errors are those of bp_submit.
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_call_start(bp_context ctx, const bp_submission* submission, bp_pending* out);

/* Waits for the next part of the reply, for `timeout_ms` milliseconds at most; 0: not at all. `out` owns what it gets:
 * free it with bp_result_free. Returns out->status:
 *   BP_PARTIAL           the next part. It counts as done, and makes room for further ones
 *   BP_STALE             nothing came in time; the call goes on
 *   BP_INVALID_HANDLE    there is no such call, or it was freed meanwhile; the message says so
 *   BP_REENTRANT         called on one of the host's own threads, with a timeout
 *   BP_INVALID_ARGUMENT  `out` is NULL
 *   BP_PROTOCOL          the connected host sent more parts than the window allows; the call was canceled
 *   Otherwise `out` is the terminal answer, and all parts have been taken.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_call_next(bp_pending call, uint64_t timeout_ms, bp_result* out);

/* Waits for the terminal answer, for `timeout_ms` milliseconds at most; 0: not at all. Parts that nobody has taken by
 * now, and later ones, are dropped, also if the time passes. Returns out->status, as bp_call_next does, but never
 * BP_PARTIAL.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_call_wait(bp_pending call, uint64_t timeout_ms, bp_result* out);

/* Sends the next part of a request that was started with BP_SUBMIT_PARTS, as bp_request_part does. While too much waits
 * for the handler, this waits for room, for `timeout_ms` milliseconds at most; 0: not at all. The payload is copied.
 *   BP_WOULD_BLOCK       no room came in time; nothing was taken
 *   BP_INVALID_HANDLE    the call has ended, or never existed
 *   BP_REENTRANT         called on one of the host's own threads, with a timeout; nothing was taken
 *   Other errors are those of bp_request_part.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_call_part(bp_pending call, bp_bytes payload, uint32_t flags, uint64_t timeout_ms);

/* Cancels a call, as bp_cancel does. The terminal answer follows: BP_CANCELED, unless another came first.
 *   BP_INVALID_HANDLE  the call has ended, or never existed
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_call_cancel(bp_pending call);

/* Frees a call, with the parts that nobody has taken. A call that runs is canceled. This does not wait for its end.
 * Threads that wait for the call return BP_INVALID_HANDLE. A handle that is zero or stale is allowed.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT void bp_call_free(bp_pending call);

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_WAIT_H */
