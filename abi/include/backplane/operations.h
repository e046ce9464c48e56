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

enum {
  BP_OPERATION_LOAD = 1,
  BP_OPERATION_UNLOAD = 2,
  BP_OPERATION_RELOAD = 3,
  /* Several of these together: either all of them are made, or nothing changes. All new modules are mapped, and their
   * inits and instances have succeeded, before the first of them is published. Not over a connection. */
  BP_OPERATION_CHANGE = 4
};

/* For bp_operation_begin. The host copies all of it.
 *
 *   field         meaning
 *   kind          BP_OPERATION_…
 *   module        the module to unload or reload; empty for a load and a change
 *   load          what to load. For a reload it may be NULL, and a NULL path or an empty config means the old one. NULL
 *                 for an unload and a change
 *   requester     who asks for it, for status and log: up to 256 bytes of text. Empty: this process. A host that is
 *                 reached over a connection names the process at its other end instead
 *   changes       of a change: pointers to `change_count` requests of another kind, each for another module. The module
 *                 of a load may be empty; else a file of another module is refused. Their requesters are not read
 *   change_count  1 to 4096 for a change, else 0
 */
typedef struct bp_operation_request {
  uint32_t struct_size;
  uint32_t kind;
  bp_str module;
  const bp_load_options* load;
  bp_str requester;
  const struct bp_operation_request* const* changes;
  uint64_t change_count;
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
 * BP_TIMEOUT. A change is like a reload; its report is a change-report. The host knows at least the last
 * 16 that have ended.
 *
 *   BP_INVALID_HANDLE  no such operation, or it ended long ago
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

/* The same for one operation, and the message with which it ends names `requester`: who cancels it, up to 256 bytes of
 * text. Empty, as with bp_operation_cancel: this process. A host that is reached over a connection names the process at
 * its other end instead.
 *   BP_INVALID_ARGUMENT  operation 0; or `requester` is too long, or its data is NULL and its size is not 0
 *   BP_INVALID_HANDLE    no such operation, or it has ended
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_operation_cancel_for(bp_context ctx, bp_operation operation, bp_str requester,
                                            bp_result* result);

/* Reports name, generation, path, sha256 and configuration of each module that runs: {modules: [* {name, generation,
 * path, sha256, config: bytes}]}. Configurations may hold secrets, so a connection does not carry them.
 *   BP_NOT_SUPPORTED  on a connected context
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_module_configurations(bp_context ctx, bp_result* result);

enum {
  BP_RECONFIGURE_DRY_RUN = 1, /* only report the difference */
  BP_RECONFIGURE_SHOW = 2     /* report the file, and the modules with their configurations; change nothing */
};

/* Asks the process that serves a connected context to read its configuration file again, and to act on the difference:
 * all or nothing. The report is a reconfigure-report. It has the difference, and the operation that makes it: wait for
 * that with bp_operation_wait. Waits for the report for `timeout_ms` milliseconds at most; 0: as long as it takes.
 *   BP_INVALID_ARGUMENT  an unknown flag; or the file is wrong, or changes what only a new start can. Nothing changed
 *   BP_LOAD_REFUSED      a file that it names is no module. Nothing has changed
 *   BP_TIMEOUT           not reported in time; it may go on
 *   BP_NOT_SUPPORTED     an embedded context, or a host that is too old or has no configuration file
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_host_reconfigure(bp_context ctx, uint32_t flags, uint32_t timeout_ms, bp_result* result);

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_OPERATIONS_H */
