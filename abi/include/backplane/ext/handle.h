/* SPDX-License-Identifier: Apache-2.0
 *
 * bp.handle/1: give callers 64-bit ids for objects that stay inside the module.
 *
 * Ids are never 0 and never reused. A forged, stale or wrongly typed id is an error, not a crash. These functions work
 * on the request thread, and on a worker thread in a blocking handler or instance function of the same instance. On any
 * other thread they return BP_NOT_SUPPORTED or NULL.
 *
 * The host does not count who uses an object. Where handlers run at once (BP_HANDLER_CONCURRENT, or a blocking handler
 * and the request thread), one may release an object that another one uses: the module must prevent that.
 */
#ifndef BACKPLANE_EXT_HANDLE_H
#define BACKPLANE_EXT_HANDLE_H

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_HANDLE "bp.handle/1"

/* Frees an object. At release, on the thread of that; at the end of the instance, on the thread of instance_destroy.
 * [thread: request, worker] [state: instance alive] [suspend: no] */
typedef void (*bp_release_fn)(void* object);

typedef struct bp_handle_api {
  uint32_t struct_size;
  uint32_t reserved;

  /* Stores `object` under a new id, `*id`. `type` is any address in the module that stands for the type.
   * `release` is called once: at release, or when the instance is destroyed. It may be NULL.
   *   BP_INVALID_ARGUMENT  `instance`, `object`, `type` or `id` is NULL
   *   BP_NOT_SUPPORTED     on a thread that runs no code of this instance; see above
   *   BP_OUT_OF_MEMORY     no memory
   * [thread: request, worker] [state: instance alive] [suspend: no] */
  bp_status (*put)(bp_instance* instance, const void* type, void* object, bp_release_fn release, uint64_t* id);

  /* Returns the object under `id`, or NULL if there is none of this instance and this type, or on another
   * thread.
   * [thread: request, worker] [state: instance alive] [suspend: no] */
  void* (*get)(bp_instance* instance, const void* type, uint64_t id);

  /* Ends the id and frees the object.
   *   BP_INVALID_HANDLE  there is no object under `id` of this instance and this type
   *   BP_NOT_SUPPORTED   on a thread that runs no code of this instance; see above
   * [thread: request, worker] [state: instance alive] [suspend: no] */
  bp_status (*release)(bp_instance* instance, const void* type, uint64_t id);
} bp_handle_api;

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_EXT_HANDLE_H */
