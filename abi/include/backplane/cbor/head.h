/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/cbor/head.h: the heads of CBOR items, and UTF-8. Use backplane/cbor.h.
 *
 * A head begins with a byte. Its upper three bits are the kind. Its lower five bits are the value, or tell how many
 * bytes of the value follow.
 */
#ifndef BACKPLANE_CBOR_HEAD_H
#define BACKPLANE_CBOR_HEAD_H

#include <string.h>

#include "../base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The kinds of items. */
enum {
  BP_CBOR_UINT = 0,
  BP_CBOR_NINT = 1, /* -1 - value */
  BP_CBOR_BYTES = 2,
  BP_CBOR_TEXT = 3,
  BP_CBOR_ARRAY = 4,
  BP_CBOR_MAP = 5,
  BP_CBOR_TAG = 6, /* an item follows, which belongs to it */
  BP_CBOR_BOOL = 7,
  BP_CBOR_NULL = 8,
  BP_CBOR_UNDEFINED = 9,
  BP_CBOR_FLOAT = 10,
  BP_CBOR_SIMPLE = 11, /* a simple value without a meaning of its own */
  BP_CBOR_BREAK = 12,  /* ends an array, map or string of unknown length */
  BP_CBOR_NONE = 13    /* the input has ended, or is wrong */
};

enum {
  BP_CBOR_HEAD_MAX = 9, /* bytes of the longest head */
  BP_CBOR_DEPTH = 64    /* most arrays, maps and tags around an item */
};

/* A head that was read. */
typedef struct bp_cbor_head {
  uint32_t kind;    /* BP_CBOR_… */
  uint32_t unknown; /* 1: an array, map or string of unknown length; items follow until BP_CBOR_BREAK */
  uint64_t value;   /* the number, length, count, tag, simple value or 0 and 1; of a float its bits as in the input */
  size_t size;      /* bytes of the head; of a float with its value */
} bp_cbor_head;

/* Reads the head at `data`, where `size` bytes are readable. Returns 1. Returns 0 if it is cut off or no item begins
 * like this; out->size is then 0 if it is cut off.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_read_head(const uint8_t* data, size_t size, bp_cbor_head* out) {
  unsigned first, low;
  size_t more, i;
  out->kind = BP_CBOR_NONE;
  out->unknown = 0;
  out->value = 0;
  out->size = 0;
  if (size == 0) return 0;
  first = data[0];
  low = first & 31u;
  more = low < 24 || low > 27 ? 0 : (size_t)1 << (low - 24);
  if (size - 1 < more) return 0;
  out->size = 1 + more;
  if (low < 24) out->value = low;
  for (i = 1; i <= more; i++) out->value = out->value << 8 | data[i];
  if (first < 0xe0) {
    if (low > 27 && (low != 31 || first < 0x40 || first >= 0xc0)) return 0;
    out->kind = first >> 5;
    out->unknown = low == 31;
    return 1;
  }
  if (low >= 28 && low < 31) return 0;
  if (low == 24 && out->value < 32) return 0; /* RFC 8949, 3.3 */
  out->kind = low == 31   ? BP_CBOR_BREAK
              : low > 24  ? BP_CBOR_FLOAT
              : low == 20 ? BP_CBOR_BOOL
              : low == 21 ? BP_CBOR_BOOL
              : low == 22 ? BP_CBOR_NULL
              : low == 23 ? BP_CBOR_UNDEFINED
                          : BP_CBOR_SIMPLE;
  if (out->kind == BP_CBOR_BOOL) out->value = low == 21;
  return 1;
}

/* Writes a head in its shortest form and returns its size. `kind` is BP_CBOR_UINT to BP_CBOR_TAG. `out` must have room
 * for BP_CBOR_HEAD_MAX bytes.
 * [thread: any] [state: any] [suspend: no] */
static inline size_t bp_cbor_write_head(uint8_t* out, uint32_t kind, uint64_t value) {
  unsigned power;
  size_t more, i;
  if (value < 24) {
    out[0] = (uint8_t)(kind << 5 | (uint32_t)value);
    return 1;
  }
  power = value <= UINT8_MAX ? 0u : value <= UINT16_MAX ? 1u : value <= UINT32_MAX ? 2u : 3u;
  more = (size_t)1 << power;
  out[0] = (uint8_t)(kind << 5 | (24 + power));
  for (i = more; i > 0; i--, value >>= 8) out[i] = (uint8_t)(value & 0xff);
  return 1 + more;
}

/* Returns the value of a float's bits, `size` bytes of them: 2, 4 or 8.
 * [thread: any] [state: any] [suspend: no] */
static inline double bp_cbor_float_value(uint64_t bits, size_t size) {
  double value;
  if (size == 2) {
    uint64_t sign = (bits & 0x8000) << 48, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
    if (exponent == 0) {
      value = (double)fraction * (1.0 / 16777216.0);
      return sign != 0 ? -value : value;
    }
    exponent = exponent == 31 ? 2047 : exponent + 1008;
    bits = sign | exponent << 52 | fraction << 42;
  } else if (size == 4) {
    uint32_t narrow_bits = (uint32_t)bits;
    float narrow;
    memcpy(&narrow, &narrow_bits, sizeof narrow);
    return (double)narrow;
  }
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Returns 1 if the bytes are UTF-8, as a CBOR text must be, otherwise 0.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_is_utf8(const uint8_t* data, size_t size) {
  size_t at = 0;
  while (at < size) {
    uint8_t c = data[at++], low, high;
    size_t more, i;
    if (c < 0x80) continue;
    more = c >= 0xC2 && c <= 0xDF ? 1u : c >= 0xE0 && c <= 0xEF ? 2u : c >= 0xF0 && c <= 0xF4 ? 3u : 0u;
    if (more == 0 || size - at < more) return 0;
    /* The second byte excludes overlong forms, surrogates, and code points above U+10FFFF. */
    low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (data[at] < low || data[at] > high) return 0;
    for (i = 1; i < more; i++) {
      if (data[at + i] < 0x80 || data[at + i] > 0xBF) return 0;
    }
    at += more;
  }
  return 1;
}

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_CBOR_HEAD_H */
