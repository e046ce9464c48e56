/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/providing.h: host functions whose calls have a bound, and are told when nobody waits for them any more.
 * bp_function_set of backplane.h is the short form. Include this header beside backplane.h.
 *
 * On a connected context, a call of a host function is a question of the host over the socket. It ends exactly once for
 * the handler that has called: with the answer of bp_complete, when the handler gives up, or with BP_PROVIDER_LOST when
 * the connection ends. Tokens of a connection that has ended are stale. With bp_connect_options.reconnect, the
 * functions are provided again on the next connection. One that its host refuses stays registered, and is provided to
 * the one after it.
 */
#ifndef BACKPLANE_PROVIDING_H
#define BACKPLANE_PROVIDING_H

#include "backplane.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A call of a host function. What it points to is valid until the callback returns. */
typedef struct bp_ask {
  uint32_t struct_size; /* sizeof(bp_ask), set by the host */
  uint32_t flags;       /* 0 */
  bp_token token;       /* for bp_complete */
  bp_str name;
  bp_bytes payload;
  uint64_t timeout_ms; /* after that, nobody waits for the answer. 0: no bound */
} bp_ask;

/* Runs one call that a handler makes to the application. It must return at once. Any thread answers with
 * bp_complete(ctx, ask->token, …), at once or later.
 * [thread: request] [state: registered] [suspend: no] */
typedef void (*bp_ask_fn)(void* user, bp_context ctx, const bp_ask* ask);

/* Says that nobody waits for the answer of this call any more: the handler was canceled, its deadline has passed, its
 * context stops, or the connection has ended. The token is stale. Not called for a call that has been answered.
 * [thread: request] [state: registered] [suspend: no] */
typedef void (*bp_unask_fn)(void* user, bp_context ctx, bp_token token);

enum {
  BP_PROVIDE_NEW = 1 /* refuse with BP_NAME_TAKEN if this context has a function of that name; do not replace it */
};

typedef struct bp_provided {
  uint32_t struct_size; /* sizeof(bp_provided) */
  uint32_t flags;       /* BP_PROVIDE_…; an unknown bit is BP_INVALID_ARGUMENT */
  bp_str name;          /* a wire name; copied */
  bp_ask_fn on_ask;
  bp_unask_fn on_unask; /* may be NULL */
  void* user;           /* passed to both */
} bp_provided;

/* Registers or replaces this context's host function `provided->name`, as bp_function_set does. After it was replaced
 * or withdrawn, neither of its callbacks is called again.
 *   BP_INVALID_ARGUMENT  `provided` is NULL or too small, a flag is unknown, on_ask is NULL, or it is no wire name
 *   BP_NAME_TAKEN        BP_PROVIDE_NEW, and there is one; connected context: the host itself or another connection
 *                        provides the name
 *   BP_OVERLOADED        connected context: the connection provides as many functions as the host allows
 *                        (functions_per_connection)
 *   BP_NOT_PERMITTED     connected context: this socket of the host does not have the role `call`
 *   BP_NOT_SUPPORTED     connected context: the host is older than this feature
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_function_provide(bp_context ctx, const bp_provided* provided);

/* Removes this context's host function `name` if it was registered with this `user`. When this returns, the function
 * does not run and will not be called again. Called from the function, it returns at once, and the running call is the
 * last. Tokens that the function got may still be completed.
 *   BP_INVALID_ARGUMENT  `name` is no wire name
 *   BP_NOT_FOUND         there is none, or it has another `user`
 * [thread: any] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_function_withdraw(bp_context ctx, bp_str name, const void* user);

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_PROVIDING_H */
