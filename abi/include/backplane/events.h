/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/events.h: events, and the listeners that get them. backplane.h includes it.
 */
#ifndef BACKPLANE_EVENTS_H
#define BACKPLANE_EVENTS_H

#include "backplane.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_event {
  uint32_t struct_size;
  uint32_t flags; /* BP_EVENT_… */
  bp_str name;
  bp_bytes payload; /* data is never NULL. Of a typed event: CBOR, {"eventType": name, "payload": the value} */
  bp_listener listener;
  uint64_t lost; /* with BP_EVENT_GAP: how many events are lost in this gap, or 0: unknown, because the connection was
                    lost; else 0 */
  uint64_t emitted_ms; /* when it was emitted, Unix time in ms; 0: unknown, as on a connected context. With
                          BP_EVENT_GAP: when the first lost event was emitted; on a connected context it may be a little
                          later. If `lost` is 0: when the connection broke */
} bp_event;

/* Gets one event. `event` is valid until the callback returns. The callback may add and remove listeners, also itself.
 * Events come in the order of emission. A callback that is slower than the events never holds their emitters: once it
 * is further behind than the context keeps events (bp_context_options), the oldest are lost, and it gets a BP_EVENT_GAP
 * in their place. The callbacks of a context share its event thread, so a slow one delays the others of its context,
 * except those with BP_LISTEN_OWN_THREAD. Their own thread counts as [thread: event].
 *
 * The host has events of its own. They are typed, with a CBOR map as payload:
 *   backplane.not_responding  a thread does not respond
 *   backplane.responding      it responds again
 *   backplane.disconnected    {reason}: the connection of a connected context is broken. It is the last event, unless
 *                             the context connects again (bp_connect_options.reconnect)
 * The first two have this map:
 *   thread              "request", "event", or "worker": no thread for blocking handlers is free, and calls wait
 *   in                  what held the thread when it fell silent, as follows; "" if none of these
 *     "handler"           the handler of the wire name `name`
 *     "function"          a host function that the handler of `name` called
 *     "reply"             the reply callback of a call of `name`
 *     "instance"          instance_create or instance_destroy
 *     "listener"          the callback of `listener`, with the event `name`
 *   name, listener      as above
 *   module, generation  whose code that is; empty and 0 for the application's
 *   for_ms              how long the thread has made no progress, give or take the watchdog's period
 *   waiting             only of "worker": how many calls wait
 * [thread: event, watchdog] [state: listener alive] [suspend: no] */
typedef void (*bp_event_fn)(void* user, const bp_event* event);

/* Flags of a subscription. */
enum {
  /* The callback runs on a thread of its own. If it is slow, no other listener waits for it. While it runs, it misses
   * events of the host that pass by the log: backplane.not_responding and backplane.responding. */
  BP_LISTEN_OWN_THREAD = 1,
  /* Loses no event of emitters that wait for it (bp.event/1, emit_wait): these have the flag BP_EVENT_LOSSLESS. Of
   * these, at most `window_bytes` are on their way to the callback. If it takes none for stalled_listener_ms
   * (bp_context_options) while an emitter waits for it, it loses this property, and the log says so. Events of emitters
   * that do not wait may be lost to it, with a gap in their place. */
  BP_LISTEN_LOSSLESS = 2,
  /* With BP_LISTEN_LOSSLESS: an event with the flag is done with when bp_listener_credit says so. Without, it
   * is done with when the callback has returned. */
  BP_LISTEN_CREDIT = 4
};

typedef struct bp_subscription {
  uint32_t struct_size;
  uint32_t flags; /* BP_LISTEN_…; an unknown bit is BP_INVALID_ARGUMENT */
  bp_str pattern; /* an event name, or a prefix followed by "*": "kv.*", "*" */
  bp_event_fn on_event;
  void* user;            /* passed to on_event */
  bp_str label;          /* UTF-8, at most 256 bytes: shown in the status, to tell whose listener it is; may be empty. A
                            connected context does not use it */
  uint64_t window_bytes; /* with BP_LISTEN_LOSSLESS: names and payloads of the events that are on their way at once; a
                            larger event goes alone. 0: 1 MiB. A connected context does not use it */
} bp_subscription;

/* Subscribes to one event name, or to every name with a prefix, for events that are emitted from now on.
 *   BP_INVALID_ARGUMENT  `subscription` is NULL or too small, its pattern is neither, a flag is unknown, or on_event or
 *                        `out` is NULL
 *   BP_NOT_SUPPORTED     the context is the host's (bp_host_context); on a connected context BP_LISTEN_OWN_THREAD or
 *                        BP_LISTEN_CREDIT, or the host there knows no BP_LISTEN_LOSSLESS
 *   BP_CLOSED            the context is closed
 *   BP_OVERLOADED        the context's listeners have listener_patterns different patterns; on a connected context also
 *                        a limit of the host there, such as lossless_listeners
 *   BP_OUT_OF_MEMORY     no memory, or no thread
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_subscribe(bp_context ctx, const bp_subscription* subscription, bp_listener* out);

/* As bp_subscribe, without flags and label.
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_listen(bp_context ctx, bp_str pattern, bp_event_fn on_event, void* user, bp_listener* out);

/* Inside an event callback of a context of this process: this listener could not take the event, for example because
 * its own queue is full. The status then counts the event as lost to it. The callback's owner must tell the loss to the
 * reader of that queue. In a gap, or in an event of the host, it changes nothing.
 *   BP_INVALID_HANDLE  not inside such a callback
 * [thread: event] [state: in on_event] [suspend: no] */
BP_EXPORT bp_status bp_event_drop(const bp_event* event);

/* Makes room for further events of a listener with BP_LISTEN_CREDIT: it is done with so many bytes of the events with
 * the flag BP_EVENT_LOSSLESS that it got. An event counts the bytes of its name and payload. More bytes than are on
 * their way count as all of them. It may be called in the callback.
 *   BP_INVALID_HANDLE    there is no such listener
 *   BP_INVALID_ARGUMENT  the listener has no BP_LISTEN_CREDIT
 *   BP_NOT_SUPPORTED     on a connected context
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_listener_credit(bp_context ctx, bp_listener listener, uint64_t bytes);

/* Ends a subscription. When this returns, the callback does not run and will not run again, so `user` may be freed.
 *   - Called from that callback, it returns at once. The running call is the last.
 *   - If listeners on several threads remove each other in a cycle, the call that closes the cycle returns without
 *     waiting. Its target may still run until the callback that made this call has returned.
 *   BP_INVALID_HANDLE  there is no such subscription, or another call is removing it or has removed it. This call does
 *                      not wait, so the callback may still run
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_unlisten(bp_context ctx, bp_listener listener);

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_EVENTS_H */
