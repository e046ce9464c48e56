/* SPDX-License-Identifier: Apache-2.0
 *
 * bp.fiber/1: threads of control inside one handler run, switched by hand.
 *
 * ENVIRONMENT
 *   A run of a handler on the request thread has at most one environment. `open` makes it, or the first
 *   `create`. In it, main (id 0) is the handler itself; fibers have ids from 1 on, which are
 *   never used again within the run, and mean nothing in another: each run counts from 1, so that one that was
 *   kept from an earlier run is missing, or is another fiber.
 *   `call` is bp_call.token of the handler that runs, in main and in each of its fibers alike. From
 *   anywhere else (another thread, a blocking or static handler, a host function, after the handler has
 *   returned, or where the application has switched fibers off) each function is BP_NOT_SUPPORTED and does
 *   nothing.
 *
 * SWITCHING
 *   A switch is one jump, straight from the active fiber to its target, and runs nothing in between. No
 *   other request of the context runs meanwhile. A fiber may also await (await.h): then its whole
 *   environment waits, other requests go on, and it goes on in that fiber.
 *
 * END OF A FIBER
 *   Somebody has to be switched to when a fiber ends, and that is main: the switch in which main waits
 *   returns BP_ENTRY_RETURNED if the entry returned BP_OK (a fiber is not meant to return: switch to
 *   somebody else, and be destroyed), or else the status that the entry returned. `ended` then says which
 *   fiber it was. If the handler returns and nobody has asked so after a BP_ENTRY_RETURNED, the answer of
 *   its call is BP_ENTRY_RETURNED with the id in the message, whatever it has replied itself.
 *
 * CANCELLATION
 *   Destroying a suspended fiber makes its switch return BP_CANCELED there and then; it cleans up, returns
 *   from its entry, and only then `destroy` returns. Until it has returned, each further `create`,
 *   `switch_to` and await of that fiber is BP_CANCELED at once. Its entry returns BP_CANCELED (or
 *   BP_DEADLINE, if an await gave it that before); anything else is taken for the same, but counted and
 *   logged, since it may hide a bug.
 *   When a request is canceled while its environment waits, the await returns BP_CANCELED or BP_DEADLINE
 *   in the fiber that awaits; switching goes on to work, so that everybody can clean up.
 *
 * END OF MAIN
 *   When the handler returns, or main calls `close`, what is suspended is destroyed, the newest first;
 *   what never ran is dropped. A handler's locals are gone when it has returned: one whose fibers refer to
 *   them calls `close` first. The answer of a run that has an environment is delivered after that, also
 *   one that it gave long before; but at once if the call is canceled, its deadline passes or the context
 *   stops meanwhile.
 *
 * C++ EXCEPTIONS
 *   Each fiber has exceptions of its own, as a thread has: it may switch inside a catch block, or in a
 *   destructor that runs because of an exception. None may leave its entry.
 */
#ifndef BACKPLANE_EXT_FIBER_H
#define BACKPLANE_EXT_FIBER_H

#include "../base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_FIBER "bp.fiber/1"

/* The id of main. */
#define BP_FIBER_MAIN 0u

/* What a fiber runs, from the first switch to it on. Returns how it ended; see above.
 * [thread: request] [state: in a handler] [suspend: yes] */
typedef bp_status (*bp_fiber_entry_fn)(void* arg);

/* Gives `arg` back: called once for each fiber created, on the fiber's own stack when its entry has
 * returned, or by whoever destroys it if it never ran. May not call anything of bp.fiber/1 or bp.await/1.
 * [thread: request] [state: in a handler] [suspend: no] */
typedef void (*bp_fiber_release_fn)(void* arg);

typedef struct bp_fiber_desc {
  uint32_t struct_size; /* sizeof(bp_fiber_desc) */
  uint32_t reserved;
  bp_fiber_entry_fn entry;
  void* arg;                   /* for `entry` and `release` */
  bp_fiber_release_fn release; /* or NULL */
  uint64_t stack_size;         /* bytes, rounded up to a power of two; 0: 65536; at least 16384, at most 1 GiB. Touched
                                  pages alone cost memory. An overflow ends the process */
} bp_fiber_desc;

typedef struct bp_fiber_api {
  uint32_t struct_size;
  uint32_t reserved;

  /* Makes the run's environment, so that the first fiber need not, and nobody else can. BP_REENTRANT: it has
   * one already (an environment inside an environment); also BP_NOT_SUPPORTED, BP_OUT_OF_MEMORY.
   * After `close` there may be another.
   * [thread: request] [state: in a handler] [suspend: no] */
  bp_status (*open)(bp_token call);

  /* Ends the environment; see END OF MAIN. Without one it does nothing. BP_INVALID_ARGUMENT: called by
   * another than main. BP_OK, BP_NOT_SUPPORTED.
   * [thread: request] [state: in a handler] [suspend: no] */
  bp_status (*close)(bp_token call);

  /* Makes a fiber, which does not run before the first switch to it; it has its stack from then on. `*id` is
   * its id. BP_INVALID_ARGUMENT: `desc` incomplete, its entry or `id` NULL, or a stack size out of range;
   * BP_CANCELED: the calling fiber is being destroyed; BP_OUT_OF_MEMORY, also where the run has as many as
   * bp_context_options.fiber_limit allows; BP_NOT_SUPPORTED. With any of these nothing has been made, `arg` is
   * still the caller's and `*id` is untouched.
   * [thread: request] [state: in a handler] [suspend: no] */
  bp_status (*create)(bp_token call, const bp_fiber_desc* desc, uint64_t* id);

  /* Suspends the caller and runs fiber `id`; BP_OK when somebody switches back. To itself: BP_OK at once.
   * BP_NOT_FOUND: there is none, or it has ended; BP_CANCELED: the caller is being destroyed; BP_OUT_OF_MEMORY:
   * there is no stack for it, and it may be tried again. In main also how a fiber ended. BP_NOT_SUPPORTED.
   * [thread: request] [state: in a handler] [suspend: no] */
  bp_status (*switch_to)(bp_token call, uint64_t id);

  /* Ends fiber `id`; see CANCELLATION. BP_OK also if there is none or it has ended. BP_INVALID_ARGUMENT: it is
   * the caller, or main, or a fiber that waits in a `destroy` itself. BP_NOT_SUPPORTED. A fiber that is being
   * destroyed may destroy others.
   * [thread: request] [state: in a handler] [suspend: no] */
  bp_status (*destroy)(bp_token call, uint64_t id);

  /* `*id` becomes the id of the calling fiber, 0 in main. BP_OK, BP_INVALID_ARGUMENT (`id` is NULL),
   * BP_NOT_SUPPORTED.
   * [thread: request] [state: in a handler] [suspend: no] */
  bp_status (*active)(bp_token call, uint64_t* id);

  /* Which fiber was the last that ended by itself, and what main's switch returned because of it. Either pointer
   * may be NULL; only who wants the id has asked which it was. BP_NOT_FOUND: none has yet. BP_OK, BP_NOT_SUPPORTED.
   * [thread: request] [state: in a handler] [suspend: no] */
  bp_status (*ended)(bp_token call, uint64_t* id, bp_status* status);
} bp_fiber_api;

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_EXT_FIBER_H */
