/* SPDX-License-Identifier: Apache-2.0
 *
 * bp.handle/1: objects that stay inside and travel as 64-bit ids.
 *
 * Ids are never 0 and never reused. A forged, stale or wrongly typed one is an error, not a crash. On
 * any other thread than the request thread, a blocking handler's say, all of this is BP_NOT_SUPPORTED
 * or NULL.
 */
#ifndef BACKPLANE_EXT_HANDLE_H
#define BACKPLANE_EXT_HANDLE_H

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_HANDLE "bp.handle/1"

/* Frees an object.
 * [thread: request] [state: instance alive] [suspend: no] */
typedef void (*bp_release_fn)(void* object);

typedef struct bp_handle_api {
  uint32_t struct_size;
  uint32_t reserved;

  /* Puts `object` under a new id. `type` is any address of the module's that stands for the type.
   * `release` (or NULL) is called once: at release, or when the instance is destroyed.
   * BP_OK, BP_INVALID_ARGUMENT (null object, type or id), BP_NOT_SUPPORTED, BP_OUT_OF_MEMORY.
   * [thread: request] [state: instance alive] [suspend: no] */
  bp_status (*put)(bp_instance* instance, const void* type, void* object, bp_release_fn release, uint64_t* id);

  /* The object under `id`, or NULL unless it is of this instance and this type.
   * [thread: request] [state: instance alive] [suspend: no] */
  void* (*get)(bp_instance* instance, const void* type, uint64_t id);

  /* Ends the id and frees the object. BP_OK, BP_INVALID_HANDLE, BP_NOT_SUPPORTED.
   * [thread: request] [state: instance alive] [suspend: no] */
  bp_status (*release)(bp_instance* instance, const void* type, uint64_t id);
} bp_handle_api;

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_EXT_HANDLE_H */
