/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/typed/scalars.h: reads untrusted CBOR as texts, bytes, numbers and other single values.
 */
#ifndef BACKPLANE_TYPED_SCALARS_H
#define BACKPLANE_TYPED_SCALARS_H

#include "write.h"

typedef struct bp_typed_in {
  bp_cbor_reader cbor;
  const char* type; /* where the fault is: a type, and its member or NULL */
  const char* member;
  bool strict;
  bool no_memory;
  uint64_t tries;   /* of alternatives of choices, so far */
  uint64_t ignored; /* members */
} bp_typed_in;

static inline bool bp_typed_get(bp_typed_in* in, const bp_typed_type* type, void* out);

static inline bool bp_typed_out_of_memory(bp_typed_in* in) {
  in->no_memory = true;
  return bp_cbor_fail(&in->cbor, "out of memory");
}

/* The next head that is not a tag. Tags are skipped. */
static inline bool bp_typed_head(bp_typed_in* in, bp_cbor_head* head) {
  while (bp_cbor_peek_head(&in->cbor, head)) {
    if (head->kind != BP_CBOR_TAG) return true;
    in->cbor.at += head->size;
  }
  return false;
}

/* Makes room for one more item, which is zero. Returns the items, or NULL. */
static inline void* bp_typed_room(bp_typed_in* in, void* items, size_t count, size_t* capacity, size_t size) {
  size_t wanted;
  void* larger;
  if (count < *capacity) return items;
  wanted = *capacity == 0 ? 4 : *capacity * 2;
  larger = wanted > SIZE_MAX / 2 / size ? NULL : realloc(items, wanted * size);
  if (larger == NULL) {
    bp_typed_out_of_memory(in);
    return NULL;
  }
  memset((char*)larger + *capacity * size, 0, (wanted - *capacity) * size);
  *capacity = wanted;
  return larger;
}

/* Copies a text or bytes, which may come in chunks. */
static inline bool bp_typed_get_string(bp_typed_in* in, uint32_t kind, const char* expected, uint8_t** data,
                                       size_t* size) {
  bp_cbor_head head, chunk;
  uint8_t* memory;
  size_t total = 0;
  bp_cbor_reader ahead;
  if (!bp_typed_head(in, &head)) return false;
  if (head.kind != kind) return bp_cbor_fail(&in->cbor, expected);
  in->cbor.at += head.size;
  if (head.unknown == 0) {
    total = (size_t)head.value;
  } else {
    ahead = in->cbor;
    for (;;) {
      if (!bp_cbor_peek_head(&ahead, &chunk)) break;
      if (chunk.kind != kind || chunk.unknown != 0) break;
      ahead.at += chunk.size + (size_t)chunk.value;
      total += (size_t)chunk.value;
    }
    if (ahead.fault != NULL || chunk.kind != BP_CBOR_BREAK) {
      in->cbor.at = ahead.at;
      return bp_cbor_fail(&in->cbor, ahead.fault != NULL ? ahead.fault : "found a chunk of another type in a string");
    }
  }
  memory = (uint8_t*)malloc(total + 1);
  if (memory == NULL) return bp_typed_out_of_memory(in);
  memory[total] = 0;
  *data = memory;
  *size = total;
  if (head.unknown == 0) {
    if (total != 0) memcpy(memory, in->cbor.at, total);
    in->cbor.at += total;
    return true;
  }
  while (bp_cbor_peek_head(&in->cbor, &chunk) && chunk.kind == kind) {
    if (chunk.value != 0) memcpy(memory, in->cbor.at + chunk.size, (size_t)chunk.value);
    memory += chunk.value;
    in->cbor.at += chunk.size + (size_t)chunk.value;
  }
  in->cbor.at += 1; /* the break */
  return true;
}

static inline bool bp_typed_get_text(bp_typed_in* in, void* out) {
  uint8_t* data;
  bp_str* text = (bp_str*)out;
  if (!bp_typed_get_string(in, BP_CBOR_TEXT, "expected a text", &data, &text->size)) return false;
  text->data = (const char*)data;
  return true;
}

static inline bool bp_typed_get_bytes(bp_typed_in* in, void* out) {
  uint8_t* data;
  bp_bytes* bytes = (bp_bytes*)out;
  if (!bp_typed_get_string(in, BP_CBOR_BYTES, "expected bytes", &data, &bytes->size)) return false;
  bytes->data = data;
  return true;
}

static inline bool bp_typed_get_fixed(bp_typed_in* in, const bp_typed_type* type, void* out) {
  uint8_t* data;
  size_t size;
  if (!bp_typed_get_string(in, BP_CBOR_BYTES, "expected bytes", &data, &size)) return false;
  if (size == type->count && size != 0) memcpy(out, data, size);
  free(data);
  return size == type->count || bp_cbor_fail(&in->cbor, "expected another number of bytes");
}

static inline bool bp_typed_copy(bp_typed_in* in, bp_bytes from, bp_bytes* to) {
  uint8_t* memory = (uint8_t*)malloc(from.size + 1);
  if (memory == NULL) return bp_typed_out_of_memory(in);
  if (from.size != 0) memcpy(memory, from.data, from.size);
  memory[from.size] = 0;
  to->data = memory;
  to->size = from.size;
  return true;
}

static inline bool bp_typed_get_any(bp_typed_in* in, void* out) {
  bp_bytes item;
  return bp_cbor_get_item(&in->cbor, &item) && bp_typed_copy(in, item, (bp_bytes*)out);
}

static inline bool bp_typed_get_int(bp_typed_in* in, const bp_typed_type* type, void* out) {
  bp_cbor_head head;
  uint64_t most;
  if (!bp_typed_head(in, &head)) return false;
  if (head.kind != BP_CBOR_UINT && head.kind != BP_CBOR_NINT) return bp_cbor_fail(&in->cbor, "expected an integer");
  most = UINT64_MAX >> (64 - type->size * 8);
  if (type->is_signed) most >>= 1;
  if (head.value > most || (head.kind == BP_CBOR_NINT && !type->is_signed)) {
    return bp_cbor_fail(&in->cbor, "expected an integer in the range of the type");
  }
  in->cbor.at += head.size;
  if (type->is_signed) {
    const int64_t value = head.kind == BP_CBOR_UINT ? (int64_t)head.value : -1 - (int64_t)head.value;
    if (type->size == 1) *(int8_t*)out = (int8_t)value;
    if (type->size == 2) *(int16_t*)out = (int16_t)value;
    if (type->size == 4) *(int32_t*)out = (int32_t)value;
    if (type->size == 8) *(int64_t*)out = value;
  } else {
    if (type->size == 1) *(uint8_t*)out = (uint8_t)head.value;
    if (type->size == 2) *(uint16_t*)out = (uint16_t)head.value;
    if (type->size == 4) *(uint32_t*)out = (uint32_t)head.value;
    if (type->size == 8) *(uint64_t*)out = head.value;
  }
  return true;
}

/* A float may be written as an integer, which is rounded once. */
static inline bool bp_typed_get_float(bp_typed_in* in, const bp_typed_type* type, void* out) {
  const double rounded_up = 3.4028235677973366e38; /* from here on, a float would be infinite */
  const float most = 3.40282347e+38f;
  bp_cbor_head head;
  double value = 0;
  float narrow;
  if (!bp_typed_head(in, &head)) return false;
  if (head.kind != BP_CBOR_FLOAT && head.kind != BP_CBOR_UINT && head.kind != BP_CBOR_NINT) {
    return bp_cbor_fail(&in->cbor, "expected a number");
  }
  if (type->size == sizeof(double)) return bp_cbor_get_double(&in->cbor, (double*)out);
  if (head.kind == BP_CBOR_UINT) {
    narrow = (float)head.value;
  } else if (head.kind == BP_CBOR_NINT) {
    narrow = head.value == UINT64_MAX ? -18446744073709551616.0f : -(float)(head.value + 1);
  } else {
    const double magnitude = (value = bp_cbor_float_value(head.value, head.size - 1)) < 0 ? -value : value;
    if (magnitude >= rounded_up && magnitude <= 1.7976931348623157e308) {
      return bp_cbor_fail(&in->cbor, "expected a number in the range of the type");
    }
    narrow = magnitude > (double)most && magnitude < rounded_up ? (value < 0 ? -most : most) : (float)value;
  }
  in->cbor.at += head.size;
  *(float*)out = narrow;
  return true;
}

static inline bool bp_typed_get_bool(bp_typed_in* in, void* out) {
  bp_cbor_head head;
  if (!bp_typed_head(in, &head)) return false;
  if (head.kind != BP_CBOR_BOOL) return bp_cbor_fail(&in->cbor, "expected true or false");
  in->cbor.at += head.size;
  *(bool*)out = head.value != 0;
  return true;
}

/* null or undefined */
static inline bool bp_typed_null_ahead(bp_typed_in* in) {
  bp_cbor_head head;
  return bp_typed_head(in, &head) && (head.kind == BP_CBOR_NULL || head.kind == BP_CBOR_UNDEFINED);
}
static inline bool bp_typed_get_null(bp_typed_in* in) {
  if (!bp_typed_null_ahead(in)) return bp_cbor_fail(&in->cbor, "expected null");
  in->cbor.at += 1;
  return true;
}

static inline bool bp_typed_get_literal(bp_typed_in* in, const bp_typed_type* type) {
  bp_cbor_head found, wanted;
  bool same;
  if (!bp_typed_head(in, &found)) return false;
  bp_cbor_read_head(type->bytes, type->count, &wanted);
  same = found.kind == wanted.kind && found.value == wanted.value && found.unknown == 0;
  if (same && (found.kind == BP_CBOR_TEXT || found.kind == BP_CBOR_BYTES)) {
    same = memcmp(in->cbor.at + found.size, type->bytes + wanted.size, (size_t)found.value) == 0;
    if (same) in->cbor.at += found.value;
  } else if (same && found.kind == BP_CBOR_FLOAT) {
    same = found.size == wanted.size;
  }
  if (!same) return bp_cbor_fail(&in->cbor, "expected the value that never differs");
  in->cbor.at += found.size;
  return true;
}

#endif /* BACKPLANE_TYPED_SCALARS_H */
