/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/flow.h: calls in parts, and whose call is next. backplane.h includes it.
 */
#ifndef BACKPLANE_FLOW_H
#define BACKPLANE_FLOW_H

#include "backplane.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Parts ---------------------------------------------------------------------------------- */

/* Makes room for further partial replies of a call with BP_SUBMIT_CREDIT: its receiver is done with the oldest `bytes`
 * bytes of the parts that it got. A part makes room when all of its bytes are done. More bytes than are on their way
 * count as all of them. An empty part counts as one byte.
 *   BP_OUT_OF_MEMORY     no memory to tell the request thread
 *   BP_INVALID_HANDLE    the call has ended, or never existed
 *   BP_INVALID_ARGUMENT  the call has no BP_SUBMIT_CREDIT
 *   BP_OVERLOADED        on a connected context: 64 MiB wait to be sent to the host; give the credit again later
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_request_credit(bp_context ctx, bp_request request, uint64_t bytes);

enum {
  BP_PART_LAST = 1, /* no part follows */
  BP_PART_END = 2   /* this is no part, and none follows; the payload must be empty. It never has to wait */
};

/* Sends the next part of a request that was submitted with BP_SUBMIT_PARTS. The payload is copied. Up to 1 MiB, or 1024
 * parts, may wait for the handler. One part may be larger, if no other waits. A call whose last part was not sent stays
 * open until its handler replies, its deadline passes or it is canceled.
 *   BP_WOULD_BLOCK       too much waits for the handler; nothing was taken. on_credit tells when there is room
 *   BP_INVALID_HANDLE    the call has ended, or never existed
 *   BP_INVALID_ARGUMENT  the call has no BP_SUBMIT_PARTS, its last part was sent, a flag is unknown, or BP_PART_END
 *                        has a payload; on a connected context also a payload that fits no frame
 *   BP_OUT_OF_MEMORY     no memory; nothing was taken
 *   BP_OVERLOADED        on a connected context: 64 MiB wait to be sent to the host; nothing was taken
 *   BP_UNREACHABLE       the connection is broken
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_request_part(bp_context ctx, bp_request request, bp_bytes payload, uint32_t flags);

/* ---- Sources -------------------------------------------------------------------------------- */

/* Opens a source: one of several parties, such as connections or tenants, whose calls this context serves. Calls of a
 * source wait in a queue of its own. The request thread takes calls from the sources in turns: one at a time, or as
 * many as it can do in 10 us. A call with a large payload costs its source further turns: one for each 16 KiB. So a
 * source with many calls delays the others only by one turn. The calls that a handler makes belong to the source of its
 * own call.
 *   BP_INVALID_ARGUMENT  `out` is NULL
 *   BP_CLOSED            the context is closed
 *   BP_OUT_OF_MEMORY     no memory
 *   BP_NOT_SUPPORTED     on a connected context
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_source_open(bp_context ctx, bp_source* out);

/* Says who a source is, for people: in `status`, and in the line about a crash of a handler. For example "process 4711
 * (user 1000, curl)". A source without a name counts as this process. The text is copied.
 *   BP_INVALID_HANDLE    there is no such source
 *   BP_INVALID_ARGUMENT  it has a name already; or the name is empty, longer than 64 bytes, not UTF-8, or has control
 *                        characters
 *   BP_NOT_SUPPORTED     on a connected context
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_source_name(bp_context ctx, bp_source source, bp_str name);

/* While a source is held, its calls get no partial replies: `part` waits (ext/await.h), and `reply` returns
 * BP_WOULD_BLOCK. Hold a source while too much output waits for it. `hold`: 1 or 0.
 *   BP_INVALID_HANDLE  there is no such source
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_source_hold(bp_context ctx, bp_source source, int32_t hold);

/* Closes a source. Its open calls go on, and are no longer held. The end of its context closes it too.
 *   BP_INVALID_HANDLE  there is no such source
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_source_close(bp_context ctx, bp_source source);

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_FLOW_H */
