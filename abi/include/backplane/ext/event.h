/* SPDX-License-Identifier: Apache-2.0
 *
 * bp.event/1: send events to the context's listeners.
 */
#ifndef BACKPLANE_EXT_EVENT_H
#define BACKPLANE_EXT_EVENT_H

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_EVENT "bp.event/1"

typedef struct bp_event_api {
  uint32_t struct_size;
  uint32_t reserved;

  /* Appends an event to the context's log, and never blocks. Listeners run on the event thread, in the order of
   * emission. No listener can make this fail or wait, unless the context was made with BP_OVERFLOW_REFUSE.
   * With BP_EVENT_TYPED in `flags`, `payload` must be one CBOR item. The host wraps it once into the map
   * {"eventType": name, "payload": item}. Without the flag, the bytes pass unchanged. An event without listeners costs
   * almost nothing.
   *   BP_INVALID_ARGUMENT  `name` is no wire name that begins with the name of the module and a dot, a flag is unknown,
   *                        or a typed payload is empty
   *   BP_OVERFLOW          the event is larger than a quarter of event_log_bytes; or, with BP_OVERFLOW_REFUSE, the log
   *                        is full. The event was refused
   *   BP_CLOSED            the context has stopped
   *   BP_OUT_OF_MEMORY     no memory
   * [thread: any] [state: instance alive] [suspend: no] */
  bp_status (*emit)(bp_instance* instance, bp_str name, bp_bytes payload, uint32_t flags);

  /* As `emit`, but waits until each listener with BP_LISTEN_LOSSLESS that the event is for can take it. Then no such
   * listener loses it, unless it stalls and is given up before it has taken the event. With BP_OVERFLOW_REFUSE it
   * waits for the full log as well. Else it does not wait. `call` is bp_call.token of the running handler. It waits at
   * most `timeout_ms` milliseconds; 0 means 1000.
   * It returns what `emit` and an await (await.h) return, and:
   *   BP_TIMEOUT        a listener could not take the event within `timeout_ms`; it was not emitted
   *   BP_NOT_SUPPORTED  not in the handler that has this token
   * [thread: request, worker] [state: in a handler] [suspend: yes] */
  bp_status (*emit_wait)(bp_token call, bp_str name, bp_bytes payload, uint32_t flags, uint64_t timeout_ms);
} bp_event_api;

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_EXT_EVENT_H */
