/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/options.h: how a host, its contexts and connections are configured. backplane.h includes it.
 *
 * Zero or NULL in a field means the default. A value out of bounds is BP_INVALID_ARGUMENT.
 */
#ifndef BACKPLANE_OPTIONS_H
#define BACKPLANE_OPTIONS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The host of a process, for bp_host_configure.
 *
 *   field                    unit  default    bounds  meaning
 *   worker_threads                 4          1..256  threads for blocking handlers
 *   data_dir                       temporary          path: each module has a directory of its own below it. It is
 *                                                     locked against other processes. The default is new, has no
 *                                                     lock, and is removed when the process ends
 *   module_dirs                    anywhere           NULL-terminated list of paths: modules are loaded only from
 *                                                     these directories and from below them
 *   watchdog_period_ms       ms    1000               time between two checks of the watchdog
 *   watchdog_threshold_ms    ms    1000               report a thread as unresponsive after this long without
 *                                                     progress, measured from the first check that finds it stuck.
 *                                                     Time spent waiting for a CPU is excluded. Worker threads are
 *                                                     reported after ten times as long, if all are taken and calls
 *                                                     wait for one
 *   watchdog_start_grace_ms  ms    10000              new contexts are exempt for this long
 *   memory_limit             bytes see below  64 MiB..  memory that the host may allocate for frames, payloads,
 *                                                     buffers, events, records and stacks. Beyond it, it refuses.
 *                                                     Memory that modules allocate is not counted. The default is
 *                                                     half of the machine's memory, or of the cgroup's limit if
 *                                                     that is smaller
 *   load_timeout_ms          ms    10000      1..     how long constructors, init, deinit or destructors of a module
 *                                                     may take; see operations.h
 *   crash_line                     0          0, 1    1: if code of a module crashes, write one line to stderr that
 *                                                     says which, then run the previous action of the signal. This
 *                                                     sets actions for SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT,
 *                                                     and a handler for exit()
 *   trial_program                  none               path of the program backplane-trial; "": the installed one. Each
 *                                                     file is then loaded in a process of its own first, and refused if
 *                                                     that crashes, exits or hangs: constructors that throw and damaged
 *                                                     files do not reach this process
 *   module_cache                   $TMPDIR or /tmp    path: each process that loads modules has a directory of its own
 *                                                     below it, with a private copy of each file that it maps. The
 *                                                     file system must not be mounted noexec. A missing directory is
 *                                                     created. What a killed process has left is removed by the next
 */
typedef struct bp_host_options {
  uint32_t struct_size;
  uint32_t worker_threads;
  const char* data_dir;
  const char* const* module_dirs;
  uint32_t watchdog_period_ms;
  uint32_t watchdog_threshold_ms;
  uint32_t watchdog_start_grace_ms;
  uint64_t memory_limit;
  uint32_t load_timeout_ms;
  uint32_t crash_line;
  const char* trial_program;
  const char* module_cache;
} bp_host_options;

/* A context, for bp_context_create.
 *
 *   field              unit   default  bounds        meaning
 *   queue_depth               1048576  1..8388608    maximum queued requests, then BP_OVERLOADED. Above 16384 the
 *                                                    limit is approximate: up to twice as many with many threads
 *   event_queue_depth         1024     1..16777216   with BP_OVERFLOW_REFUSE: maximum queued events
 *   stale_interval_ms  ms     5000                   time between two BP_STALE replies of a running call
 *   stop_timeout_ms    ms     1500                   time for accepted calls to finish in stop and destroy
 *   fiber_stack_size   bytes  262144   16384..1 GiB  stack of a handler, rounded up to a power of two. Only touched
 *                                                    pages cost memory
 *   spin_us            us     50       -1: never     how long the request thread spins before it sleeps. The host
 *                                                    adapts it to the traffic. With one core it never spins
 *   fiber_limit               1000000  -1: none      maximum fibers (ext/fiber.h) of one handler run at once. With
 *                                                    none, bp.fiber/1 returns BP_NOT_SUPPORTED
 *   on_event_overflow         BP_OVERFLOW_GAP        what happens when a listener is further behind than the context
 *                                                    keeps events
 *   event_log_events          65536    16..16777216  events kept for listeners that are behind
 *   event_log_bytes    bytes  8388608  65536..1 GiB  memory for them. An event of more than a quarter of it is
 *                                                    BP_OVERFLOW for its emitter
 *   window_bytes       bytes  1048576  4096..1 GiB   partial replies of one call that may be on their way, unless its
 *                                                    bp_submission says otherwise
 *   window_parts              1024     1..1048576    the same, as a number of parts
 *   cpu_warning_ms     ms     500      -1: never     log a warning when a handler has taken so much time of the request
 *                                                    thread, without its waits; at most one each second. Quick
 *                                                    handlers are measured one time in 32
 *   call_depth                64       1..65535      how deep calls that handlers make (ext/await.h) may nest, with
 *                                                    the call from outside; a deeper one is BP_OVERLOADED
 *   suspended_limit           262144   1..8388608    maximum suspended handlers of the context; at the limit, new
 *                                                    calls are answered BP_OVERLOADED instead of run
 *   suspended_per_name        half of  1..8388608    the same for the handlers of one wire name
 *                             suspended_limit
 *   calls_per_name            262144   1..8388608    maximum calls in flight of one wire name: suspended ones, those
 *                                                    that wait for a thread, and those whose handler has returned
 *                                                    BP_LATER. Beyond it, they are answered BP_OVERLOADED. The default
 *                                                    is never below suspended_per_name
 *   request_window_bytes
 *                      bytes  1048576  4096..1 GiB   parts of one request that may wait for its handler, then
 *                                                    bp_request_part returns BP_WOULD_BLOCK
 *   request_window_parts      1024     1..1048576    the same, as a number of parts
 *   listener_patterns         65536    1..1048576    maximum different patterns of the context's listeners; a listener
 *                                                    with another one is BP_OVERLOADED
 *   context_memory     bytes  none     1 MiB..       what the context's calls in flight may hold: their payloads, each
 *                                                    counted as the next power of two, and 5 KiB for each suspended
 *                                                    handler. Beyond it, new calls are answered BP_OVERLOADED. It does
 *                                                    not include calls that wait to begin
 *   stalled_listener_ms  ms   60000    1..86400000   a listener with BP_LISTEN_LOSSLESS that takes no event for so long
 *                                                    while an emitter waits for it, loses this property
 */
enum {
  /* The listener loses the oldest events, and gets a BP_EVENT_GAP in their place. Emitters and calls notice nothing. */
  BP_OVERFLOW_GAP = 0,
  /* No event that was accepted is lost. When event_queue_depth events wait for the slowest listener, or event_log_bytes
   * are in use, emitters get BP_OVERFLOW, calls are refused with BP_EVENT_QUEUE_STUCK until half of them are delivered,
   * and backplane.not_responding is sent. event_log_events is not used. */
  BP_OVERFLOW_REFUSE = 1
};

typedef struct bp_context_options {
  uint32_t struct_size;
  uint32_t queue_depth;
  uint32_t event_queue_depth;
  uint32_t stale_interval_ms;
  uint32_t stop_timeout_ms;
  uint32_t fiber_stack_size;
  int32_t spin_us;
  int32_t fiber_limit;
  uint32_t on_event_overflow; /* BP_OVERFLOW_… */
  uint32_t event_log_events;
  uint64_t event_log_bytes;
  uint64_t window_bytes;
  uint32_t window_parts;
  int32_t cpu_warning_ms;
  uint32_t call_depth;
  uint32_t suspended_limit;
  uint32_t suspended_per_name;
  uint32_t calls_per_name;
  uint64_t request_window_bytes;
  uint32_t request_window_parts;
  uint32_t listener_patterns;
  uint32_t stalled_listener_ms;
  uint32_t reserved; /* 0 */
  uint64_t context_memory;
} bp_context_options;

/* What has happened to a connection. */
enum {
  /* The connection is broken. Its open calls have ended with BP_UNREACHABLE, and its tokens of host functions are
   * stale. Until BP_CONNECTION_BACK comes, calls are refused with BP_UNREACHABLE. `message` says why it broke. */
  BP_CONNECTION_LOST = 1,
  /* An attempt has failed with `status`. The next one comes after at most `wait_ms`. `message` says what was found. */
  BP_CONNECTION_WAITING = 2,
  /* There is a connection again, and calls work. `message` names what the host refuses now: listeners and host
   * functions, which then hear nothing, and modules that it does not have. It is empty if that is nothing. */
  BP_CONNECTION_BACK = 3,
  /* reconnect_attempts have failed. No attempt follows: destroy the context, and connect anew. */
  BP_CONNECTION_GIVEN_UP = 4,
  /* The interface of `module` now breaks callers of the one that bp_context_expect has accepted. Until it fits again,
   * is gone, or bp_context_expect accepts it, its calls are refused with BP_INTERFACE_CHANGED. `message` names rule
   * and member. It comes after a reload, and after a reconnect before BP_CONNECTION_BACK. */
  BP_CONNECTION_INTERFACE = 5
};

/* Valid until the callback returns. */
typedef struct bp_connection_state {
  uint32_t struct_size; /* sizeof(bp_connection_state), set by the library */
  uint32_t kind;        /* BP_CONNECTION_…; ignore kinds that you do not know */
  bp_status status;     /* BP_OK, or why there is no connection, or BP_INTERFACE_CHANGED */
  uint32_t attempt;     /* the number of the attempt, since the connection was lost; else 0 */
  uint64_t wait_ms;     /* with BP_CONNECTION_WAITING; else 0 */
  bp_str message;       /* for people; may be empty */
  bp_str module;        /* with BP_CONNECTION_INTERFACE; else empty */
} bp_connection_state;

/* Tells what has happened to a connection. The calls come one after another, on a thread of the context that does
 * nothing but keep the connection. It counts as one of the host's own threads: functions that wait return BP_REENTRANT.
 * It must not block, since no attempt is made meanwhile. The first call may come before bp_context_connect returns.
 * [thread: any] [state: connected] [suspend: no] */
typedef void (*bp_connection_fn)(void* user, const bp_connection_state* state);

/* A connection, for bp_context_connect.
 *
 *   field               unit   default    bounds        meaning
 *   timeout_ms          ms     5000                     time to connect
 *   socket_path                see below                path of the host's Unix socket
 *   event_bytes         bytes  8388608    65536..1 GiB  events that may wait for the callbacks. Beyond it, listeners
 *                                                       lose events, and get a BP_EVENT_GAP in their place
 *   reconnect                  0          0, 1          1: connect again when the connection breaks; see below
 *   reconnect_attempts         0                        after so many failed attempts in a row, give up. 0: never
 *   reconnect_min_ms    ms     100        1..max        longest wait before the first attempt. Each further wait is
 *                                                       twice as long. The default is never above reconnect_max_ms
 *   reconnect_max_ms    ms     10000      1..3600000    longest wait. The default is never below reconnect_min_ms
 *   on_state                   NULL                     is told what happens to the connection. Only with `reconnect`
 *   user                                                passed to on_state
 *
 * The default path is $BACKPLANE_SOCKET, else $XDG_RUNTIME_DIR/backplane/backplane.sock, else
 * <temporary directory>/backplane-<uid>/backplane.sock.
 *
 * RECONNECT. The first attempt is that of bp_context_connect. Later ones are made in the background. Each wait is
 * shorter by a random part, of up to a half. When there is a connection again:
 *   - Listeners are registered again. Each gets one BP_EVENT_GAP whose `lost` is 0, before any event of the new
 *     connection: nobody knows what it has missed. Calls work in its callback. `emitted_ms` is when the old
 *     connection broke.
 *   - Host functions are provided again. Calls of them that were open have ended for their callers.
 *   - Method handles of this context are resolved again. Those whose name no module has get BP_UNKNOWN_NAME.
 *   - Interfaces that bp_context_expect has accepted are compared again; see BP_CONNECTION_INTERFACE.
 * Ids of operations (operations.h) belong to the host: do not use them with the next one.
 * While there is no connection, bp_subscribe, bp_function_set and bp_function_provide return BP_OK and take effect with
 * the next connection. Other functions that ask the host return BP_UNREACHABLE. */
typedef struct bp_connect_options {
  uint32_t struct_size;
  uint32_t timeout_ms;
  const char* socket_path;
  uint64_t event_bytes;
  uint32_t reconnect;
  uint32_t reconnect_attempts;
  uint32_t reconnect_min_ms;
  uint32_t reconnect_max_ms;
  bp_connection_fn on_state;
  void* user;
} bp_connect_options;

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_OPTIONS_H */
