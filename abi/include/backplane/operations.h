/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/operations.h: loads, unloads and reloads that go on by themselves. backplane.h includes it.
 *
 * bp_module_load, bp_module_unload and bp_module_reload begin an operation and wait for it. The functions here do the
 * two steps one by one, so that a caller can wait for a while, look at something else, and wait again. An operation
 * goes on when nobody waits for it. bp_host_status lists the operations of the host.
 *
 * One operation runs at a time, and the others wait for their turn. An operation that drains, because a withdrawn
 * generation still has work, lets others run. If a module's constructors, init, deinit or destructors do not return
 * within bp_host_options.load_timeout_ms, the operation is answered BP_LOAD_REFUSED, its thread is left to the module,
 * and the next operation runs on another thread. If the code returns later, a load is undone. While constructors or
 * destructors hang like this, the dynamic loader of the process is locked: then operations are refused with
 * BP_OVERLOADED.
 */
#ifndef BACKPLANE_OPERATIONS_H
#define BACKPLANE_OPERATIONS_H

#include "backplane.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An operation on a module. Ids start at 1 and only grow. */
typedef struct bp_operation {
  uint64_t id; /* 0: none, or all, where a function says so */
} bp_operation;

enum { BP_OPERATION_LOAD = 1, BP_OPERATION_UNLOAD = 2, BP_OPERATION_RELOAD = 3 };

/* For bp_operation_begin. The host copies all of it.
 *
 *   field      meaning
 *   kind       BP_OPERATION_…
 *   module     the module to unload or reload; empty for a load
 *   load       what to load. For a reload it may be NULL, and a NULL path or an empty config means the old one. NULL
 * for an unload requester  who asks for it, for status and log: up to 256 bytes of text. Empty: this process. A host
 * that is reached over a connection names the process at its other end instead
 */
typedef struct bp_operation_request {
  uint32_t struct_size;
  uint32_t kind;
  bp_str module;
  const bp_load_options* load;
  bp_str requester;
} bp_operation_request;

/* Begins an operation, and does not wait for it. `*out` is the operation after BP_OK, and zero after an error.
 *   BP_INVALID_ARGUMENT  a pointer is NULL, struct_size is too small, the kind is unknown, or an argument is unusable
 *   BP_OVERLOADED        4096 operations wait, or the dynamic loader is locked by a module that hangs
 *   BP_NOT_SUPPORTED     the connected host is too old
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_operation_begin(bp_context ctx, const bp_operation_request* request, bp_operation* out,
                                       bp_result* result);

/* Waits until an operation has ended, for `timeout_ms` milliseconds at most; 0: not at all. Returns what
 * bp_module_load, bp_module_unload or bp_module_reload would. Those that have not ended by then: an unload that drains
 * is BP_PINNED, a reload whose new generation runs is BP_OK with a report of how the old one drains, and any other is
 * BP_TIMEOUT. The host knows the last 16 that have ended. BP_INVALID_HANDLE  no such operation, or it ended long ago
 *   BP_TIMEOUT         it goes on
 *   BP_CANCELED        bp_operation_cancel has undone it
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_operation_wait(bp_context ctx, bp_operation operation, uint32_t timeout_ms, bp_result* result);

/* Tells that an operation has ended. It must not block, and must not begin or wait for operations.
 * [thread: control] [state: any] [suspend: no] */
typedef void (*bp_operation_fn)(void* user);

/* Calls `on_end` once, when the operation has ended: on a thread of the host, or at once if it has.
 *   BP_INVALID_HANDLE  no such operation, or it ended long ago; `on_end` is not called
 *   BP_NOT_SUPPORTED   a connected context
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_operation_then(bp_context ctx, bp_operation operation, bp_operation_fn on_end, void* user);

/* Asks for the end of an operation, and does not wait for it. What has not been committed is undone, and ends with
 * BP_CANCELED: a load or reload before its generation runs, and an unload that still drains, which gives the names
 * back. A reload whose new generation runs cannot be undone: its old generation goes on draining, and the operation
 * ends with BP_OK. The result's message says which it is.
 *
 * Operation 0 means all, for a process that is about to end. Here an unload that drains is not undone: it ends with
 * BP_PINNED. The call waits for one second until no code of a module runs on the control threads.
 *   BP_INVALID_HANDLE  no such operation, or it has ended
 *   BP_TIMEOUT         of all: a module's code has not returned; the message names it. End the process with _exit()
 *   BP_NOT_SUPPORTED   of all: on a connected context
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_operation_cancel(bp_context ctx, bp_operation operation, bp_result* result);

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_OPERATIONS_H */
