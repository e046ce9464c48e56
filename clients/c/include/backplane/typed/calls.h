/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/typed/calls.h: typed calls, events and host functions. Only generated .c files include it.
 */
#ifndef BACKPLANE_TYPED_CALLS_H
#define BACKPLANE_TYPED_CALLS_H

#include <backplane/interfaces.h>

#include "read.h"

/* A wire name, host function or event. A type that is NULL: there is none. */
typedef struct bp_typed_method {
  bp_str name;
  const bp_typed_type* request;
  const bp_typed_type* request_part;
  const bp_typed_type* partial;
  const bp_typed_type* reply;
} bp_typed_method;

/* Makes an error of a result, and frees that. */
static inline bp_status bp_typed_take(bp_error* error, bp_status status, bp_result* result) {
  bp_str message = result->message;
  if (message.size == 0) {
    message.data = bp_status_text(status);
    message.size = strlen(message.data);
  }
  bp_error_set(error, status, message, result->detail);
  bp_result_free(result);
  return status;
}

static inline bp_status bp_typed_bare(bp_error* error, bp_status status) {
  bp_result none;
  memset(&none, 0, sizeof none);
  none.struct_size = sizeof none;
  return bp_typed_take(error, status, &none);
}

/* Writes a value into a buffer of the host, or an empty map if `type` is NULL. After BP_OK, the writer must be freed.
 */
static inline bp_status bp_typed_write(bp_typed_out* out, const bp_typed_type* type, const void* value,
                                       bp_error* error) {
  bp_str message;
  bp_bytes none = {NULL, 0};
  bp_status status;
  memset(out, 0, sizeof *out);
  bp_cbor_writer_init(&out->cbor, bp_buffer_new, bp_buffer_free);
  if (type == NULL) {
    bp_cbor_put_map(&out->cbor, 0);
  } else {
    bp_typed_put(out, type, value);
  }
  if (out->cbor.status == BP_OK) return BP_OK;
  status = out->cbor.status;
  message.data = out->fault[0] != '\0' ? out->fault : bp_status_text(status);
  message.size = strlen(message.data);
  bp_error_set(error, status, message, none);
  bp_cbor_writer_free(&out->cbor);
  return status;
}

/* Writes a value as one item, in a buffer that must be freed with bp_buffer_free. */
static inline bp_status bp_typed_item(const bp_typed_type* type, const void* value, bp_buffer** item, bp_error* error) {
  bp_typed_out out;
  const bp_status status = bp_typed_write(&out, type, value, error);
  *item = NULL;
  if (status != BP_OK) return status;
  *item = bp_cbor_take(&out.cbor);
  return *item != NULL ? BP_OK : bp_typed_bare(error, BP_OUT_OF_MEMORY);
}
/* Gives a terminal answer to the application. */
static inline bp_status bp_typed_finish(const bp_typed_method* method, bp_status status, bp_result* result, void* reply,
                                        bp_error* error) {
  if (method->reply != NULL) memset(reply, 0, method->reply->size);
  if (status != BP_OK) return bp_typed_take(error, status, result);
  if (method->reply != NULL) {
    status =
        bp_typed_read(result->payload, method->reply, false, reply, "the answer has another form than expected", error);
  }
  bp_result_free(result);
  return status;
}

static inline bp_status bp_typed_start(bp_context context, const bp_typed_method* method, const void* request,
                                       const bp_call_options* options, bp_pending* call, bp_error* error) {
  bp_submission submission;
  bp_typed_out out;
  bp_status status = bp_typed_write(&out, method->request, request, error);
  call->id = 0;
  if (status != BP_OK) return status;
  memset(&submission, 0, sizeof submission);
  submission.struct_size = sizeof submission;
  submission.flags = BP_SUBMIT_NO_STALE | (method->request_part != NULL ? BP_SUBMIT_PARTS : 0);
  submission.name = method->name;
  submission.payload = bp_cbor_view(&out.cbor);
  if (options != NULL) {
    submission.timeout_ms = options->timeout_ms;
    submission.window_bytes = options->window_bytes;
    submission.window_parts = options->window_parts;
    submission.source = options->source;
  }
  status = bp_call_start(context, &submission, call);
  bp_cbor_writer_free(&out.cbor);
  return status == BP_OK ? BP_OK : bp_typed_bare(error, status);
}

/* Waits for the next part or the answer. */
static inline bp_status bp_typed_next(bp_pending call, const bp_typed_method* method, uint64_t timeout_ms, void* part,
                                      void* reply, bp_error* error) {
  bp_result result;
  bp_status status;
  memset(&result, 0, sizeof result);
  result.struct_size = sizeof result;
  if (part != NULL) memset(part, 0, method->partial->size);
  status = part != NULL ? bp_call_next(call, timeout_ms, &result) : bp_call_wait(call, timeout_ms, &result);
  if (part == NULL || status != BP_PARTIAL) return bp_typed_finish(method, status, &result, reply, error);
  if (method->reply != NULL) memset(reply, 0, method->reply->size);
  status = bp_typed_read(result.payload, method->partial, false, part, "a part has another form than expected", error);
  bp_result_free(&result);
  if (status == BP_OK) return BP_PARTIAL;
  bp_call_cancel(call);
  return status;
}

static inline bp_status bp_typed_call(bp_context context, const bp_typed_method* method, const void* request,
                                      const bp_call_options* options, void* reply, bp_error* error) {
  bp_result result;
  bp_status status;
  bp_typed_out out;
  if (method->reply != NULL) memset(reply, 0, method->reply->size);
  if (options != NULL && options->source.id != 0) {
    bp_pending call;
    status = bp_typed_start(context, method, request, options, &call, error);
    if (status != BP_OK) return status;
    status = bp_typed_next(call, method, BP_FOREVER, NULL, reply, error);
    bp_call_free(call);
    return status;
  }
  status = bp_typed_write(&out, method->request, request, error);
  if (status != BP_OK) return status;
  memset(&result, 0, sizeof result);
  result.struct_size = sizeof result;
  status =
      bp_call_sync(context, method->name, bp_cbor_view(&out.cbor), options != NULL ? options->timeout_ms : 0, &result);
  bp_cbor_writer_free(&out.cbor);
  return bp_typed_finish(method, status, &result, reply, error);
}

/* Sends a part; without a value, the end of the parts. */
static inline bp_status bp_typed_part(bp_pending call, const bp_typed_method* method, const void* part,
                                      uint64_t timeout_ms, bp_error* error) {
  bp_typed_out out;
  bp_bytes none = {NULL, 0};
  bp_status status;
  if (part == NULL) {
    status = bp_call_part(call, none, BP_PART_END, timeout_ms);
    return status == BP_OK ? BP_OK : bp_typed_bare(error, status);
  }
  status = bp_typed_write(&out, method->request_part, part, error);
  if (status != BP_OK) return status;
  status = bp_call_part(call, bp_cbor_view(&out.cbor), 0, timeout_ms);
  bp_cbor_writer_free(&out.cbor);
  return status == BP_OK ? BP_OK : bp_typed_bare(error, status);
}

/* ---- Callbacks ---- */

/* Calls `function` of the application, which the generated code knows the type of. `value` is NULL if there is none. */
typedef void (*bp_typed_done_fn)(bp_typed_any_fn function, void* user, const void* value, const bp_error* error);
typedef void (*bp_typed_event_fn)(bp_typed_any_fn function, void* user, const void* value);
typedef void (*bp_typed_asked_fn)(bp_typed_any_fn function, void* user, const void* value, bp_asked asked);

typedef struct bp_typed_submitted {
  const bp_typed_method* method;
  bp_typed_done_fn call;
  bp_typed_event_fn call_part;
  bp_typed_any_fn done;
  bp_typed_any_fn on_part;
  void* user;
} bp_typed_submitted;

/* Memory for a value; one that is large does not belong on the stack of a host's thread. */
static inline void* bp_typed_memory(const bp_typed_type* type) { return calloc(1, type == NULL ? 1 : type->size); }

static inline void bp_typed_on_reply(void* user, const bp_answer* answer) {
  bp_typed_submitted* call = (bp_typed_submitted*)user;
  const bp_typed_type* type = answer->status == BP_PARTIAL ? call->method->partial : call->method->reply;
  bp_error error;
  void* value;
  bp_status status = answer->status;
  memset(&error, 0, sizeof error);
  if (status == BP_STALE || (status == BP_PARTIAL && (type == NULL || call->on_part == NULL))) return;
  value = bp_typed_memory(type);
  if (value == NULL) {
    status = bp_typed_bare(&error, BP_OUT_OF_MEMORY);
  } else if (status == BP_OK || status == BP_PARTIAL) {
    const bp_status read = type == NULL ? (bp_status)BP_OK
                                        : bp_typed_read(answer->payload, type, false, value,
                                                        "the answer has another form than expected", &error);
    if (status == BP_PARTIAL) {
      if (read == BP_OK) {
        call->call_part(call->on_part, call->user, value);
        bp_typed_free(type, value);
      }
      bp_error_free(&error); /* a part that cannot be read is left out */
      free(value);
      return;
    }
    status = read;
  } else {
    bp_str message = answer->message;
    if (message.size == 0) {
      message.data = bp_status_text(status);
      message.size = strlen(message.data);
    }
    bp_error_set(&error, status, message, answer->detail);
  }
  if (answer->status != BP_PARTIAL) {
    call->call(call->done, call->user, status == BP_OK ? value : NULL, status == BP_OK ? NULL : &error);
    free(call);
  }
  if (status == BP_OK && type != NULL) bp_typed_free(type, value);
  free(value);
  bp_error_free(&error);
}

static inline bp_status bp_typed_submit(bp_context context, bp_typed_submitted what, const void* request,
                                        const bp_call_options* options, bp_request* id, bp_error* error) {
  bp_submission submission;
  bp_typed_out out;
  bp_typed_submitted* kept;
  bp_status status = bp_typed_write(&out, what.method->request, request, error);
  if (status != BP_OK) return status;
  kept = (bp_typed_submitted*)malloc(sizeof *kept);
  if (kept == NULL) {
    bp_cbor_writer_free(&out.cbor);
    return bp_typed_bare(error, BP_OUT_OF_MEMORY);
  }
  *kept = what;
  memset(&submission, 0, sizeof submission);
  submission.struct_size = sizeof submission;
  submission.flags = BP_SUBMIT_NO_STALE;
  submission.name = what.method->name;
  submission.payload = bp_cbor_view(&out.cbor);
  submission.on_reply = bp_typed_on_reply;
  submission.user = kept;
  if (options != NULL) {
    submission.timeout_ms = options->timeout_ms;
    submission.window_bytes = options->window_bytes;
    submission.window_parts = options->window_parts;
    submission.source = options->source;
  }
  status = bp_submit(context, &submission, id);
  bp_cbor_writer_free(&out.cbor);
  if (status == BP_OK) return BP_OK;
  free(kept);
  return bp_typed_bare(error, status);
}

/* ---- Events and host functions ---- */

static inline void bp_typed_on_event(void* user, const bp_event* event) {
  const bp_typed_handle* handle = (const bp_typed_handle*)user;
  const bp_typed_type* type = (const bp_typed_type*)handle->type;
  /* The callback may end the listener, so nothing of `handle` is used after it. */
  const bp_typed_event_fn call = (bp_typed_event_fn)handle->call;
  const bp_typed_any_fn function = handle->function;
  void* const user_data = handle->user;
  bp_bytes payload = event->payload;
  bp_error error;
  void* value;
  memset(&error, 0, sizeof error);
  if ((event->flags & BP_EVENT_GAP) != 0) {
    if (handle->on_gap != NULL) handle->on_gap(user_data, event->lost);
    return;
  }
  if ((event->flags & BP_EVENT_TYPED) != 0) {
    bp_cbor_reader inner;
    payload.size = 0;
    if (bp_cbor_find(event->payload, BP_STR("payload"), &inner)) {
      payload.data = inner.begin;
      payload.size = (size_t)(inner.end - inner.begin);
    }
  }
  value = bp_typed_memory(type);
  if (value == NULL) return;
  if (type == NULL) {
    call(function, user_data, NULL);
  } else if (bp_typed_read(payload, type, false, value, "an event has another form than expected", &error) == BP_OK) {
    call(function, user_data, value);
    bp_typed_free(type, value);
  } else {
    bp_log_write(BP_LOG_WARN, 0, event->name, error.message);
    bp_error_free(&error);
  }
  free(value);
}

static inline bp_typed_handle* bp_typed_new_handle(bp_context context, bp_str name, const bp_typed_type* type,
                                                   bp_typed_any_fn call, bp_typed_any_fn function, void* user) {
  bp_typed_handle* handle = (bp_typed_handle*)calloc(1, sizeof *handle);
  if (handle == NULL) return NULL;
  handle->context = context;
  handle->type = type;
  handle->call = call;
  handle->function = function;
  handle->user = user;
  handle->name_size = name.size < sizeof handle->name ? name.size : sizeof handle->name;
  memcpy(handle->name, name.data, handle->name_size);
  return handle;
}

static inline bp_status bp_typed_listen(bp_context context, const bp_typed_method* event, bp_typed_event_fn call,
                                        bp_typed_any_fn function, bp_gap_fn* on_gap, void* user, bp_typed_handle** out,
                                        bp_error* error) {
  bp_typed_handle* handle =
      bp_typed_new_handle(context, event->name, event->reply, (bp_typed_any_fn)call, function, user);
  bp_status status = BP_OUT_OF_MEMORY;
  *out = NULL;
  if (handle != NULL) {
    bp_subscription subscription;
    handle->on_gap = on_gap;
    memset(&subscription, 0, sizeof subscription);
    subscription.struct_size = sizeof subscription;
    subscription.pattern = event->name;
    subscription.on_event = bp_typed_on_event;
    subscription.user = handle;
    status = bp_subscribe(context, &subscription, &handle->listener);
  }
  if (status == BP_OK) {
    *out = handle;
    return BP_OK;
  }
  free(handle);
  return bp_typed_bare(error, status);
}

static inline void bp_typed_on_asked(void* user, bp_context context, bp_token token, bp_str name, bp_bytes payload) {
  static const uint8_t empty_map[] = {0xa0};
  const bp_typed_handle* handle = (const bp_typed_handle*)user;
  const bp_typed_type* type = (const bp_typed_type*)handle->type;
  const bp_typed_asked_fn call = (bp_typed_asked_fn)handle->call;
  const bp_typed_any_fn function = handle->function;
  void* const user_data = handle->user;
  void* value = bp_typed_memory(type);
  bp_asked asked;
  bp_error error;
  bp_bytes none = {NULL, 0};
  (void)name;
  memset(&error, 0, sizeof error);
  asked.context = context;
  asked.token = token;
  if (payload.size == 0 && (type == NULL || type->kind != BP_TYPED_RAW)) {
    payload.data = empty_map;
    payload.size = sizeof empty_map;
  }
  if (value == NULL) {
    bp_asked_fail(asked, BP_OUT_OF_MEMORY, BP_STR("out of memory"), none);
  } else if (type == NULL) {
    call(function, user_data, NULL, asked);
  } else if (bp_typed_read(payload, type, true, value, "the request has another form than expected", &error) == BP_OK) {
    call(function, user_data, value, asked);
    bp_typed_free(type, value);
  } else {
    bp_asked_fail(asked, error.status, error.message, none);
    bp_error_free(&error);
  }
  free(value);
}

static inline bp_status bp_typed_provide(bp_context context, const bp_typed_method* method, bp_typed_asked_fn call,
                                         bp_typed_any_fn function, void* user, bp_typed_handle** out, bp_error* error) {
  bp_typed_handle* handle =
      bp_typed_new_handle(context, method->name, method->request, (bp_typed_any_fn)call, function, user);
  bp_status status = BP_OUT_OF_MEMORY;
  *out = NULL;
  if (handle != NULL) status = bp_function_set(context, method->name, bp_typed_on_asked, handle);
  if (status == BP_OK) {
    *out = handle;
    return BP_OK;
  }
  free(handle);
  return bp_typed_bare(error, status);
}

/* Answers a call of a host function. `reply` is not used if it has none. */
static inline bp_status bp_typed_answer(bp_asked asked, const bp_typed_method* method, const void* reply) {
  static const uint8_t null_item[] = {0xf6};
  bp_answer answer;
  bp_typed_out out;
  bp_error error;
  bp_status status;
  bp_bytes none = {NULL, 0};
  memset(&answer, 0, sizeof answer);
  memset(&error, 0, sizeof error);
  answer.struct_size = sizeof answer;
  answer.status = BP_OK;
  if (method->reply == NULL) {
    answer.payload.data = null_item;
    answer.payload.size = sizeof null_item;
    return bp_complete(asked.context, asked.token, &answer);
  }
  status = bp_typed_write(&out, method->reply, reply, &error);
  if (status != BP_OK) { /* the call must have some answer */
    bp_asked_fail(asked, BP_EXCEPTION, error.message, none);
    bp_error_free(&error);
    return status;
  }
  answer.payload = bp_cbor_view(&out.cbor);
  status = bp_complete(asked.context, asked.token, &answer);
  bp_cbor_writer_free(&out.cbor);
  return status;
}

/* Reads the detail of an error with this status. Returns whether it is there. */
static inline bool bp_typed_detail(const bp_error* error, bp_status status, const bp_typed_type* type, void* detail) {
  memset(detail, 0, type->size);
  return error->status == status && error->detail.size != 0 &&
         bp_typed_read(error->detail, type, false, detail, "", NULL) == BP_OK;
}

/* Asks whether a program that was built for this interface may use the module. */
static inline bp_status bp_typed_expect(bp_context context, bp_str module, bp_str hash, bp_str cddl, bp_error* error) {
  bp_result result;
  bp_status status;
  memset(&result, 0, sizeof result);
  result.struct_size = sizeof result;
  status = bp_context_expect(context, module, hash, cddl, &result);
  if (status != BP_OK) return bp_typed_take(error, status, &result);
  if (result.message.size != 0) bp_log_write(BP_LOG_DEBUG, 0, module, result.message); /* a compatible change */
  bp_result_free(&result);
  return BP_OK;
}

#endif /* BACKPLANE_TYPED_CALLS_H */
