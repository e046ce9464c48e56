/* SPDX-License-Identifier: Apache-2.0
 *
 * bp.await/1: wait inside a handler.
 *
 * Each function suspends the calling handler: other requests of the context run meanwhile,
 * and the handler goes on where it stood, on the same thread. In a blocking handler (worker pool)
 * the worker thread waits instead. `call` is bp_call.token of the handler that runs; from anywhere
 * else, also from a host function that the handler calls, the answer is BP_NOT_SUPPORTED.
 *
 * A request that is canceled, or whose deadline passes, has its await return BP_CANCELED or
 * BP_DEADLINE at once, and each later one too: clean up and return. `check` tells this from a deadline of
 * the awaited call itself. A fiber (fiber.h) that is being destroyed gets BP_CANCELED in the same way. Each may also
 * fail with BP_OUT_OF_MEMORY.
 *
 * A blocking handler that waits keeps its instance: unless it is declared concurrent, other blocking
 * handlers of that instance wait until it has returned, and one that it calls itself, directly or not, is
 * refused with BP_REENTRANT.
 */
#ifndef BACKPLANE_EXT_AWAIT_H
#define BACKPLANE_EXT_AWAIT_H

#include "../base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_AWAIT "bp.await/1"

enum { BP_FD_READABLE = 1, BP_FD_WRITABLE = 2 };

/* Gets the answer of a host function that was called with `start_host_call`. It runs outside of any handler:
 * it may reply to the call it serves, and must not await. `answer` is valid until it returns.
 * [thread: request] [state: instance alive] [suspend: no] */
typedef void (*bp_host_answer_fn)(void* user, const bp_answer* answer);

typedef struct bp_await_api {
  uint32_t struct_size;
  uint32_t reserved;

  /* Waits `ms` milliseconds; 0 lets other requests run and comes back.
   * BP_OK, BP_CANCELED, BP_DEADLINE, BP_NOT_SUPPORTED.
   * [thread: request, worker] [state: in a handler] [suspend: yes] */
  bp_status (*sleep)(bp_token call, uint64_t ms);

  /* Calls another wire name in the same context and waits for its terminal answer; partial answers
   * are dropped. `timeout_ms` 0 means none; the caller's own deadline holds in any case. The return
   * value is the answer's status and equals out->status; `out` is the caller's to free.
   * [thread: request, worker] [state: in a handler] [suspend: yes] */
  bp_status (*call)(bp_token call, bp_str name, bp_bytes payload, uint64_t timeout_ms, bp_result* out);

  /* Calls a host function: the application's of that name, else a module's; otherwise
   * BP_NO_HOST_FUNCTION. Else as `call`.
   * [thread: request, worker] [state: in a handler] [suspend: yes] */
  bp_status (*host_call)(bp_token call, bp_str name, bp_bytes payload, uint64_t timeout_ms, bp_result* out);

  /* Waits until file descriptor `fd` is ready for `events` (BP_FD_…). The descriptor stays the
   * caller's and must stay open meanwhile. BP_TIMEOUT after `timeout_ms`, 0 meaning none;
   * BP_INVALID_ARGUMENT: no event asked for, or an unknown one; BP_IO: it cannot be waited for.
   * [thread: request, worker] [state: in a handler] [suspend: yes] */
  bp_status (*fd)(bp_token call, int fd, uint32_t events, uint64_t timeout_ms);

  /* Asks, without waiting, whether the request is still wanted: BP_OK, BP_CANCELED or BP_DEADLINE.
   * `*remaining_ms`, if not NULL, gets the milliseconds left, or UINT64_MAX if there is no deadline.
   * [thread: request, worker] [state: in a handler] [suspend: no] */
  bp_status (*check)(bp_token call, uint64_t* remaining_ms);

  /* Calls a host function as `host_call` does, and does not wait: for handlers that return BP_LATER and have
   * many calls out at a time, since a call that waits for none keeps no stack. BP_OK: `on_answer` is called
   * exactly once, after this has returned, with the answer, with BP_DEADLINE after `timeout_ms` (0: none) or
   * the caller's own deadline, or with BP_CANCELED when the context stops; a cancel of `call` does not reach
   * it. Anything else: never; BP_NO_HOST_FUNCTION, BP_INSTANCE_FAILED, BP_NOT_SUPPORTED (not in a handler on
   * the request thread), BP_CANCELED or BP_DEADLINE (of `call`), BP_OUT_OF_MEMORY.
   * [thread: request] [state: in a handler] [suspend: no] */
  bp_status (*start_host_call)(bp_token call, bp_str name, bp_bytes payload, uint64_t timeout_ms,
                               bp_host_answer_fn on_answer, void* user);
} bp_await_api;

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_EXT_AWAIT_H */
