/* SPDX-License-Identifier: Apache-2.0
 *
 * bp.fiber/1: fibers, which are threads of control inside one run of a handler. They switch to each other by hand.
 *
 * ENVIRONMENT
 *   A run of a handler on the request thread has at most one environment. `open` or the first `create` makes it.
 *   In it, main (id 0) is the handler itself. Fibers have ids from 1 on, and no id is used twice in a run. Ids restart
 *   in each run: an id of an earlier run is invalid or names another fiber.
 *   `call` is bp_call.token of the running handler, in main and in each of its fibers.
 *   Everywhere else each function returns BP_NOT_SUPPORTED and does nothing: on another thread, in a blocking or static
 *   handler, in a host function, after the handler has returned, and where the application has switched fibers off.
 *
 * SWITCHING
 *   A switch is one jump from the active fiber straight to its target. Nothing runs in between, also no other request
 *   of the context. A fiber may await (await.h): then its whole environment waits, and other requests run. Afterwards
 *   that fiber goes on.
 *
 * END OF A FIBER
 *   A fiber should not return unless it is destroyed. Let it switch to another fiber, which destroys it.
 *   When a fiber ends, control returns to main. The switch in which main waits returns BP_ENTRY_RETURNED if the entry
 *   returned BP_OK, or else the status that the entry returned. Then `ended` says which fiber it was. After
 *   BP_ENTRY_RETURNED main should ask. If the handler returns without asking, the answer of its call is
 *   BP_ENTRY_RETURNED with the id in the message, whatever the handler has replied itself.
 *
 * CANCELLATION
 *   If a suspended fiber is destroyed, its switch returns BP_CANCELED at once. The fiber cleans up and returns from its
 *   entry. Only then `destroy` returns. Until then each further `create`, `switch_to` and await of that fiber returns
 *   BP_CANCELED at once. The entry returns BP_CANCELED, or BP_DEADLINE if an await returned that before. Any other
 *   status counts as canceled too, but is counted and logged, since it may hide a bug.
 *   If a request is canceled while its environment waits, the await returns BP_CANCELED or BP_DEADLINE in the fiber
 *   that awaits. Switching still works, so that every fiber can clean up.
 *
 * END OF MAIN
 *   When the handler returns, or main calls `close`, all suspended fibers are destroyed, the newest first. Fibers that
 *   never ran are dropped. The locals of a handler are gone when it has returned: if its fibers refer to them, it must
 *   call `close` first.
 *   If a run has an environment, its answer is delivered only after that, even an answer given long before. If the call
 *   is canceled, its deadline passes or the context stops meanwhile, the answer is delivered at once.
 *
 * C++ EXCEPTIONS
 *   Each fiber has exceptions of its own, as a thread has. It may switch inside a catch block, or in a destructor that
 *   runs because of an exception. No exception may leave its entry.
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

/* Runs a fiber, from the first switch to it on. The status says how the fiber ended; see END OF A FIBER.
 * [thread: request] [state: in a handler] [suspend: yes] */
typedef bp_status (*bp_fiber_entry_fn)(void* arg);

/* Frees `arg`. Called once for each fiber that was created: on the fiber's own stack after its entry has returned, or
 * on the destroyer's stack if it never ran. It must not call any function of bp.fiber/1 or bp.await/1.
 * [thread: request] [state: in a handler] [suspend: no] */
typedef void (*bp_fiber_release_fn)(void* arg);

typedef struct bp_fiber_desc {
  uint32_t struct_size; /* sizeof(bp_fiber_desc) */
  uint32_t reserved;
  bp_fiber_entry_fn entry;
  void* arg;                   /* passed to `entry` and `release` */
  bp_fiber_release_fn release; /* may be NULL */
  uint64_t stack_size;         /* bytes: 16384 to 1 GiB, rounded up to a power of two; 0: 65536. Only touched pages cost
                                  memory. A stack overflow ends the process */
} bp_fiber_desc;

/* Each function returns BP_NOT_SUPPORTED where there are no fibers; see ENVIRONMENT. */
typedef struct bp_fiber_api {
  uint32_t struct_size;
  uint32_t reserved;

  /* Makes the run's environment. The first `create` does so too; after `open`, no other code in the run can.
   * After `close` there may be another environment.
   *   BP_REENTRANT      the run has an environment already
   *   BP_OUT_OF_MEMORY  no memory
   * [thread: request] [state: in a handler] [suspend: no] */
  bp_status (*open)(bp_token call);

  /* Ends the environment: destroys its fibers, as END OF MAIN says. They run to clean up; no other request runs.
   * Without an environment it does nothing and returns BP_OK.
   *   BP_INVALID_ARGUMENT  not called in main
   * [thread: request] [state: in a handler] [suspend: fiber] */
  bp_status (*close)(bp_token call);

  /* Makes a fiber. `*id` is its id. It does not run before the first switch to it, and gets its stack there.
   * After an error nothing was made: `arg` still belongs to the caller, and `*id` is unchanged.
   *   BP_INVALID_ARGUMENT  `desc` is NULL or too small, its entry or `id` is NULL, or the stack size is out of bounds
   *   BP_CANCELED          the calling fiber is being destroyed
   *   BP_OUT_OF_MEMORY     no memory, or the run has bp_context_options.fiber_limit fibers
   * [thread: request] [state: in a handler] [suspend: no] */
  bp_status (*create)(bp_token call, const bp_fiber_desc* desc, uint64_t* id);

  /* Suspends the calling fiber and runs fiber `id`. Returns BP_OK when a fiber switches back. The handler itself is not
   * suspended: other requests run only if a fiber awaits meanwhile. A switch to itself returns BP_OK at once.
   *   BP_NOT_FOUND      there is no such fiber, or it has ended
   *   BP_CANCELED       the calling fiber is being destroyed
   *   BP_OUT_OF_MEMORY  there is no stack for the fiber; the caller may try again
   *   In main also: how a fiber ended; see END OF A FIBER
   * [thread: request] [state: in a handler] [suspend: fiber] */
  bp_status (*switch_to)(bp_token call, uint64_t id);

  /* Ends fiber `id`; see CANCELLATION. The fiber runs to clean up before this returns; no other request runs. Returns
   * BP_OK also if there is no such fiber, or if it has ended. A fiber that is being destroyed may destroy others.
   *   BP_INVALID_ARGUMENT  the fiber is the caller, or main, or waits in `destroy` itself
   * [thread: request] [state: in a handler] [suspend: fiber] */
  bp_status (*destroy)(bp_token call, uint64_t id);

  /* Sets `*id` to the id of the calling fiber; 0 in main.
   *   BP_INVALID_ARGUMENT  `id` is NULL
   * [thread: request] [state: in a handler] [suspend: no] */
  bp_status (*active)(bp_token call, uint64_t* id);

  /* Says which fiber ended last by itself (`*id`), and what main's switch returned because of it (`*status`).
   * Each pointer may be NULL. Passing a non-NULL `id` counts as asking; see END OF A FIBER.
   *   BP_NOT_FOUND  no fiber has ended by itself yet
   * [thread: request] [state: in a handler] [suspend: no] */
  bp_status (*ended)(bp_token call, uint64_t* id, bp_status* status);
} bp_fiber_api;

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_EXT_FIBER_H */
