/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/backplane.h: the host, for applications.
 *
 * Link with libbackplane.so. In short:
 *
 *   bp_context ctx;
 *   bp_result why = {.struct_size = sizeof why};
 *   if (bp_context_create(NULL, &ctx, &why) != BP_OK) …       an embedded host, or
 *   if (bp_context_connect(NULL, &ctx, &why) != BP_OK) …      the one that `backplane run` started
 *   bp_module_load(ctx, &load, &why);
 *   bp_call_sync(ctx, BP_STR("echo.shout"), payload, 1000, &result);
 *   bp_context_destroy(ctx);
 *
 * wait.h has calls without callbacks, and embedding.h the end of a context, its socket and the check of versions.
 *
 * PAYLOADS are opaque to the host. Modules made with the SDK take one CBOR map of parameters by name and answer one
 * CBOR item. `bp_module_list` gives the shape of each name in CDDL.
 *
 * EMBEDDED AND REMOTE. bp_context_create makes a context in this process. bp_context_connect reaches the context of a
 * running host. All functions work on both alike, unless they say otherwise. The modules of an embedded host belong to
 * the process: every context in the process has an instance of each module. A function that asks the host over a
 * connection can also return BP_UNREACHABLE (the connection is broken), BP_OVERLOADED (too much waits to be sent) and
 * BP_TIMEOUT (the host does not answer).
 *
 * THREADS. Any thread may call any function at any time; the tags say more (base.h explains them). An embedded context
 * calls back on its own threads: replies and host functions on its request thread, listeners on its event thread,
 * liveness events on the watchdog thread. On a connected context, the thread that reads the connection stands for the
 * request thread. All these threads, of every context, are the host's own threads. A callback must not block the
 * request thread: nothing else of that context runs until it returns. No exception may leave a callback.
 *
 * HANDLES are checked. A handle that is zero, stale or foreign gives BP_INVALID_HANDLE, never a crash.
 * MEMORY. Every function that returns a status may return BP_OUT_OF_MEMORY.
 *
 * FORK. A child process has none of the host's threads; the parent is not affected. The rules hold after fork() only,
 * not after vfork(), _Fork() or a bare clone().
 *   - A process may fork before its first context and before bp_host_context. Each child may then have its own host.
 *   - In a child of a later fork() every function returns at once. Every handle is stale (BP_INVALID_HANDLE).
 *     bp_context_create, bp_context_connect and bp_host_configure return BP_NOT_SUPPORTED. bp_host_context returns
 *     zero. Functions that need no host still work: bp_module_inspect and those on buffers, results and statuses.
 *   - The child may call exec and _exit at any time. It may call exit, unless another thread of the parent was in
 *     bp_module_load, bp_module_unload or bp_module_reload at the fork. Then a lock of the C library may be held, and
 *     exit waits for it forever.
 *   - A child that was forked in a callback or in a module must not return from there. It ends with 1 and a line then.
 */
#ifndef BACKPLANE_BACKPLANE_H
#define BACKPLANE_BACKPLANE_H

#include "base.h"
#include "options.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Handles ------------------------------------------------------------------------------ */

typedef struct bp_context {
  uint64_t id; /* 0: none */
} bp_context;

/* A wire name that is resolved once. It stays right across reloads. Ids are below 2^53, so a double holds them. */
typedef struct bp_method {
  uint64_t id;
} bp_method;

/* An accepted call, for bp_cancel. */
typedef struct bp_request {
  uint64_t id;
} bp_request;

/* One of several parties whose calls share a context; see bp_source_open. */
typedef struct bp_source {
  uint64_t id; /* 0: none */
} bp_source;

/* A subscription. Ids start at 1 and only grow. */
typedef struct bp_listener {
  uint64_t id;
} bp_listener;

/* ---- The library -------------------------------------------------------------------------- */

/* Returns the version of the library: BP_VERSION_STRING of its headers. The text is static.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT const char* bp_version(void);

/* Returns BP_ABI_MAJOR << 16 | BP_ABI_MINOR of the library's headers.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT uint32_t bp_abi_version(void);

/* Returns the name of a status: "unknown_name" for BP_UNKNOWN_NAME. Values from BP_STATUS_MODULE_FIRST on are "module",
 * and values that this library does not know are "unknown". The text is static.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT const char* bp_status_name(bp_status status);

/* Returns one sentence for people about a status. The text is static.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT const char* bp_status_text(bp_status status);

/* ---- The host of this process -------------------------------------------------------------- */

/* Configures the host of this process. Optional; call it at most once, before the first context.
 * `why` may be NULL; otherwise it gets the message of an error.
 *   BP_INVALID_ARGUMENT  `options` is NULL, its struct_size is 0, or a value is out of bounds
 *   BP_IO                the data directory cannot be made or used, or another process has locked it
 *   BP_NOT_SUPPORTED     the host runs already, or this is a forked child
 * [thread: caller] [state: before the first context] [suspend: no] */
BP_EXPORT bp_status bp_host_configure(const bp_host_options* options, bp_result* why);

/* Returns the handle of this process's host, for work that needs no context: bp_module_…, bp_host_status, and calls
 * of static names (BP_HANDLER_STATIC). A static call runs on the calling thread: bp_submit has called on_reply when it
 * returns. It gives no request handle and ignores the deadline. A name that is not static answers BP_NOT_SUPPORTED.
 * All other functions return BP_NOT_SUPPORTED for this handle. The handle is never stale and needs no destroy.
 * Returns zero if memory or a thread is not available, and in a forked child.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_context bp_host_context(void);

/* ---- Contexts: create or connect → close → stop → destroy ----------------------------------- */

/* Makes a context in this process, and its instance of every loaded module. `options` may be NULL.
 * After BP_OK, `*out` is the context. After an error nothing is left behind, `*out` is zero, and `why` has the message;
 * `why` may be NULL. A module whose instance_create fails does not stop this: its names answer BP_INSTANCE_FAILED here.
 *   BP_INVALID_ARGUMENT  `out` is NULL, struct_size is 0, or a value is out of bounds
 *   BP_OUT_OF_MEMORY     no memory, or too many contexts
 *   BP_IO                no thread or no descriptor is available
 *   BP_REENTRANT         called on one of the host's own threads
 *   BP_NOT_SUPPORTED     called in a forked child (see FORK)
 * [thread: caller] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_context_create(const bp_context_options* options, bp_context* out, bp_result* why);

/* Makes a context that stands for the one that a running host serves on a Unix socket. `options` may be NULL. `*out`
 * and `why` are as for bp_context_create. If the connection breaks, open calls end once with BP_UNREACHABLE. Later
 * calls are refused with it, for ever, or with options->reconnect until there is a connection again.
 *   BP_INVALID_ARGUMENT  `out` is NULL, struct_size is 0, a value is out of bounds, or the path fits no socket address
 *   BP_UNREACHABLE       nobody listens there, the socket or its folder is not trusted, or there is no thread
 *   BP_PROTOCOL          the peer is no Backplane host, or its protocol is too new
 *   BP_TIMEOUT           the host did not answer in time
 *   BP_OUT_OF_MEMORY     no memory, or too many contexts
 *   BP_NOT_SUPPORTED     called in a forked child (see FORK)
 * [thread: caller] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_context_connect(const bp_connect_options* options, bp_context* out, bp_result* why);

/* Closes a context: new calls return BP_CLOSED from now on. Accepted calls go on. A closed context stays closed: BP_OK.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_context_close(bp_context ctx);

/* Closes a context and ends its work. First, accepted calls have `timeout_ms` milliseconds (0: the option's) to finish.
 * Then the rest is canceled: outstanding tokens fail, and the awaits of handlers return BP_CANCELED. Every call still
 * gets its one terminal reply. Events that were emitted are delivered. The whole call takes at most twice `timeout_ms`,
 * or on a connected context at most about a second longer than `timeout_ms`.
 *   BP_OK         nothing runs any more
 *   BP_TIMEOUT    a handler, a listener or a module operation does not return; call again to continue
 *   BP_REENTRANT  called on one of the host's own threads
 * [thread: caller] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_context_stop(bp_context ctx, uint32_t timeout_ms);

/* Stops a context as bp_context_stop(ctx, 0) does, then frees it. The handle is stale afterwards, except after
 * BP_REENTRANT.
 *   BP_OK         the context is gone
 *   BP_TIMEOUT    a handler, a listener or a module operation does not return. The context is set aside and freed when
 *                 it does. Callbacks may come until then; bp_context_then tells when it is gone
 *   BP_REENTRANT  called on one of the host's own threads; nothing has happened
 * [thread: caller] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_context_destroy(bp_context ctx);

/* ---- Calls ---------------------------------------------------------------------------------- */

/* Gets the replies of one call: any number of BP_STALE and BP_PARTIAL, then exactly one terminal reply.
 * `answer` and what it points to are valid until the callback returns. The callback may submit further calls.
 * [thread: request] [state: call accepted] [suspend: no] */
typedef void (*bp_reply_fn)(void* user, const bp_answer* answer);

/* Tells the caller of a call in parts (BP_SUBMIT_PARTS) that its handler has taken parts, so that there is room for
 * more. `bytes`: how many bytes of payload it has taken since the last call. It does not come after the terminal reply.
 * It may submit calls and send parts.
 * [thread: request] [state: call open] [suspend: no] */
typedef void (*bp_credit_fn)(void* user, uint64_t bytes);

enum {
  BP_SUBMIT_NO_STALE = 1, /* no BP_STALE replies for this call */
  BP_SUBMIT_CREDIT = 2,   /* bp_request_credit makes room for further partial replies, not the end of on_reply */
  BP_SUBMIT_PARTS = 4     /* `payload` is the first part of the request; bp_request_part sends the others. The handler
                             must be declared with BP_HANDLER_PARTS, else the reply is BP_NOT_SUPPORTED */
};

typedef struct bp_submission {
  uint32_t struct_size;
  uint32_t flags;      /* BP_SUBMIT_…; an unknown bit is BP_INVALID_ARGUMENT */
  bp_method method;    /* if its id is not 0, used instead of `name` */
  bp_str name;         /* the wire name */
  bp_bytes payload;    /* copied before bp_submit returns */
  bp_buffer* buffer;   /* if not NULL, used instead of `payload`. The host owns it after BP_OK; otherwise the caller
                          still does */
  uint64_t timeout_ms; /* deadline, from now; then the call ends with BP_DEADLINE. 0: none */
  bp_reply_fn on_reply;
  void* user;            /* passed to on_reply and on_credit */
  bp_source source;      /* whose call it is; 0: none. See bp_source_open */
  uint64_t window_bytes; /* how many bytes of partial replies may be on their way to the caller. 0: the context's
                            option. One part may be larger, if no other is on its way. A host that is connected to
                            gives at most 16 MiB */
  uint32_t window_parts; /* how many partial replies may be on their way. 0: the context's option. A host that is
                            connected to gives at most 65536 */
  uint32_t reserved;
  bp_credit_fn on_credit; /* with BP_SUBMIT_PARTS; NULL: the caller does not want to know */
} bp_submission;

/* Submits a call and returns. After BP_OK, on_reply gets exactly one terminal reply. After any other status it is never
 * called. An unknown name is accepted: the reply is BP_UNKNOWN_NAME. `request`, if not NULL, gets the handle for
 * bp_cancel before the first reply can come. Its id is 0 until then, and after a refusal; another thread may read it
 * meanwhile with an atomic load.
 *   BP_MISSING_CALLBACK   on_reply is NULL
 *   BP_INVALID_ARGUMENT   `submission` is NULL or too small, a flag is unknown, or the name is empty or too long
 *   BP_INVALID_HANDLE     `ctx`, `method` or `source` is not valid
 *   BP_CLOSED             the context is closed
 *   BP_OVERLOADED         queue_depth requests wait, or the host is at its memory limit (bp_memory_refused); on a
 *                         connected context, too much waits to be sent
 *   BP_EVENT_QUEUE_STUCK  with BP_OVERFLOW_REFUSE: the event log was full, and is not yet half empty again
 *   BP_UNREACHABLE        the connection is broken
 *   BP_INTERFACE_CHANGED  a connection with `reconnect`: see BP_CONNECTION_INTERFACE (options.h)
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_submit(bp_context ctx, const bp_submission* submission, bp_request* request);

/* Calls and waits for the terminal answer. `timeout_ms` 0 means no bound. Partial answers are dropped. `out` owns the
 * answer: free it with bp_result_free. Returns out->status: the answer's, a refusal as by bp_submit, or BP_REENTRANT on
 * any of the host's own threads, also another context's.
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_call_sync(bp_context ctx, bp_str name, bp_bytes payload, uint64_t timeout_ms, bp_result* out);

/* Cancels a call. The call still gets its one terminal reply: BP_CANCELED, unless an answer came first. The handler is
 * never killed: it learns of the cancel at its next suspension. Its later replies are refused. If the answer only
 * waits for the handler's fibers to end (ext/fiber.h), it comes now.
 *   BP_INVALID_HANDLE  the call has ended
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_cancel(bp_context ctx, bp_request request);

/* Resolves a wire name to a handle. After an unload, calls by the handle get BP_MODULE_GONE until the name is there
 * again. On a connected context this asks the host.
 *   BP_UNKNOWN_NAME      no loaded module has the name
 *   BP_INVALID_ARGUMENT  `out` is NULL, or `name` is empty or too long
 *   BP_REENTRANT         connected context: called on one of the host's own threads
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_method_find(bp_context ctx, bp_str name, bp_method* out);

/* ---- Memory --------------------------------------------------------------------------------- */

/* Returns a buffer of at least `capacity` bytes and size 0, for bp_submission.buffer or bp_answer.buffer.
 * Returns NULL if there is no memory, or at the memory limit. The caller owns the buffer.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_buffer* bp_buffer_new(size_t capacity);

/* Frees a buffer that the caller still owns. NULL is allowed.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT void bp_buffer_free(bp_buffer* buffer);

/* Frees what `result` owns, and sets all but struct_size to zero. NULL is allowed.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT void bp_result_free(bp_result* result);

enum {
  BP_MEMORY_HELD = 1 /* in use already, or small and needed to manage the host: counted even beyond the limit */
};

/* Counts `size` bytes, which the application holds for its work with the host, against the host's memory limit
 * (bp_host_options.memory_limit). The memory itself is the application's. Give back the same number later. Buffers are
 * counted anyway.
 *   BP_OVERLOADED        this would exceed the limit; nothing is counted
 *   BP_INVALID_ARGUMENT  a flag is unknown
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_memory_take(uint64_t size, uint32_t flags);

/* Ends the count of `size` bytes that bp_memory_take has counted.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT void bp_memory_give(uint64_t size);

/* Returns 1 if the memory limit is why bp_submit has just returned BP_OVERLOADED, bp_buffer_new NULL, or bp_memory_take
 * BP_OVERLOADED on this thread; otherwise 0. Call it at once, and only after such a result.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT int32_t bp_memory_refused(void);

/* Returns the memory limit of this process's host in bytes; UINT64_MAX before the host exists.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT uint64_t bp_memory_limit(void);

/* ---- Host functions --------------------------------------------------------------------------- */

/* Runs one call that a handler makes to the application. It must return at once. Any thread answers with
 * bp_complete(ctx, token, …), at once or later. The views are valid until the callback returns.
 * [thread: request] [state: registered] [suspend: no] */
typedef void (*bp_host_function_fn)(void* user, bp_context ctx, bp_token token, bp_str name, bp_bytes payload);

/* Registers or replaces this context's host function `name`, or removes it if `function` is NULL. It takes precedence
 * over a module's function of that name. When this returns, the old function does not run and will not be called again,
 * so its `user` may be freed. Called from the old function, it returns at once, and the running call is the last.
 * Tokens that the old function got may still be completed.
 *   BP_INVALID_ARGUMENT  `name` is no wire name
 *   BP_NOT_FOUND         there is none to remove
 *   a connected context also returns what bp_function_provide does (providing.h)
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_function_set(bp_context ctx, bp_str name, bp_host_function_fn function, void* user);

/* Answers a call of a host function. The payload is copied. answer->buffer is taken over if BP_OK, and only then.
 *   BP_STALE_TOKEN       unknown, already answered, canceled, or of another context; nothing has changed
 *   BP_INVALID_ARGUMENT  `answer` is NULL or too small, or its status is not terminal
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_complete(bp_context ctx, bp_token token, const bp_answer* answer);

/* ---- Pollers ----------------------------------------------------------------------------------- */

enum {
  BP_POLL_BUSY = 1,  /* more calls wait to begin: postpone what can wait a little */
  BP_POLL_SLEEPS = 2 /* If this call finds no work, the thread will sleep, until `fd` is readable or for reasons of its
                        own. It calls poll again, without this flag, before anything else */
};

/* Handles the application's own descriptors on the request thread. It must not wait. The thread calls it once a turn:
 * in close succession while there are calls, and when `fd` is readable. It does not call it while a handler runs.
 * Calls that the poller submits are handled and answered before it is called again. So it can collect the replies and
 * send them together. Returns 1 if it found work, otherwise 0.
 * [thread: request] [state: set] [suspend: no] */
typedef int32_t (*bp_poll_fn)(void* user, uint32_t flags);

/* Descriptors for a context's request thread to look after. An application that takes its calls from sockets then needs
 * no thread between the sockets and the handlers. */
typedef struct bp_poller {
  uint32_t struct_size;
  int32_t fd; /* readable, as poll(2) says, whenever `poll` has work. For many descriptors: an epoll descriptor */
  bp_poll_fn poll;
  void* user;
} bp_poller;

/* Sets or replaces the poller of a context, or removes it if `poller` is NULL. When this returns, the old poller does
 * not run and will not be called again, and its descriptor may be closed. Called from the old poller, it returns at
 * once, and the running call is the last. This never waits for a handler. Until the request thread next runs, the host
 * may keep a duplicate of the descriptor: call shutdown(2) if the peer must see the end at once.
 *   BP_INVALID_ARGUMENT  `poller` is too small, its `poll` is NULL, or its `fd` is negative
 *   BP_NOT_FOUND         there is none to remove
 *   BP_NOT_SUPPORTED     on a connected context
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_poller_set(bp_context ctx, const bp_poller* poller);

/* ---- Modules ----------------------------------------------------------------------------------- */

/* After BP_OK `result` has a report: a CBOR map with text keys in result->payload. docs/protocol.md has the reports in
 * CDDL. The message of a refusal says what was found, what was expected and what to do. One such operation runs at a
 * time; the others wait. Each returns BP_INVALID_ARGUMENT if `result` is NULL. Those with [thread: caller] return
 * BP_REENTRANT on the host's own threads. */

enum {
  /* `stack_size`, `workers` and BP_LOAD_UNLOAD_NEVER count in a reload, too. Without this flag, a reload keeps what the
   * running generation has. */
  BP_LOAD_SETTINGS = 1,
  /* The object is never unmapped, as if its manifest said unload=never. An unload ends as BP_PINNED. */
  BP_LOAD_UNLOAD_NEVER = 2,
  /* Only in a reload, of a module that owns a port, a device or a lock: new calls are held, the old generation ends,
   * and then the new one starts. If that fails, the old file is loaded again. Held calls keep order, deadline and
   * cancel. Calls that the old generation makes, directly or through others, are not held. A manifest may ask too. */
  BP_LOAD_OLD_FIRST = 4,
  /* Only in a reload: refuse it, with BP_LOAD_REFUSED, if callers of the module may break. result->detail has the
   * compare-report. In a load there is nothing to compare, so this has no effect. See docs/interfaces.md. */
  BP_LOAD_STRICT = 8,
  /* Only in a reload: nothing changes, and the report is a compare-report: what the reload would change in the
   * interface. The configuration need not fit the new file. */
  BP_LOAD_COMPARE = 16
};

/*   field       unit   default       bounds        meaning
 *   flags              0                           BP_LOAD_…; an unknown bit is BP_INVALID_ARGUMENT
 *   path                                           the file. It is read once and never mapped, so it may be replaced at
 *                                                  any time
 *   config             empty                       a CBOR map for the module
 *   stack_size  bytes  see plugin.h  16384..1 GiB  stack of its handlers that ask for none of their own
 *   workers            a share       1..256        maximum worker threads that its blocking handlers take at once
 *   drain_ms    ms     5000                        only in a reload as with BP_LOAD_OLD_FIRST: bound of the old
 *                                                  generation's work. Then it is undone, with BP_LOAD_REFUSED
 */
typedef struct bp_load_options {
  uint32_t struct_size;
  uint32_t flags;
  const char* path;
  bp_bytes config;
  uint64_t stack_size;
  uint32_t workers;
  uint32_t drain_ms;
} bp_load_options;

/* Loads a module: all of its names, or none. The report is a load-report.
 *   BP_LOAD_REFUSED      the file, the manifest, a check, init or instance_create failed
 *   BP_NAME_TAKEN        a name or the module itself is there already
 *   BP_INVALID_ARGUMENT  no path, a configuration that is no CBOR map, or a flag that is unknown or only for reloads
 *   BP_IO                no private copy can be made
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_module_load(bp_context ctx, const bp_load_options* options, bp_result* result);

/* Unloads a module. Its names go first. Running work drains for `timeout_ms` milliseconds (0: 5000). The instances end.
 * Then the object is unmapped, and the host proves that. The report is an unload-report with the outcome "gone".
 *   BP_PINNED      the names are gone, but the object is not. The report, in result->detail, has every reason. Unload
 *                  again to try again
 *   BP_NOT_LOADED  there is no such module
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_module_unload(bp_context ctx, bp_str name, uint32_t timeout_ms, bp_result* result);

/* Replaces the running generation of a module by a new one, in one atomic swap. No request is lost or run twice. The
 * old generation finishes what it has begun, then it is unloaded. The call waits for that for `timeout_ms`
 * milliseconds (0: 5000). `options` may be NULL; a NULL path or an empty config means the old one.
 * The report is a reload-report. Its `compare` says what has changed in the interface, with a verdict for each change.
 *   BP_NOT_LOADED  there is no such module
 *   Other errors are those of bp_module_load. After an error the old generation goes on.
 * With BP_LOAD_OLD_FIRST there is no such swap. After an error the old file may run as a new generation; the message
 * says what runs.
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_module_reload(bp_context ctx, bp_str name, const bp_load_options* options, uint32_t timeout_ms,
                                     bp_result* result);

/* Lists every module with its generation, path, wire names, host functions, events and CDDL, in a module-list.
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_module_list(bp_context ctx, bp_result* result);

/* Reads the manifest of a file and runs none of its code. The report is a manifest-report. If this host would refuse
 * the file, the report's `problem` says why.
 *   BP_INVALID_ARGUMENT  `path` is NULL
 *   BP_LOAD_REFUSED      the file cannot be read, is no ELF file, or is no module
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_module_inspect(const char* path, bp_result* result);

/* Reports version, uptime, contexts, and the calls, errors and refusals counted so far, in a status-report.
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_host_status(bp_context ctx, bp_result* result);

/* Asks the process that serves a connected context to drain and exit. BP_OK: the process has begun to drain.
 *   BP_NOT_SUPPORTED  on an embedded context: use bp_context_destroy instead
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_host_stop(bp_context ctx);

#ifdef __cplusplus
}
#endif

#include "embedding.h"
#include "events.h"
#include "flow.h"
#include "log.h"
#include "operations.h"
#include "wait.h"

#endif /* BACKPLANE_BACKPLANE_H */
