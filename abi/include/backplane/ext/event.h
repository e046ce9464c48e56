/* SPDX-License-Identifier: Apache-2.0
 *
 * bp.event/1: tell the context's listeners that something happened.
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

  /* Queues an event; listeners run on the event thread, in order of emission. `name` is a wire name.
   * With BP_EVENT_TYPED in `flags`, `payload` is one CBOR item, and the host wraps it, once, into
   * {"eventType": name, "payload": item}; without, the bytes pass as they are. An event nobody
   * listens to costs next to nothing. Never blocks: BP_OVERFLOW if the queue is full, BP_CLOSED
   * after the context has stopped, BP_INVALID_ARGUMENT for a bad name or an unknown flag.
   * [thread: any] [state: instance alive] [suspend: no] */
  bp_status (*emit)(bp_instance* instance, bp_str name, bp_bytes payload, uint32_t flags);
} bp_event_api;

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_EXT_EVENT_H */
