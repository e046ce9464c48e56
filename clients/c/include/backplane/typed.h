/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/typed.h: what all headers that `backplane bindgen c` makes have in common. C11 over backplane.h; there is
 * nothing more to link.
 *
 *   struct timer_client timer;
 *   struct timer_echoed reply;
 *   bp_error error = {0};
 *   if (timer_open(ctx, &timer, &error) != BP_OK) …
 *   if (timer_echo(&timer, &(struct timer_message){BP_STR("hello"), 0}, NULL, &reply, &error) != BP_OK) {
 *     fprintf(stderr, "%s\n", error.message.data);
 *     bp_error_free(&error);
 *   }
 *   timer_echoed_free(&reply);
 *
 * MEMORY. What you send is only read: its texts and lists may lie anywhere. What you get is owned by the struct that it
 * is in, and `…_free` frees all of it and sets it to zero. Texts and bytes that you get end in a NUL, which their size
 * does not count. Never free a struct that you have filled yourself.
 * ERRORS. A function that takes a bp_error, which may be NULL, returns the status that it sets there. After BP_OK it is
 * not touched. After an error, what would have been the result is zero.
 * THREADS. Any thread may call any of these functions. Those that wait are refused on threads of the host.
 */
#ifndef BACKPLANE_TYPED_H
#define BACKPLANE_TYPED_H

#include <backplane/backplane.h>
#include <backplane/providing.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Why a function did not succeed. Zero it before its first use, and free it after an error. */
typedef struct bp_error {
  bp_status status;
  bp_str message;  /* for people; ends in a NUL */
  bp_bytes detail; /* for programs: one CBOR item, or empty. The module's header has functions that read it */
  void* owner;     /* belongs to these functions */
} bp_error;

/* Frees what `error` owns, and sets it to zero. NULL is allowed. */
static inline void bp_error_free(bp_error* error) {
  if (error == NULL) return;
  free(error->owner);
  memset(error, 0, sizeof *error);
}

/* Sets an error, with copies, and returns its status. `error` may be NULL. */
static inline bp_status bp_error_set(bp_error* error, bp_status status, bp_str message, bp_bytes detail) {
  char* memory;
  if (error == NULL) return status;
  bp_error_free(error);
  error->status = status;
  memory =
      message.size < SIZE_MAX / 4 && detail.size < SIZE_MAX / 4 ? (char*)malloc(message.size + detail.size + 1) : NULL;
  if (memory == NULL) {
    error->message = BP_STR("out of memory");
    return status;
  }
  if (message.size != 0) memcpy(memory, message.data, message.size);
  memory[message.size] = '\0';
  if (detail.size != 0) memcpy(memory + message.size + 1, detail.data, detail.size);
  error->owner = memory;
  error->message.data = memory;
  error->message.size = message.size;
  error->detail.data = (const uint8_t*)memory + message.size + 1;
  error->detail.size = detail.size;
  return status;
}

/* One call. Zero, or NULL instead of it: no deadline, and the defaults of the context. */
typedef struct bp_call_options {
  uint64_t timeout_ms;   /* deadline, from now */
  uint64_t window_bytes; /* of partial replies; see bp_submission */
  uint32_t window_parts;
  bp_source source; /* whose call it is; see bp_source_open. Only embedded */
} bp_call_options;

/* Where CBOR has null and nothing else. */
typedef struct bp_nothing {
  char unused;
} bp_nothing;

/* A call of a host function that waits for its answer. Answer it once, now or later, from any thread. */
typedef struct bp_asked {
  bp_context context;
  bp_token token;
} bp_asked;

/* Answers a call of a host function with an error. BP_STALE_TOKEN: nobody waits any more. */
static inline bp_status bp_asked_fail(bp_asked asked, bp_status status, bp_str message, bp_bytes detail) {
  bp_answer answer;
  memset(&answer, 0, sizeof answer);
  answer.struct_size = sizeof answer;
  answer.status = status;
  answer.message = message;
  answer.detail = detail;
  return bp_complete(asked.context, asked.token, &answer);
}

/* A typed listener, or a host function that the application answers. End it with bp_typed_end. */
typedef struct bp_typed_handle bp_typed_handle;

typedef void (*bp_typed_any_fn)(void);

/* Gets how many events of a listener are lost in this place. 0: unknown, because the connection was lost and is there
 * again (bp_connect_options.reconnect). */
typedef void bp_gap_fn(void* user, uint64_t lost);

struct bp_typed_handle {
  bp_context context;
  bp_listener listener; /* id 0: a host function */
  const void* type;
  bp_typed_any_fn call;     /* gives a value to `function` */
  bp_typed_any_fn function; /* the application's */
  bp_gap_fn* on_gap;
  void* user;
  size_t name_size;
  char name[BP_WIRE_NAME_MAX];
};

/* Ends a listener or a host function. When this returns, its function does not run any more and will not be called
 * again, unless this is called in it: then the running call is the last. NULL is allowed. */
static inline void bp_typed_end(bp_typed_handle* handle) {
  bp_str name;
  if (handle == NULL) return;
  name.data = handle->name;
  name.size = handle->name_size;
  if (handle->listener.id != 0) {
    bp_unlisten(handle->context, handle->listener);
  } else {
#ifdef BACKPLANE_PROVIDING_H
    bp_function_withdraw(handle->context, name, handle); /* not another one that has replaced it */
#else
    bp_function_set(handle->context, name, NULL, NULL);
#endif
  }
  free(handle);
}

/* Frees a text or bytes that a function has given. */
static inline void bp_text_free(bp_str* text) {
  free((void*)(uintptr_t)text->data);
  text->data = NULL;
  text->size = 0;
}
static inline void bp_bytes_free(bp_bytes* bytes) {
  free((void*)(uintptr_t)bytes->data);
  bytes->data = NULL;
  bytes->size = 0;
}

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_TYPED_H */
