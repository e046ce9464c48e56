/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/embedding.h: for applications that embed a host: its end, and its socket. backplane.h includes it.
 */
#ifndef BACKPLANE_EMBEDDING_H
#define BACKPLANE_EMBEDDING_H

#include "backplane.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The end of a context ---------------------------------------------------------------------- */

enum {
  /* The first bp_context_stop or bp_context_destroy has begun. The context still works; the stop goes on when the
   * function returns. Stop here what uses the context. */
  BP_CONTEXT_STOPPING = 1,
  /* The context is gone. None of its callbacks runs, and none will run again. Free the user data of the callbacks
   * here: bp_context_destroy may have returned BP_TIMEOUT long before. */
  BP_CONTEXT_GONE = 2
};

/* Tells that a context has reached a state. With BP_CONTEXT_STOPPING it must not stop or destroy the context: that
 * returns BP_REENTRANT. Two contexts must not stop each other in this way: both stops would wait for ever.
 * [thread: any] [state: state reached] [suspend: no] */
typedef void (*bp_context_fn)(void* user);

/* Calls `reached` once when the context reaches `state` (BP_CONTEXT_…): on the thread that stops or destroys it, or,
 * for a context that bp_context_destroy has set aside, on a thread of the host. If the context has reached the state,
 * it is called at once, before this returns. Several may be registered; they are called in order. Works on embedded and
 * connected contexts, and also after bp_context_destroy.
 *   BP_INVALID_ARGUMENT  `reached` is NULL, or the state is unknown
 *   BP_INVALID_HANDLE    there was never such a context
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_context_then(bp_context ctx, uint32_t state, bp_context_fn reached, void* user);

/* ---- Serving ----------------------------------------------------------------------------------- */

/* A socket on which an embedded context answers other programs. Ids start at 1 and only grow. */
typedef struct bp_serving {
  uint64_t id; /* 0: none */
} bp_serving;

enum {
  BP_SERVE_CALL = 1,    /* calls */
  BP_SERVE_OBSERVE = 2, /* events and reports */
  BP_SERVE_MANAGE = 4   /* reports; loads, unloads, reloads; the level of the log; the request to stop */
};

/* A peer asks the application to end, as `backplane stop` does. The peer has its answer already. It must not block, and
 * must not call bp_serving_end, bp_context_stop or bp_context_destroy: have another thread do that. They return
 * BP_REENTRANT here.
 * [thread: any] [state: serving] [suspend: no] */
typedef void (*bp_stop_fn)(void* user);

/* For bp_context_serve.
 *
 *   field      default  meaning
 *   may        all      what peers may do: BP_SERVE_…
 *   on_stop    NULL     a peer asks the application to end. NULL: such a request is refused with BP_NOT_SUPPORTED,
 *                       because the host belongs to the application
 *   user                passed to on_stop
 *   max_peers  1024     maximum connections
 */
typedef struct bp_serve_options {
  uint32_t struct_size;
  uint32_t may;
  bp_stop_fn on_stop;
  void* user;
  uint32_t max_peers;
  uint32_t reserved; /* 0 */
} bp_serve_options;

/* Serves an embedded context on a Unix socket, so that the command line, bp_context_connect and the clients reach it.
 * Only this process's user and root may connect. `path` NULL: the default of bp_connect_options.socket_path. `options`
 * may be NULL. A thread of its own looks after the sockets, so the context's poller stays free. A context may be served
 * on several paths. The serving ends with bp_serving_end, or when the context is stopped or destroyed, before its calls
 * are canceled.
 * `*out` is the serving after BP_OK, and zero after an error; then `why`, which may be NULL, has the message.
 *   BP_IO                another host serves this path, a file is in the way, the folder or the path is unusable, or no
 *                        thread or descriptor is available
 *   BP_INVALID_ARGUMENT  `out` is NULL, struct_size is too small, a bit of `may` is unknown, or `reserved` is not 0
 *   BP_INVALID_HANDLE    there is no such context
 *   BP_CLOSED            the context is stopping
 *   BP_NOT_SUPPORTED     a connected context, bp_host_context, or a forked child
 *   BP_REENTRANT         called on one of the host's own threads
 *   BP_OUT_OF_MEMORY     no memory
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_context_serve(bp_context ctx, const char* path, const bp_serve_options* options, bp_serving* out,
                                     bp_result* why);

/* Ends a serving. New connections and calls are refused. Open calls have `drain_ms` milliseconds to finish; then they
 * are canceled, and their answers sent. When this returns, the socket is gone and on_stop does not run. If another
 * thread ends the same serving, this waits for it. If the context is stopped or destroyed meanwhile, the calls are
 * canceled at once.
 *   BP_INVALID_HANDLE  there is no such serving, or it has ended
 *   BP_REENTRANT       called on one of the host's own threads, or in on_stop
 * [thread: caller] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_serving_end(bp_serving serving, uint32_t drain_ms);

/* ---- Versions ---------------------------------------------------------------------------------- */

/* Says whether this library serves a program that was compiled with headers of ABI `abi_version`
 * (BP_ABI_MAJOR << 16 | BP_ABI_MINOR) and of Backplane `version` (BP_VERSION_STRING). It does if the major versions are
 * equal. bp_check_headers fills in both. `why` may be NULL.
 *   BP_NOT_SUPPORTED     another major version; the message names all four versions
 *   BP_INVALID_ARGUMENT  `version` has a size, but no data
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_abi_check(uint32_t abi_version, bp_str version, bp_result* why);

/* Says whether the library that this program has found at run time serves it. Call it first: all other functions rely
 * on it.
 *   BP_NOT_SUPPORTED  the library has another major version of the ABI; the message of `why` names all versions
 * [thread: any] [state: any] [suspend: no] */
static inline bp_status bp_check_headers(bp_result* why) {
  bp_str version;
  version.data = BP_VERSION_STRING;
  version.size = sizeof(BP_VERSION_STRING) - 1;
  return bp_abi_check(BP_ABI_MAJOR << 16 | BP_ABI_MINOR, version, why);
}

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_EMBEDDING_H */
