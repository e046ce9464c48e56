/* SPDX-License-Identifier: Apache-2.0
 *
 * bp.await/1: wait inside a handler.
 *
 * An await suspends the calling handler. Other requests of the context run meanwhile. Then the handler goes on where it
 * stood, on the same thread. In a blocking handler (worker pool) the worker thread waits instead.
 * `call` is bp_call.token of the running handler. From anywhere else, also from a host function that the handler calls,
 * every function returns BP_NOT_SUPPORTED.
 *
 * If the request is canceled or its deadline passes, the current and every later await return BP_CANCELED or
 * BP_DEADLINE at once. Clean up and return. `check` tells the request's deadline from a deadline of the awaited call.
 * In a fiber (fiber.h) that is being destroyed, an await returns BP_CANCELED in the same way. Every await can also
 * return BP_OUT_OF_MEMORY.
 *
 * A blocking handler that waits keeps its instance, unless it is declared concurrent. Other blocking handlers of that
 * instance wait until it has returned. A blocking handler of that instance which it calls itself, directly or
 * indirectly, is refused with BP_REENTRANT.
 */
#ifndef BACKPLANE_EXT_AWAIT_H
#define BACKPLANE_EXT_AWAIT_H

#include "../base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_AWAIT "bp.await/1"

enum { BP_FD_READABLE = 1, BP_FD_WRITABLE = 2 };

/* Gets the answer of a host function that was called with `start_host_call`. It runs outside of any handler. It may
 * reply to the call that it serves, and must not await. `answer` is valid until it returns.
 * [thread: request] [state: instance alive] [suspend: no] */
typedef void (*bp_host_answer_fn)(void* user, const bp_answer* answer);

/* The stack that the calling code runs on: the bytes from `low` to below `high`. It grows down towards `low`, so what
 * is left is the address of a local variable less `low`. Below `low` the process faults. */
typedef struct bp_stack {
  uint32_t struct_size; /* sizeof(bp_stack) */
  uint32_t reserved;
  const void* low;
  const void* high;
} bp_stack;

typedef struct bp_await_api {
  uint32_t struct_size;
  uint32_t reserved;

  /* Waits `ms` milliseconds. 0 lets other requests run, then returns.
   * [thread: request, worker] [state: in a handler] [suspend: yes] */
  bp_status (*sleep)(bp_token call, uint64_t ms);

  /* Calls another wire name in the same context and waits for its terminal answer. Partial answers are dropped.
   * `timeout_ms` 0 means none; the caller's own deadline always holds. `out` gets the answer; the caller must free it.
   * Returns out->status, which is the answer's status.
   * [thread: request, worker] [state: in a handler] [suspend: yes] */
  bp_status (*call)(bp_token call, bp_str name, bp_bytes payload, uint64_t timeout_ms, bp_result* out);

  /* Calls a host function and waits for its answer: the application's function of that name, or else a module's.
   * Parameters and result are as for `call`.
   *   BP_NO_HOST_FUNCTION  there is no function of that name
   *   BP_INSTANCE_FAILED   the module that offers it could not start in this context
   * [thread: request, worker] [state: in a handler] [suspend: yes] */
  bp_status (*host_call)(bp_token call, bp_str name, bp_bytes payload, uint64_t timeout_ms, bp_result* out);

  /* Waits until the file descriptor `fd` is ready for `events` (BP_FD_…). The caller keeps the descriptor, and must
   * keep it open meanwhile. `timeout_ms` 0 means none.
   *   BP_TIMEOUT           `timeout_ms` has passed
   *   BP_INVALID_ARGUMENT  `fd` is negative, or `events` is 0 or has an unknown bit
   *   BP_IO                the system cannot wait for this descriptor
   * [thread: request, worker] [state: in a handler] [suspend: yes] */
  bp_status (*fd)(bp_token call, int fd, uint32_t events, uint64_t timeout_ms);

  /* Says whether the request is still wanted: BP_OK, BP_CANCELED or BP_DEADLINE. It does not wait.
   * `*remaining_ms`, if not NULL, gets the milliseconds left, or UINT64_MAX if there is no deadline.
   * [thread: request, worker] [state: in a handler] [suspend: no] */
  bp_status (*check)(bp_token call, uint64_t* remaining_ms);

  /* Calls a host function as `host_call` does, but does not wait. It is for handlers that return BP_LATER and have many
   * outstanding calls: an outstanding call holds no stack.
   * After BP_OK, `on_answer` is called exactly once, after this function has returned. It gets the answer, or
   * BP_DEADLINE after `timeout_ms` (0: none) or after the caller's own deadline, or BP_CANCELED if the context stops. A
   * cancel of `call` does not reach it. After an error `on_answer` is never called:
   *   BP_NO_HOST_FUNCTION       there is no function of that name
   *   BP_INSTANCE_FAILED        the module that offers it could not start in this context
   *   BP_NOT_SUPPORTED          not in a handler on the request thread, or `on_answer` is NULL
   *   BP_CANCELED, BP_DEADLINE  `call` is canceled, or its deadline has passed
   *   BP_OUT_OF_MEMORY          no memory
   * [thread: request] [state: in a handler] [suspend: no] */
  bp_status (*start_host_call)(bp_token call, bp_str name, bp_bytes payload, uint64_t timeout_ms,
                               bp_host_answer_fn on_answer, void* user);

  /* Gives the caller one partial answer, as `reply` with BP_PARTIAL does. If the caller is not ready for it, waits
   * until it is, or for `timeout_ms` milliseconds (0: no bound). `answer->status` must be BP_PARTIAL.
   *   BP_TIMEOUT           the caller was not ready within `timeout_ms`; nothing was taken
   *   BP_STALE_TOKEN       the call has its terminal answer
   *   BP_INVALID_ARGUMENT  `answer` is NULL or too small, or its status is not BP_PARTIAL
   * [thread: request, worker] [state: in a handler] [suspend: yes] */
  bp_status (*part)(bp_token call, const bp_answer* answer, uint64_t timeout_ms);

  /* Waits for the next part of a request that comes in parts (BP_CALL_PARTS), at most `timeout_ms` milliseconds (0: no
   * bound). `out` gets it; the caller must free it. Returns out->status:
   *   BP_PARTIAL  out->payload is the next part
   *   BP_OK       there is none: all parts were taken, or the request did not come in parts
   *   BP_TIMEOUT  none has come within `timeout_ms`
   * [thread: request, worker] [state: in a handler] [suspend: yes] */
  bp_status (*next_part)(bp_token call, uint64_t timeout_ms, bp_result* out);

  /* Gives the bounds of the active stack: of the handler, of the fiber that calls this, or of the worker thread. Use it
   * for what recurses, and for interpreters and garbage collectors that must know their stack: pthread_getattr_np gives
   * the stack of the thread, on which handlers do not run.
   *   BP_INVALID_ARGUMENT  `out` is NULL or too small
   * [thread: request, worker] [state: in a handler] [suspend: no] */
  bp_status (*stack)(bp_token call, bp_stack* out);
} bp_await_api;

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_EXT_AWAIT_H */
