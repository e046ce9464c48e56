/* SPDX-License-Identifier: Apache-2.0
 *
 * Python objects from CBOR and to CBOR, with the reader and writer of backplane/cbor.h. All functions need the GIL.
 */
#ifndef BACKPLANE_PYTHON_CODEC_H
#define BACKPLANE_PYTHON_CODEC_H

#include <Python.h>
#include <backplane/cbor.h>

/* What the Python side gives once; see install() in module.h. Borrowed from its module, which lives as long. */
static struct {
  PyObject* encode_error;
  PyObject* decode_error;
  PyObject* failed;
  PyObject* tag;
  PyObject* simple;
  PyObject* undefined;
} bpp_types;

/* ---- Writing ------------------------------------------------------------------------------ */

static bp_buffer* bpp_make(size_t capacity) {
  bp_buffer* made = capacity <= SIZE_MAX - sizeof(bp_buffer) ? malloc(sizeof(bp_buffer) + capacity) : NULL;
  if (made == NULL) return NULL;
  made->data = (uint8_t*)(made + 1);
  made->size = 0;
  made->capacity = capacity;
  return made;
}
static void bpp_drop(bp_buffer* buffer) { free(buffer); }

/* Begins in the caller's memory, and goes on in the heap. End it with bp_cbor_writer_free. */
static void bpp_writer(bp_cbor_writer* out, void* memory, size_t size) {
  bp_cbor_writer_fixed(out, memory, size);
  out->make = bpp_make;
  out->drop = bpp_drop;
}

static int bpp_put_error(const char* text) {
  PyErr_SetString(bpp_types.encode_error, text);
  return 0;
}

static int bpp_put_long(bp_cbor_writer* out, PyObject* value) {
  int overflow = 0;
  const long long small = PyLong_AsLongLongAndOverflow(value, &overflow);
  PyObject* magnitude = value;
  unsigned long long large;
  if (overflow == 0) {
    if (small == -1 && PyErr_Occurred()) return 0;
    bp_cbor_put_int(out, small);
    return 1;
  }
  if (overflow < 0) {
    magnitude = PyNumber_Invert(value);
    if (magnitude == NULL) return 0;
  }
  large = PyLong_AsUnsignedLongLong(magnitude);
  if (overflow < 0) Py_DECREF(magnitude);
  if (large == (unsigned long long)-1 && PyErr_Occurred()) {
    if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return 0;
    PyErr_Clear();
    return bpp_put_error("found an integer beyond 64 bits; CBOR has -2**64 to 2**64-1");
  }
  bp_cbor_put_head(out, overflow < 0 ? BP_CBOR_NINT : BP_CBOR_UINT, large);
  return 1;
}

static int bpp_put_str(bp_cbor_writer* out, PyObject* value) {
  Py_ssize_t size = 0;
  bp_bytes text;
  text.data = (const uint8_t*)PyUnicode_AsUTF8AndSize(value, &size);
  if (text.data == NULL) {
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return 0;
    PyErr_Clear();
    return bpp_put_error("found a str with a lone surrogate; UTF-8 has none");
  }
  text.size = (size_t)size;
  bp_cbor_put_head(out, BP_CBOR_TEXT, text.size);
  bp_cbor_put_item(out, text);
  return 1;
}

static int bpp_put_bytes(bp_cbor_writer* out, PyObject* value) {
  Py_buffer view;
  bp_bytes bytes;
  if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) != 0) {
    PyErr_Clear();
    return bpp_put_error("found a buffer that is not contiguous");
  }
  bytes.data = view.buf;
  bytes.size = (size_t)view.len;
  bp_cbor_put_bytes(out, bytes);
  PyBuffer_Release(&view);
  return 1;
}

static int bpp_put(bp_cbor_writer* out, PyObject* value, int depth);

static int bpp_put_items(bp_cbor_writer* out, PyObject* value, int depth) {
  Py_ssize_t at;
  /* The size may change while items are written, if Python code of an item changes it. None of ours does. */
  bp_cbor_put_array(out, (uint64_t)PySequence_Fast_GET_SIZE(value));
  for (at = 0; at < PySequence_Fast_GET_SIZE(value); at++) {
    if (!bpp_put(out, PySequence_Fast_GET_ITEM(value, at), depth)) return 0;
  }
  return 1;
}

static int bpp_put_pairs(bp_cbor_writer* out, PyObject* value, int depth) {
  Py_ssize_t at = 0;
  PyObject *key, *item;
  bp_cbor_put_map(out, (uint64_t)PyDict_GET_SIZE(value));
  while (PyDict_Next(value, &at, &key, &item)) {
    if (!bpp_put(out, key, depth) || !bpp_put(out, item, depth)) return 0;
  }
  return 1;
}

static int bpp_put_marked(bp_cbor_writer* out, PyObject* value, int depth) {
  const int is_tag = (PyObject*)Py_TYPE(value) == bpp_types.tag;
  PyObject* number = PyObject_GetAttrString(value, "number");
  unsigned long long is = number == NULL ? 0 : PyLong_AsUnsignedLongLong(number);
  PyObject* inner;
  int done;
  Py_XDECREF(number);
  if (PyErr_Occurred()) {
    PyErr_Clear();
    return bpp_put_error(is_tag ? "found a tag whose number is not 0 to 2**64-1"
                                : "found a simple value that is not 0 to 19 or 32 to 255");
  }
  if (!is_tag) {
    if (is > 255 || (is > 19 && is < 32)) return bpp_put_error("found a simple value that is not 0 to 19 or 32 to 255");
    if (is >= 32) bp_cbor_put_byte(out, 0xf8);
    bp_cbor_put_byte(out, (uint8_t)(is >= 32 ? is : 0xe0 + is));
    return 1;
  }
  inner = PyObject_GetAttrString(value, "value");
  if (inner == NULL) return 0;
  bp_cbor_put_tag(out, is);
  done = bpp_put(out, inner, depth);
  Py_DECREF(inner);
  return done;
}

/* `depth`: how many levels are around the value. */
static int bpp_put(bp_cbor_writer* out, PyObject* value, int depth) {
  if (PyUnicode_Check(value)) return bpp_put_str(out, value);
  if (value == Py_None) {
    bp_cbor_put_null(out);
  } else if (PyBool_Check(value)) {
    bp_cbor_put_bool(out, value == Py_True);
  } else if (PyLong_Check(value)) {
    return bpp_put_long(out, value);
  } else if (PyFloat_Check(value)) {
    bp_cbor_put_double(out, PyFloat_AS_DOUBLE(value));
  } else if (PyBytes_Check(value) || PyByteArray_Check(value) || PyMemoryView_Check(value)) {
    return bpp_put_bytes(out, value);
  } else if (PyDict_Check(value)) {
    if (depth >= BP_CBOR_DEPTH && PyDict_GET_SIZE(value) != 0) return bpp_put_error("nested deeper than 64 levels");
    return bpp_put_pairs(out, value, depth + 1);
  } else if (PyList_Check(value) || PyTuple_Check(value)) {
    if (depth >= BP_CBOR_DEPTH && PySequence_Fast_GET_SIZE(value) != 0)
      return bpp_put_error("nested deeper than 64 levels");
    return bpp_put_items(out, value, depth + 1);
  } else if ((PyObject*)Py_TYPE(value) == bpp_types.tag || (PyObject*)Py_TYPE(value) == bpp_types.simple) {
    if (depth >= BP_CBOR_DEPTH && (PyObject*)Py_TYPE(value) == bpp_types.tag)
      return bpp_put_error("nested deeper than 64 levels");
    return bpp_put_marked(out, value, depth + 1);
  } else if (value == bpp_types.undefined) {
    bp_cbor_put_byte(out, 0xf7);
  } else {
    PyErr_Format(bpp_types.encode_error,
                 "found a value of type %s; expected None, bool, int, float, str, bytes, list, tuple or dict",
                 Py_TYPE(value)->tp_name);
    return 0;
  }
  return 1;
}

/* Writes a value. Returns 0 and sets an exception after an error. */
static int bpp_encode(bp_cbor_writer* out, PyObject* value) {
  if (!bpp_put(out, value, 0)) return 0;
  if (out->status == BP_OK) return 1;
  PyErr_NoMemory();
  return 0;
}

/* ---- Reading ------------------------------------------------------------------------------ */

static PyObject* bpp_get(bp_cbor_reader* in, int is_key);

/* A string of unknown length, from its chunks. */
static PyObject* bpp_get_chunks(bp_cbor_reader* in, uint32_t kind) {
  bp_cbor_reader ahead = *in;
  size_t total = 0;
  char* to;
  PyObject *bytes, *text;
  bp_cbor_head head;
  if (!bp_cbor_skip_chunks(&ahead, kind)) {
    *in = ahead;
    return NULL;
  }
  total = (size_t)(ahead.at - in->at);
  bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)total);
  if (bytes == NULL) return NULL;
  to = PyBytes_AS_STRING(bytes);
  while (bp_cbor_peek_head(in, &head) && head.kind != BP_CBOR_BREAK) {
    memcpy(to, in->at + head.size, (size_t)head.value);
    to += head.value;
    in->at += head.size + (size_t)head.value;
  }
  *in = ahead;
  if (kind == BP_CBOR_BYTES) {
    _PyBytes_Resize(&bytes, to - PyBytes_AS_STRING(bytes));
    return bytes;
  }
  text = PyUnicode_DecodeUTF8(PyBytes_AS_STRING(bytes), to - PyBytes_AS_STRING(bytes), NULL);
  Py_DECREF(bytes);
  return text;
}

static PyObject* bpp_get_array(bp_cbor_reader* in, int is_key) {
  bp_cbor_level level;
  PyObject *list, *tuple;
  if (!bp_cbor_enter_array(in, &level)) return NULL;
  list = PyList_New(0);
  while (list != NULL && bp_cbor_more(in, &level)) {
    PyObject* item = bpp_get(in, is_key);
    if (item == NULL || PyList_Append(list, item) != 0) Py_CLEAR(list);
    Py_XDECREF(item);
  }
  if (list == NULL || in->fault != NULL || !is_key) {
    if (list != NULL && in->fault != NULL) Py_CLEAR(list);
    return list;
  }
  tuple = PyList_AsTuple(list);
  Py_DECREF(list);
  return tuple;
}

static PyObject* bpp_get_map(bp_cbor_reader* in) {
  bp_cbor_level level;
  PyObject* dict;
  if (!bp_cbor_enter_map(in, &level)) return NULL;
  dict = PyDict_New();
  while (dict != NULL && bp_cbor_more(in, &level)) {
    PyObject* key = bpp_get(in, 1);
    PyObject* item = key == NULL ? NULL : bpp_get(in, 0);
    if (item == NULL || PyDict_SetItem(dict, key, item) != 0) Py_CLEAR(dict);
    Py_XDECREF(key);
    Py_XDECREF(item);
  }
  if (in->fault != NULL) Py_CLEAR(dict);
  return dict;
}

static PyObject* bpp_get_tagged(bp_cbor_reader* in, uint64_t tag, int is_key) {
  PyObject *inner, *made;
  in->depth++;
  inner = bpp_get(in, is_key);
  in->depth--;
  if (inner == NULL) return NULL;
  made = PyObject_CallFunction(bpp_types.tag, "KO", (unsigned long long)tag, inner);
  Py_DECREF(inner);
  return made;
}

static PyObject* bpp_get_negative(uint64_t value) {
  PyObject *positive, *negative;
  if (value <= (uint64_t)INT64_MAX) return PyLong_FromLongLong(-1 - (long long)value);
  positive = PyLong_FromUnsignedLongLong(value);
  if (positive == NULL) return NULL;
  negative = PyNumber_Invert(positive);
  Py_DECREF(positive);
  return negative;
}

/* Reads one item. Returns NULL after a fault of the reader, or with an exception. `is_key`: Python must be able to hash
 * it. */
static PyObject* bpp_get(bp_cbor_reader* in, int is_key) {
  bp_cbor_head head;
  const char* data;
  if (!bp_cbor_peek_head(in, &head)) return NULL;
  switch (head.kind) {
    case BP_CBOR_ARRAY:
      return bpp_get_array(in, is_key);
    case BP_CBOR_MAP:
      if (!is_key) return bpp_get_map(in);
      bp_cbor_fail(in, "found a map as the key of a map; Python cannot hold it");
      return NULL;
    case BP_CBOR_BREAK:
      bp_cbor_fail(in, "found a break, expected an item");
      return NULL;
    case BP_CBOR_TAG:
      if (in->depth < BP_CBOR_DEPTH) break;
      bp_cbor_fail(in, "nested deeper than 64 levels");
      return NULL;
    default:
      break;
  }
  in->at += head.size;
  data = (const char*)in->at;
  switch (head.kind) {
    case BP_CBOR_UINT:
      return PyLong_FromUnsignedLongLong(head.value);
    case BP_CBOR_NINT:
      return bpp_get_negative(head.value);
    case BP_CBOR_BYTES:
    case BP_CBOR_TEXT:
      if (head.unknown != 0) return bpp_get_chunks(in, head.kind);
      in->at += head.value;
      return head.kind == BP_CBOR_BYTES ? PyBytes_FromStringAndSize(data, (Py_ssize_t)head.value)
                                        : PyUnicode_DecodeUTF8(data, (Py_ssize_t)head.value, NULL);
    case BP_CBOR_TAG:
      return bpp_get_tagged(in, head.value, is_key);
    case BP_CBOR_BOOL:
      return PyBool_FromLong((long)head.value);
    case BP_CBOR_NULL:
      Py_RETURN_NONE;
    case BP_CBOR_UNDEFINED:
      Py_INCREF(bpp_types.undefined);
      return bpp_types.undefined;
    case BP_CBOR_FLOAT:
      return PyFloat_FromDouble(bp_cbor_float_value(head.value, head.size - 1));
    default:
      return PyObject_CallFunction(bpp_types.simple, "K", (unsigned long long)head.value);
  }
}

/* Reads bytes that are exactly one item. Returns NULL with an exception after an error. */
static PyObject* bpp_decode(bp_bytes input) {
  bp_cbor_reader in;
  PyObject* value;
  bp_cbor_begin(&in, input);
  value = bpp_get(&in, 0);
  if (value != NULL && bp_cbor_end(&in)) return value;
  Py_XDECREF(value);
  if (!PyErr_Occurred())
    PyErr_Format(bpp_types.decode_error, "%s, at byte %zu", in.fault != NULL ? in.fault : "cannot be read",
                 in.fault_at);
  return NULL;
}

#endif /* BACKPLANE_PYTHON_CODEC_H */
