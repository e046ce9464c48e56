/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of the C module that make Python objects: cffi cannot declare these. install() puts them into a dict.
 */
#ifndef BACKPLANE_PYTHON_MODULE_H
#define BACKPLANE_PYTHON_MODULE_H

#include "codec.h"
#include "queue.h"
#include "waiter.h"

#if defined(__has_include)
#if __has_include(<backplane/interfaces.h>)
#include <backplane/interfaces.h>
#define BPP_HAS_INTERFACES 1
#endif
#endif

/* The thread that Python runs signal handlers on: a wait there looks for signals now and then. */
static unsigned long bpp_main_thread;

static PyObject* bpp_dumps(PyObject* self, PyObject* value) {
  uint8_t memory[512];
  bp_cbor_writer out;
  PyObject* made = NULL;
  (void)self;
  bpp_writer(&out, memory, sizeof memory);
  if (bpp_encode(&out, value)) made = PyBytes_FromStringAndSize((const char*)out.data, (Py_ssize_t)out.size);
  bp_cbor_writer_free(&out);
  return made;
}

static PyObject* bpp_loads(PyObject* self, PyObject* value) {
  Py_buffer view;
  bp_bytes input;
  PyObject* made;
  (void)self;
  if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) != 0) return NULL;
  input.data = view.buf;
  input.size = (size_t)view.len;
  made = bpp_decode(input);
  PyBuffer_Release(&view);
  return made;
}

static PyObject* bpp_bytes_object(const void* data, size_t size) {
  return PyBytes_FromStringAndSize(size == 0 ? "" : data, (Py_ssize_t)size);
}

/* Sets the exception Failed(status, message, detail). */
static void bpp_fail(bp_status status, bp_str message, bp_bytes detail) {
  PyObject* made = PyObject_CallFunction(bpp_types.failed, "iy#y#", (int)status, message.size == 0 ? "" : message.data,
                                         (Py_ssize_t)message.size, detail.size == 0 ? "" : (const char*)detail.data,
                                         (Py_ssize_t)detail.size);
  if (made == NULL) return;
  PyErr_SetObject(bpp_types.failed, made);
  Py_DECREF(made);
}

/* Waits with `wait`, and lets Python handle signals meanwhile. `timeout_ms` is BP_FOREVER or a bound. Returns 0 after
 * an exception of a signal handler. */
static int bpp_wait(bp_status (*wait)(bp_pending, uint64_t, bp_result*), bp_pending call, uint64_t timeout_ms,
                    bp_result* result) {
  const uint64_t slice = PyThread_get_thread_ident() == bpp_main_thread ? 100 : BP_FOREVER;
  for (;;) {
    const uint64_t now = timeout_ms < slice ? timeout_ms : slice;
    bp_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = wait(call, now, result);
    Py_END_ALLOW_THREADS;
    if (timeout_ms != BP_FOREVER) timeout_ms -= now;
    if (status != BP_STALE || timeout_ms == 0) return 1;
    if (PyErr_CheckSignals() != 0) return 0;
  }
}

/* Waits for the answer of a call, and lets Python handle signals meanwhile. Returns 0 after an exception of a signal
 * handler. */
static int bpp_sleep(bpp_waiter* waiter) {
  const uint64_t slice = PyThread_get_thread_ident() == bpp_main_thread ? 100 : BP_FOREVER;
  while (!bpp_waiter_done(waiter)) {
    int done;
    Py_BEGIN_ALLOW_THREADS;
    done = bpp_waiter_sleep(waiter, slice);
    Py_END_ALLOW_THREADS;
    if (!done && PyErr_CheckSignals() != 0) return 0;
  }
  return 1;
}

/* call(context, name, payload, raw, timeout_ms): calls and waits for the answer. `raw` bit 0: the payload is sent as it
 * is; bit 1: the answer is returned as it is. Raises Failed. */
static PyObject* bpp_call(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  uint8_t memory[512];
  bp_cbor_writer out;
  bp_context ctx;
  bp_submission submission;
  bp_request request = {0};
  bpp_waiter* waiter = NULL;
  Py_ssize_t size = 0;
  PyObject* made = NULL;
  long raw;
  bp_status status;
  (void)self;
  if (count != 5) {
    PyErr_SetString(PyExc_TypeError, "call() takes 5 arguments");
    return NULL;
  }
  memset(&submission, 0, sizeof submission);
  submission.struct_size = sizeof submission;
  submission.flags = BP_SUBMIT_NO_STALE;
  ctx.id = PyLong_AsUnsignedLongLong(arguments[0]);
  submission.name.data = PyUnicode_AsUTF8AndSize(arguments[1], &size);
  submission.name.size = (size_t)size;
  raw = PyLong_AsLong(arguments[3]);
  submission.timeout_ms = PyLong_AsUnsignedLongLong(arguments[4]);
  if (PyErr_Occurred()) return NULL;
  bpp_writer(&out, memory, sizeof memory);
  if ((raw & 1) == 0) {
    if (!bpp_encode(&out, arguments[2])) goto done;
    submission.payload = bp_cbor_view(&out);
  } else {
    char* data = NULL;
    if (PyBytes_AsStringAndSize(arguments[2], &data, &size) != 0) goto done;
    submission.payload.data = (const uint8_t*)data;
    submission.payload.size = (size_t)size;
  }
  waiter = bpp_waiter_new();
  if (waiter == NULL) {
    PyErr_NoMemory();
    goto done;
  }
  submission.on_reply = bpp_waiter_reply;
  submission.user = waiter;
  Py_BEGIN_ALLOW_THREADS;
  status = bp_submit(ctx, &submission, &request);
  if (status == BP_OK) bpp_waiter_spin(waiter);
  Py_END_ALLOW_THREADS;
  if (status != BP_OK) {
    bpp_waiter_free(waiter); /* no reply comes */
    bpp_fail(status, bpp_no_text, bpp_no_bytes);
  } else if (!bpp_sleep(waiter)) {
    (void)bp_cancel(ctx, request);
  } else if (waiter->status != BP_OK) {
    bp_str message;
    message.data = (const char*)waiter->message.data;
    message.size = waiter->message.size;
    bpp_fail(waiter->status, message, waiter->detail);
  } else {
    made = (raw & 2) == 0 ? bpp_decode(waiter->payload) : bpp_bytes_object(waiter->payload.data, waiter->payload.size);
  }
  bpp_waiter_free(waiter);
done:
  bp_cbor_writer_free(&out);
  return made;
}

/* next(pending, timeout_ms): (status, payload, message, detail) as bp_call_next gives them. timeout_ms may be
 * BP_FOREVER. */
static PyObject* bpp_next(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  bp_pending call;
  bp_result result;
  PyObject* made = NULL;
  uint64_t timeout_ms;
  (void)self;
  if (count != 2) {
    PyErr_SetString(PyExc_TypeError, "next() takes 2 arguments");
    return NULL;
  }
  call.id = PyLong_AsUnsignedLongLong(arguments[0]);
  timeout_ms = PyLong_AsUnsignedLongLong(arguments[1]);
  if (PyErr_Occurred()) return NULL;
  memset(&result, 0, sizeof result);
  result.struct_size = sizeof result;
  if (bp_call_next(call, 0, &result) != BP_STALE || timeout_ms == 0 ||
      bpp_wait(bp_call_next, call, timeout_ms, &result)) {
    made = Py_BuildValue("(iNNN)", (int)result.status, bpp_bytes_object(result.payload.data, result.payload.size),
                         bpp_bytes_object(result.message.data, result.message.size),
                         bpp_bytes_object(result.detail.data, result.detail.size));
  }
  bp_result_free(&result);
  return made;
}

/* submit(context, key, name, payload, flags, timeout_ms, window_bytes, window_parts): (status, request). */
static PyObject* bpp_submit_py(PyObject* self, PyObject* arguments) {
  unsigned long long ctx_id, key, timeout_ms, window_bytes;
  unsigned int flags, window_parts;
  const char *name, *payload;
  Py_ssize_t name_size, payload_size;
  bp_context ctx;
  bp_request request = {0};
  bp_submission submission;
  bp_status status;
  (void)self;
  if (!PyArg_ParseTuple(arguments, "KKs#y#IKKI", &ctx_id, &key, &name, &name_size, &payload, &payload_size, &flags,
                        &timeout_ms, &window_bytes, &window_parts))
    return NULL;
  ctx.id = ctx_id;
  memset(&submission, 0, sizeof submission);
  submission.struct_size = sizeof submission;
  submission.flags = flags;
  submission.name.data = name;
  submission.name.size = (size_t)name_size;
  submission.payload.data = (const uint8_t*)payload;
  submission.payload.size = (size_t)payload_size;
  submission.timeout_ms = timeout_ms;
  submission.window_bytes = window_bytes;
  submission.window_parts = window_parts;
  Py_BEGIN_ALLOW_THREADS;
  status = bpp_submit(ctx, key, &submission, &request);
  Py_END_ALLOW_THREADS;
  return Py_BuildValue("(iK)", (int)status, (unsigned long long)request.id);
}

/* take(timeout_ms): a list of (kind, key, status, flags, name, payload, message, detail, first, second). */
static PyObject* bpp_take(PyObject* self, PyObject* timeout) {
  const unsigned long long timeout_ms = PyLong_AsUnsignedLongLong(timeout);
  bpp_item *item, *next;
  PyObject* list;
  (void)self;
  if (PyErr_Occurred()) return NULL;
  list = PyList_New(0);
  if (list == NULL) return NULL;
  Py_BEGIN_ALLOW_THREADS;
  item = bpp_take_all(timeout_ms);
  Py_END_ALLOW_THREADS;
  for (; item != NULL; item = next) {
    const char* at = (const char*)(item + 1);
    PyObject* made =
        Py_BuildValue("(IKiINNNNKK)", item->kind, (unsigned long long)item->key, (int)item->status, item->flags,
                      bpp_bytes_object(at, item->name), bpp_bytes_object(at + item->name, item->payload),
                      bpp_bytes_object(at + item->name + item->payload, item->message),
                      bpp_bytes_object(at + item->name + item->payload + item->message, item->detail),
                      (unsigned long long)item->first, (unsigned long long)item->second);
    if (made == NULL || PyList_Append(list, made) != 0) PyErr_Clear(); /* no memory: nothing else can be done */
    Py_XDECREF(made);
    next = item->next;
    bpp_event_taken(item);
    free(item);
  }
  return list;
}

/* time_calls(context, name, payload, count): makes so many calls of encoded bytes, all in C: what the benchmark of
 * calls compares with. Returns the status of the first that fails, otherwise 0. */
static PyObject* bpp_time_calls(PyObject* self, PyObject* arguments) {
  unsigned long long ctx_id, count;
  bp_context ctx;
  bp_str wire;
  bp_bytes bytes;
  bp_status status = BP_OK;
  Py_ssize_t name_size, payload_size;
  (void)self;
  if (!PyArg_ParseTuple(arguments, "Ks#y#K", &ctx_id, &wire.data, &name_size, &bytes.data, &payload_size, &count))
    return NULL;
  ctx.id = ctx_id;
  wire.size = (size_t)name_size;
  bytes.size = (size_t)payload_size;
  Py_BEGIN_ALLOW_THREADS;
  while (count-- > 0 && status == BP_OK) {
    bp_result result;
    memset(&result, 0, sizeof result);
    result.struct_size = sizeof result;
    status = bp_call_sync(ctx, wire, bytes, 0, &result);
    bp_result_free(&result);
  }
  Py_END_ALLOW_THREADS;
  return PyLong_FromLong(status);
}

/* time_parts(pending): takes all partial replies of a call, in C: what the benchmark of parts compares with. Returns
 * how many came; a negative status if the call fails. */
static PyObject* bpp_time_parts(PyObject* self, PyObject* pending) {
  bp_pending call;
  bp_result result;
  long parts = -1;
  (void)self;
  call.id = PyLong_AsUnsignedLongLong(pending);
  if (PyErr_Occurred()) return NULL;
  memset(&result, 0, sizeof result);
  result.struct_size = sizeof result;
  Py_BEGIN_ALLOW_THREADS;
  do {
    parts++;
    bp_result_free(&result);
  } while (bp_call_next(call, BP_FOREVER, &result) == BP_PARTIAL);
  if (result.status != BP_OK) parts = -(long)result.status;
  bp_result_free(&result);
  bp_call_free(call);
  Py_END_ALLOW_THREADS;
  return PyLong_FromLong(parts);
}

static PyMethodDef bpp_methods[] = {
    {"dumps", bpp_dumps, METH_O, "Writes a value as CBOR."},
    {"loads", bpp_loads, METH_O, "Reads one CBOR item."},
    {"call", (PyCFunction)(void (*)(void))bpp_call, METH_FASTCALL, "Calls and waits for the answer."},
    {"next", (PyCFunction)(void (*)(void))bpp_next, METH_FASTCALL, "Waits for the next part."},
    {"submit", bpp_submit_py, METH_VARARGS, "Submits a call whose replies take() gives."},
    {"time_calls", bpp_time_calls, METH_VARARGS, "For benchmarks."},
    {"time_parts", bpp_time_parts, METH_O, "For benchmarks."},
    {"take", bpp_take, METH_O, "Waits for what the host's threads tell."},
};

/* Takes the types of `space`, a dict, and puts the functions there. cffi calls it without the GIL. Returns 1 if all is
 * done. */
static int bpp_install(void* space, unsigned long main_thread) {
  PyObject* const dict = space;
  PyObject** const types[] = {&bpp_types.encode_error, &bpp_types.decode_error, &bpp_types.failed,
                              &bpp_types.tag,          &bpp_types.simple,       &bpp_types.undefined};
  static const char* const names[] = {"EncodeError", "DecodeError", "Failed", "Tag", "Simple", "UNDEFINED"};
  const PyGILState_STATE state = PyGILState_Ensure();
  int done = 1;
  size_t i;
  bpp_main_thread = main_thread;
  for (i = 0; i < sizeof names / sizeof *names && done; i++) {
    *types[i] = PyDict_GetItemString(dict, names[i]);
    done = *types[i] != NULL;
    Py_XINCREF(*types[i]);
  }
  for (i = 0; i < sizeof bpp_methods / sizeof *bpp_methods && done; i++) {
    PyObject* made = PyCFunction_New(&bpp_methods[i], NULL);
    done = made != NULL && PyDict_SetItemString(dict, bpp_methods[i].ml_name, made) == 0;
    Py_XDECREF(made);
  }
  if (!done) PyErr_Clear();
  PyGILState_Release(state);
  return done;
}

/* ---- Functions that the library may not have yet ------------------------------------------ */

static bp_status bpp_expect(bp_context ctx, bp_str module, bp_str hash, bp_str cddl, bp_result* out) {
#ifdef BPP_HAS_INTERFACES
  return bp_context_expect(ctx, module, hash, cddl, out);
#else
  (void)ctx, (void)module, (void)hash, (void)cddl, (void)out;
  return BP_NOT_SUPPORTED;
#endif
}

#endif /* BACKPLANE_PYTHON_MODULE_H */
