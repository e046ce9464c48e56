/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of CBOR (RFC 8949) that this module needs: one text, one unsigned number. A head begins with a byte. Its
 * upper three bits are the kind. Its lower five bits are the value, or tell how many bytes of the value follow.
 */
#ifndef HELLO_C_SMALL_CBOR_H
#define HELLO_C_SMALL_CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { CBOR_UINT = 0, CBOR_TEXT = 3, CBOR_HEAD_MAX = 9 };

/* Reads the head at `in`, where `size` bytes are readable. Returns its length, or 0 if it is incomplete or has no
 * definite value. */
static inline size_t cbor_read_head(const uint8_t* in, size_t size, unsigned* kind, uint64_t* value) {
  if (size == 0) return 0;
  *kind = in[0] >> 5;
  unsigned low = in[0] & 31u;
  if (low < 24) {
    *value = low;
    return 1;
  }
  if (low > 27) return 0;
  size_t more = (size_t)1 << (low - 24);
  if (size < 1 + more) return 0;
  *value = 0;
  for (size_t i = 1; i <= more; i++) *value = *value << 8 | in[i];
  return 1 + more;
}

/* Writes a head in its shortest form. `out` must have room for CBOR_HEAD_MAX bytes. Returns its length. */
static inline size_t cbor_write_head(uint8_t* out, unsigned kind, uint64_t value) {
  if (value < 24) {
    out[0] = (uint8_t)(kind << 5 | (unsigned)value);
    return 1;
  }
  unsigned power = value <= UINT8_MAX ? 0 : value <= UINT16_MAX ? 1 : value <= UINT32_MAX ? 2 : 3;
  size_t more = (size_t)1 << power;
  out[0] = (uint8_t)(kind << 5 | (24 + power));
  for (size_t i = more; i > 0; i--, value >>= 8) out[i] = (uint8_t)value;
  return 1 + more;
}

/* Whether the bytes are well-formed UTF-8, as a CBOR text must be. */
static inline bool utf8_ok(const uint8_t* p, size_t size) {
  const uint8_t* end = p + size;
  while (p < end) {
    uint8_t c = *p++;
    if (c < 0x80) continue;
    int more = c >= 0xC2 && c <= 0xDF ? 1 : c >= 0xE0 && c <= 0xEF ? 2 : c >= 0xF0 && c <= 0xF4 ? 3 : 0;
    if (more == 0 || end - p < more) return false;
    /* The second byte excludes overlong forms, surrogates, and code points above U+10FFFF. */
    uint8_t low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    uint8_t high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (*p < low || *p > high) return false;
    for (int i = 1; i < more; i++)
      if (p[i] < 0x80 || p[i] > 0xBF) return false;
    p += more;
  }
  return true;
}

#endif /* HELLO_C_SMALL_CBOR_H */
