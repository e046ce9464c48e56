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
 * PAYLOADS are opaque to the host. Modules made with the SDK take one CBOR map of parameters by
 * name and answer one CBOR item; `bp_module_list` gives each name's shape in CDDL.
 *
 * EMBEDDED AND REMOTE. A context is made here (create) or reaches into a running host (connect). All
 * functions work on both alike, unless they say otherwise. The modules of an embedded host belong to
 * the process: every context made in it has an instance of each.
 *
 * THREADS. All functions may be called from any thread and concurrently; the tags say more (their
 * grammar stands in base.h). An embedded context calls back on threads of its own: replies and host
 * functions on its request thread, listeners on its event thread, liveness events on the watchdog's.
 * A callback must not block the request thread: nothing else of that context runs until it returns.
 * Exceptions must not leave a callback.
 *
 * HANDLES are checked: one that is zero, stale or foreign gives BP_INVALID_HANDLE, never a crash.
 *
 * FORK. A child process has none of the host's threads. A process may fork before its first context (and before
 * bp_host_context), and each child may then have a host of its own. In a child that fork() made later, all functions
 * return at once: every handle is stale (BP_INVALID_HANDLE); bp_context_create, bp_context_connect and
 * bp_host_configure give BP_NOT_SUPPORTED, bp_host_context gives zero; what needs no host, as bp_module_inspect and
 * the functions on buffers, results and statuses, works. In the parent all goes on. The child may call exec and
 * _exit at any time; and exit, unless another thread of the parent was in bp_module_load, bp_module_unload or
 * bp_module_reload when it forked: a lock of the C library's may be held then, for which exit waits for ever. A
 * child that was forked in a callback or in a module must not return from there. All this is so after fork() only,
 * not after vfork(), _Fork() or a bare clone().
 */
#ifndef BACKPLANE_BACKPLANE_H
#define BACKPLANE_BACKPLANE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Handles ------------------------------------------------------------------------------ */

typedef struct bp_context {
  uint64_t id; /* 0: none */
} bp_context;

/* A wire name resolved once. It stays right across reloads. */
typedef struct bp_method {
  uint64_t id;
} bp_method;

/* An accepted call, for cancelling. */
typedef struct bp_request {
  uint64_t id;
} bp_request;

/* A subscription. Ids start at 1 and only grow. */
typedef struct bp_listener {
  uint64_t id;
} bp_listener;

/* ---- The library -------------------------------------------------------------------------- */

/* The library's version, "0.1.0"; static.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT const char* bp_version(void);

/* BP_ABI_MAJOR << 16 | BP_ABI_MINOR, as the library was built.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT uint32_t bp_abi_version(void);

/* "unknown_name" for BP_UNKNOWN_NAME; "module" from BP_STATUS_MODULE_FIRST on; "unknown" for a value
 * this library does not know. Static.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT const char* bp_status_name(bp_status status);

/* One sentence for people; static.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT const char* bp_status_text(bp_status status);

/* Writes nothing below `level` (BP_LOG_…) to stderr; BP_LOG_WARN to begin with.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT void bp_log_level(int32_t level);

/* ---- The host of this process -------------------------------------------------------------- */

/* Zero or NULL in a field: the default. */
typedef struct bp_host_options {
  uint32_t struct_size;
  uint32_t worker_threads;          /* for blocking handlers; default 4, at most 256 */
  const char* data_dir;             /* below it each module has a directory of its own; default: a fresh
                                       temporary one that goes with the process */
  const char* const* module_dirs;   /* modules are loaded from these directories (and below) only;
                                       NULL-terminated; default: from anywhere */
  uint32_t watchdog_period_ms;      /* default 1000 */
  uint32_t watchdog_threshold_ms;   /* a thread that has not moved for so long does not respond, counted from
                                       the first look that found it so; time for which it waited for a core
                                       does not count; default 1000 */
  uint32_t watchdog_start_grace_ms; /* a new context is not judged for so long; default 10000 */
} bp_host_options;

/* Sets up this process's host; optional, once, before the first context. BP_OK;
 * BP_INVALID_ARGUMENT; BP_IO if the data directory cannot be had; BP_OUT_OF_MEMORY; BP_NOT_SUPPORTED if the
 * host already runs, or in a forked child. `why`, if not NULL, gets the message.
 * [thread: caller] [state: before the first context] [suspend: no] */
BP_EXPORT bp_status bp_host_configure(const bp_host_options* options, bp_result* why);

/* The handle that stands for the host of this process where no context is needed: for bp_module_… and
 * bp_host_status, and for calls of names that are declared static (BP_HANDLER_STATIC). Such a call runs on
 * the calling thread: bp_submit has called on_reply when it returns, gives no request handle, and looks at
 * no deadline; a name that is not static answers BP_NOT_SUPPORTED. All other functions give BP_NOT_SUPPORTED
 * for it. It is never stale, and needs no destroy. Zero if memory or a thread cannot be had, and in a forked child.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_context bp_host_context(void);

/* ---- Contexts: create or connect → close → stop → destroy ----------------------------------- */

/* Zero in a field: the default. */
typedef struct bp_context_options {
  uint32_t struct_size;
  uint32_t queue_depth;       /* requests waiting; one more is BP_OVERLOADED; default 1048576. Above 16384 with many
                                 threads up to twice as many may wait */
  uint32_t event_queue_depth; /* events waiting; one more is BP_OVERFLOW; default 1024 */
  uint32_t stale_interval_ms; /* between BP_STALE replies of a running call; default 5000 */
  uint32_t stop_timeout_ms;   /* bound of the drain in stop and destroy; default 1500 */
  uint32_t fiber_stack_size;  /* bytes of stack a handler has; default 262144, 16384 to 1 GiB,
                                 rounded up to a power of two;
                                 touched pages alone cost memory */
  int32_t spin_us;            /* how long the request thread spins before it sleeps: default 50,
                                 adapted to the traffic; -1 for not at all, as on one core */
  int32_t fiber_limit;        /* fibers (ext/fiber.h) that one run of a handler may have at once:
                                 default 1000000; -1: none, bp.fiber/1 is BP_NOT_SUPPORTED then */
} bp_context_options;

/* Makes a context in this process, and its instance of every loaded module. `options` may be NULL.
 * BP_OK: `*out` is the context. Otherwise nothing is left behind, `*out` is zero, and `why`, if not
 * NULL, has the message: BP_INVALID_ARGUMENT, BP_OUT_OF_MEMORY, BP_IO (threads or descriptors), BP_REENTRANT
 * on a thread of the host's, BP_NOT_SUPPORTED in a forked child (see FORK).
 * A module whose own instance_create fails does not keep the context from being made: its names then answer
 * BP_INSTANCE_FAILED in it.
 * [thread: caller] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_context_create(const bp_context_options* options, bp_context* out, bp_result* why);

typedef struct bp_connect_options {
  uint32_t struct_size;
  uint32_t timeout_ms;     /* for connecting; default 5000 */
  const char* socket_path; /* default: $BACKPLANE_SOCKET, else $XDG_RUNTIME_DIR/backplane/
                              backplane.sock, else <temporary directory>/backplane-<uid>/backplane.sock */
} bp_connect_options;

/* Makes a context that stands for the one a running host serves on a Unix socket. When the connection
 * breaks, every open call ends with BP_UNREACHABLE, and so does each later one.
 * BP_UNREACHABLE: nobody listens there; BP_PROTOCOL: who listens is no Backplane host, or one whose
 * protocol is too new; BP_TIMEOUT; BP_NOT_SUPPORTED in a forked child.
 * [thread: caller] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_context_connect(const bp_connect_options* options, bp_context* out, bp_result* why);

/* Refuses new calls with BP_CLOSED from now on; those accepted go on. BP_OK also if closed already.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_context_close(bp_context ctx);

/* Closes, then lets what was accepted finish: for `timeout_ms` milliseconds (0: the option's), then
 * what is left is canceled: outstanding tokens are failed, awaiting handlers told, and each call still
 * gets its one terminal reply. What has been emitted is delivered. All that comes after the first
 * `timeout_ms` takes as long again at most. BP_OK: nothing runs any more. BP_TIMEOUT: a handler, a
 * listener or an operation on modules does not return; call again to go on from there. BP_REENTRANT from a thread of
 * the host's. [thread: caller] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_context_stop(bp_context ctx, uint32_t timeout_ms);

/* Stops, then frees; the handle is stale from now on, whatever is returned. BP_TIMEOUT: a handler or
 * listener does not return; the context is set aside and freed when it does; callbacks may come until
 * then. BP_REENTRANT from the context's own threads: nothing has happened.
 * [thread: caller] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_context_destroy(bp_context ctx);

/* ---- Calls ---------------------------------------------------------------------------------- */

/* On a connected context the thread that reads the connection stands for the request thread.
 *
 * Gets the replies of one call: any number of BP_STALE and BP_PARTIAL, then exactly one terminal
 * one. `answer` and what it points to are valid until it returns. It may submit further calls.
 * [thread: request] [state: call accepted] [suspend: no] */
typedef void (*bp_reply_fn)(void* user, const bp_answer* answer);

enum {
  BP_SUBMIT_NO_STALE = 1 /* no BP_STALE replies for this call */
};

/* One call. */
typedef struct bp_submission {
  uint32_t struct_size;
  uint32_t flags;      /* BP_SUBMIT_… */
  bp_method method;    /* if its id is not 0; else */
  bp_str name;         /* the wire name */
  bp_bytes payload;    /* copied before bp_submit returns, or */
  bp_buffer* buffer;   /* if not NULL, handed over in its stead: the host's if BP_OK, else still yours */
  uint64_t timeout_ms; /* deadline from now; the call then ends with BP_DEADLINE; 0: none */
  bp_reply_fn on_reply;
  void* user; /* for on_reply */
} bp_submission;

/* Submits a call and returns. BP_OK: on_reply will get exactly one terminal reply. Anything else: it
 * is never called: BP_MISSING_CALLBACK, BP_INVALID_ARGUMENT, BP_INVALID_HANDLE, BP_CLOSED,
 * BP_OVERLOADED, BP_EVENT_QUEUE_STUCK, BP_OUT_OF_MEMORY, BP_UNREACHABLE. An unknown name is told by
 * the reply (BP_UNKNOWN_NAME). `request`, if not NULL, gets the handle for bp_cancel, before the
 * first reply can come.
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_submit(bp_context ctx, const bp_submission* submission, bp_request* request);

/* Calls and waits for the terminal answer, which `out` owns (bp_result_free); partial answers are
 * dropped. `timeout_ms` 0: no bound. Returns out->status. BP_REENTRANT on the host's own
 * threads, also another context's.
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_call_sync(bp_context ctx, bp_str name, bp_bytes payload, uint64_t timeout_ms, bp_result* out);

/* Asks for a call to end. It still gets its one terminal reply: BP_CANCELED, unless an answer was
 * faster. The handler learns of it at its next suspension, and is never killed; what it replies
 * afterwards is refused. If its answer only waits for its fibers to end (ext/fiber.h), that answer comes now.
 * BP_INVALID_HANDLE if the call has ended. [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_cancel(bp_context ctx, bp_request request);

/* Resolves a wire name. BP_OK; BP_UNKNOWN_NAME: no loaded module has it; BP_INVALID_ARGUMENT.
 * After an unload, calls by the handle get BP_MODULE_GONE until the name is there again. On a connected
 * context this asks the host, and gives BP_REENTRANT on the context's own threads, BP_UNREACHABLE if
 * the connection is broken.
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_method_find(bp_context ctx, bp_str name, bp_method* out);

/* ---- Memory --------------------------------------------------------------------------------- */

/* A buffer of at least `capacity` bytes, size 0, for bp_submission.buffer; NULL if memory cannot be
 * had. The caller owns it.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_buffer* bp_buffer_new(size_t capacity);

/* Gives a buffer back that was not handed over. NULL is fine.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT void bp_buffer_free(bp_buffer* buffer);

/* Frees what `result` owns and sets all but struct_size to zero. NULL is fine.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT void bp_result_free(bp_result* result);

/* ---- Events ---------------------------------------------------------------------------------- */

typedef struct bp_event {
  uint32_t struct_size;
  uint32_t flags; /* BP_EVENT_TYPED */
  bp_str name;
  bp_bytes payload; /* data is never NULL */
  bp_listener listener;
} bp_event;

/* Gets one event. `event` is valid until it returns. It may add and remove listeners, itself too.
 * The host's own events, typed, with a CBOR map as payload: `backplane.not_responding` and
 * `backplane.responding` {thread, in, module, generation, name, listener, for_ms}: which thread; what held it when it
 * fell silent: "handler" (of the wire name `name`), "function" (a host function that the handler of `name` called),
 * "reply" (the reply callback of a call of `name`), "instance" (instance_create or instance_destroy), "listener" (the
 * callback of `listener`, with the event `name`), or "" if none of these; whose code that is, empty and 0 for the
 * application's; and for how long it has stood still, give or take the watchdog's period; on a connected context
 * also `backplane.disconnected` {reason}, the last event there is. [thread: event, watchdog] [state: listener alive]
 * [suspend: no] */
typedef void (*bp_event_fn)(void* user, const bp_event* event);

/* Subscribes to one event name, or to every name with a prefix ("kv.*", "*"). BP_OK;
 * BP_INVALID_ARGUMENT for a pattern that is neither, or no callback; BP_CLOSED.
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_listen(bp_context ctx, bp_str pattern, bp_event_fn on_event, void* user, bp_listener* out);

/* Ends a subscription. When it returns, the callback neither runs nor will run again, so `user` may
 * be freed; called from that callback itself, it returns at once and the running call is the last. Where callbacks
 * on several threads remove each other in a ring, the last call of these does not wait for what it removes: that
 * callback may still run until the one that called this has returned.
 * BP_INVALID_HANDLE if there is none.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_unlisten(bp_context ctx, bp_listener listener);

/* ---- Host functions --------------------------------------------------------------------------- */

/* One call that a handler makes outwards. Return at once; answer with bp_complete(ctx, token, …),
 * here or later, from any thread. The views are valid until it returns.
 * [thread: request] [state: registered] [suspend: no] */
typedef void (*bp_host_function_fn)(void* user, bp_context ctx, bp_token token, bp_str name, bp_bytes payload);

/* Gives handlers of this context the host function `name`, in the stead of an earlier one or of a
 * module's. `function` NULL takes it away. When this returns, the old function neither runs nor will be
 * called again (called from it, the running call is the last), so its `user` may be freed; tokens it has
 * been given may still be completed. BP_OK; BP_INVALID_ARGUMENT; BP_NOT_FOUND if there was
 * none to take away; BP_NOT_SUPPORTED on a connected context.
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_function_set(bp_context ctx, bp_str name, bp_host_function_fn function, void* user);

/* Answers a host function call, once. The payload is copied, or answer->buffer taken over if BP_OK.
 * BP_STALE_TOKEN: unknown, already answered, canceled, or another context's; nothing has changed.
 * BP_INVALID_ARGUMENT: a status that is not terminal.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_complete(bp_context ctx, bp_token token, const bp_answer* answer);

/* ---- Pollers ----------------------------------------------------------------------------------- */

enum {
  BP_POLL_BUSY = 1,  /* more calls wait to be begun: what can wait a little, may */
  BP_POLL_SLEEPS = 2 /* unless this call finds something to do, the thread now sleeps until `fd` is readable, or for
                        some reason of its own; it calls again, without this flag, before it does anything else */
};

/* Does what there is to be done about the application's own descriptors, on the request thread, and returns without
 * having waited for anything. It is called once a turn of that thread: in turns that follow each other closely while
 * there are calls, and when `fd` can be read. What it submits is handled, and answered, before it is called again:
 * so replies that are collected here leave together. 1: it has found something to do; 0: not.
 * While a handler runs it is not called.
 * [thread: request] [state: set] [suspend: no] */
typedef int32_t (*bp_poll_fn)(void* user, uint32_t flags);

/* What a context's request thread is to look after besides its calls: an application that takes its calls from
 * sockets needs no thread between them and the handlers. */
typedef struct bp_poller {
  uint32_t struct_size;
  int32_t fd; /* readable (as poll(2) says) whenever `poll` has something to do; an epoll descriptor, for many */
  bp_poll_fn poll;
  void* user;
} bp_poller;

/* Gives a context its poller, in the stead of an earlier one, or takes it away (NULL). When this returns, the old one
 * is not called any more (called from it, the running call is the last), and its descriptor may be closed. The host may
 * have a duplicate of the descriptor until its request thread next runs. Call shutdown(2) if the peer must see the end
 * at once. It never waits for a handler. BP_OK; BP_INVALID_ARGUMENT; BP_NOT_FOUND if there was none to take away;
 * BP_NOT_SUPPORTED on a connected context; BP_OUT_OF_MEMORY.
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_poller_set(bp_context ctx, const bp_poller* poller);

/* ---- Modules ----------------------------------------------------------------------------------- */

/* Their reports are CBOR maps in result->payload, with text keys; docs/protocol.md has them in
 * CDDL. A refusal has a message that says what was found, what was expected and what to do.
 * One such operation runs at a time; the others wait. */

typedef struct bp_load_options {
  uint32_t struct_size;
  uint32_t flags;   /* 0 */
  const char* path; /* the file; it is read once and never mapped, so it may be replaced at any time */
  bp_bytes config;  /* a CBOR map for the module, or empty */
} bp_load_options;

/* Loads a module: all of its names, or none. BP_OK and a load-report; BP_LOAD_REFUSED (the file, the
 * manifest, a check, init), BP_NAME_TAKEN (a name or the module itself is there already),
 * BP_INVALID_ARGUMENT (no path, a configuration that is no CBOR map, an unknown flag), BP_IO (no private
 * copy can be made).
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_module_load(bp_context ctx, const bp_load_options* options, bp_result* result);

/* Unloads a module: names first; what runs drains for `timeout_ms` milliseconds (0: 5000); instances
 * end; the object is unmapped, and that is proved. BP_OK and an unload-report whose outcome is
 * "gone"; BP_PINNED with the report in result->detail and every reason in it: the names are gone all
 * the same, and unloading again tries again. BP_NOT_LOADED.
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_module_unload(bp_context ctx, bp_str name, uint32_t timeout_ms, bp_result* result);

/* Puts a new generation in the place of the running one by one atomic swap; no request is lost or
 * run twice. What the old one has begun it ends; then it is unloaded. `options` may be NULL: the same
 * path and configuration again; path NULL or config empty: that of before. BP_OK and a
 * reload-report; BP_NOT_LOADED; BP_LOAD_REFUSED, BP_NAME_TAKEN: the old generation goes on.
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_module_reload(bp_context ctx, bp_str name, const bp_load_options* options, uint32_t timeout_ms,
                                     bp_result* result);

/* BP_OK and a module-list: every module with its generation, path, wire names, host functions,
 * events and CDDL.
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_module_list(bp_context ctx, bp_result* result);

/* Reads the manifest of a file, running none of its code. BP_OK and a manifest-report;
 * BP_LOAD_REFUSED: it cannot be read, is no ELF, or no module. That this host would refuse it stands in
 * the report, as "problem".
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_module_inspect(const char* path, bp_result* result);

/* BP_OK and a status-report: version, uptime, contexts, and the calls, errors and refusals counted
 * so far.
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_host_status(bp_context ctx, bp_result* result);

/* Asks the process that serves a connected context to drain and exit. BP_OK: it has begun.
 * BP_NOT_SUPPORTED on an embedded context: destroy that instead.
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_host_stop(bp_context ctx);

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_BACKPLANE_H */
