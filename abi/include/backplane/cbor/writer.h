/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/cbor/writer.h: writes CBOR into a buffer of the host, or into memory of the caller. Use backplane/cbor.h.
 *
 * A writer that cannot go on keeps its first error, and ignores what follows. So a caller checks once, at the end. The
 * caller must put as many items after bp_cbor_put_array and pairs after bp_cbor_put_map as it has said.
 */
#ifndef BACKPLANE_CBOR_WRITER_H
#define BACKPLANE_CBOR_WRITER_H

#include "head.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Makes a buffer: bp_buffer_new, or bp_host_api.buffer_new in a module.
 * [thread: any] [state: any] [suspend: no] */
typedef bp_buffer* (*bp_cbor_make_fn)(size_t capacity);
/* Frees a buffer: bp_buffer_free, or bp_host_api.buffer_free in a module.
 * [thread: any] [state: any] [suspend: no] */
typedef void (*bp_cbor_drop_fn)(bp_buffer* buffer);

typedef struct bp_cbor_writer {
  uint8_t* data;
  size_t size;
  size_t capacity;
  bp_buffer* buffer; /* has `data`; NULL: memory of the caller, or nothing yet */
  bp_cbor_make_fn make;
  bp_cbor_drop_fn drop;
  bp_status status; /* BP_OK, or the first error */
  uint32_t reserved;
} bp_cbor_writer;

/* Begins to write into a buffer that grows. The writer owns it until bp_cbor_take; otherwise call bp_cbor_writer_free.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_writer_init(bp_cbor_writer* out, bp_cbor_make_fn make, bp_cbor_drop_fn drop) {
  memset(out, 0, sizeof *out);
  out->make = make;
  out->drop = drop;
}

/* Begins to write into `capacity` bytes of the caller. More is BP_OVERFLOW. There is nothing to free.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_writer_fixed(bp_cbor_writer* out, void* memory, size_t capacity) {
  memset(out, 0, sizeof *out);
  out->data = (uint8_t*)memory;
  out->capacity = capacity;
}

/* Frees what the writer owns. It may be used again after bp_cbor_writer_init.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_writer_free(bp_cbor_writer* out) {
  if (out->buffer != NULL) out->drop(out->buffer);
  memset(out, 0, sizeof *out);
}

/* Makes room for `size` further bytes. Returns where they go, or NULL after an error.
 * [thread: any] [state: any] [suspend: no] */
static inline uint8_t* bp_cbor_room(bp_cbor_writer* out, size_t size) {
  size_t wanted;
  bp_buffer* larger;
  if (out->status != BP_OK) return NULL;
  if (size <= out->capacity - out->size) return out->data + out->size;
  if (out->make == NULL) {
    out->status = BP_OVERFLOW;
    return NULL;
  }
  wanted = out->capacity < 128 ? 256 : out->capacity <= SIZE_MAX / 2 ? out->capacity * 2 : out->capacity;
  if (wanted - out->size < size) wanted = size <= SIZE_MAX - out->size ? out->size + size : SIZE_MAX;
  larger = out->make(wanted);
  if (larger == NULL) {
    out->status = BP_OUT_OF_MEMORY;
    return NULL;
  }
  if (out->size != 0) memcpy(larger->data, out->data, out->size);
  if (out->buffer != NULL) out->drop(out->buffer);
  out->buffer = larger;
  out->data = larger->data;
  out->capacity = larger->capacity;
  return out->data + out->size;
}

/* Writes a head.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_head(bp_cbor_writer* out, uint32_t kind, uint64_t value) {
  uint8_t head[BP_CBOR_HEAD_MAX];
  size_t size = bp_cbor_write_head(head, kind, value);
  uint8_t* at = bp_cbor_room(out, size);
  if (at == NULL) return;
  memcpy(at, head, size);
  out->size += size;
}

/* Writes a byte.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_byte(bp_cbor_writer* out, uint8_t byte) {
  uint8_t* at = bp_cbor_room(out, 1);
  if (at == NULL) return;
  *at = byte;
  out->size++;
}

/* Writes an unsigned number.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_uint(bp_cbor_writer* out, uint64_t value) { bp_cbor_put_head(out, BP_CBOR_UINT, value); }

/* Writes a number.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_int(bp_cbor_writer* out, int64_t value) {
  if (value >= 0) {
    bp_cbor_put_head(out, BP_CBOR_UINT, (uint64_t)value);
  } else {
    bp_cbor_put_head(out, BP_CBOR_NINT, (uint64_t)(-1 - value));
  }
}

/* Writes a float of 4 bytes if that holds the value exactly, otherwise of 8.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_double(bp_cbor_writer* out, double value) {
  uint8_t item[BP_CBOR_HEAD_MAX];
  size_t size = 9, i;
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  /* Beyond this, the conversion to float is undefined. Infinities and NaN have a form of their own. */
  if ((bits >> 52 & 2047) == 2047) {
    size = 5;
    bits = (bits << 12) != 0 ? 0x7fc00000u : (bits >> 63) != 0 ? 0xff800000u : 0x7f800000u;
  } else if (value >= -3.4028234663852886e38 && value <= 3.4028234663852886e38) {
    float narrow = (float)value;
    double again = (double)narrow;
    if (memcmp(&again, &value, sizeof value) == 0) {
      uint32_t narrow_bits;
      memcpy(&narrow_bits, &narrow, sizeof narrow_bits);
      bits = narrow_bits;
      size = 5;
    }
  }
  item[0] = size == 5 ? 0xfa : 0xfb;
  for (i = size - 1; i > 0; i--, bits >>= 8) item[i] = (uint8_t)(bits & 0xff);
  {
    uint8_t* at = bp_cbor_room(out, size);
    if (at == NULL) return;
    memcpy(at, item, size);
    out->size += size;
  }
}

/* Writes false if `value` is 0, otherwise true.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_bool(bp_cbor_writer* out, int value) { bp_cbor_put_byte(out, value != 0 ? 0xf5 : 0xf4); }

/* Writes null.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_null(bp_cbor_writer* out) { bp_cbor_put_byte(out, 0xf6); }

/* Writes a whole item, or several, as they are.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_item(bp_cbor_writer* out, bp_bytes item) {
  uint8_t* at;
  if (item.size == 0) return;
  at = bp_cbor_room(out, item.size);
  if (at == NULL) return;
  memcpy(at, item.data, item.size);
  out->size += item.size;
}

/* Writes bytes.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_bytes(bp_cbor_writer* out, bp_bytes value) {
  bp_cbor_put_head(out, BP_CBOR_BYTES, value.size);
  bp_cbor_put_item(out, value);
}

/* Writes a text. One that is not UTF-8 is the error BP_INVALID_ARGUMENT.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_text(bp_cbor_writer* out, bp_str value) {
  bp_bytes bytes;
  bytes.data = (const uint8_t*)value.data;
  bytes.size = value.size;
  if (out->status == BP_OK && !bp_cbor_is_utf8(bytes.data, bytes.size)) out->status = BP_INVALID_ARGUMENT;
  bp_cbor_put_head(out, BP_CBOR_TEXT, value.size);
  bp_cbor_put_item(out, bytes);
}

/* Writes a NUL-terminated text.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_string(bp_cbor_writer* out, const char* value) {
  bp_str text;
  text.data = value;
  text.size = strlen(value);
  bp_cbor_put_text(out, text);
}

/* Begins an array. Exactly `items` items must follow.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_array(bp_cbor_writer* out, uint64_t items) {
  bp_cbor_put_head(out, BP_CBOR_ARRAY, items);
}

/* Begins a map. Exactly `pairs` keys with their values must follow.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_map(bp_cbor_writer* out, uint64_t pairs) { bp_cbor_put_head(out, BP_CBOR_MAP, pairs); }

/* Writes a tag. The item that it belongs to must follow.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_tag(bp_cbor_writer* out, uint64_t tag) { bp_cbor_put_head(out, BP_CBOR_TAG, tag); }

/* Begins an array of unknown length. bp_cbor_put_break ends it.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_open_array(bp_cbor_writer* out) { bp_cbor_put_byte(out, 0x9f); }

/* Begins a map of unknown length. bp_cbor_put_break ends it.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_open_map(bp_cbor_writer* out) { bp_cbor_put_byte(out, 0xbf); }

/* Ends what bp_cbor_open_array or bp_cbor_open_map has begun.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_put_break(bp_cbor_writer* out) { bp_cbor_put_byte(out, 0xff); }

/* Returns what is written so far; empty after an error. Valid until the writer is used or freed.
 * [thread: any] [state: any] [suspend: no] */
static inline bp_bytes bp_cbor_view(const bp_cbor_writer* out) {
  bp_bytes view;
  view.data = out->data;
  view.size = out->status == BP_OK ? out->size : 0;
  return view;
}

/* Ends the writing and returns the buffer, which is the caller's. Returns NULL after an error, and with memory of the
 * caller; out->status tells why, and the buffer is freed.
 * [thread: any] [state: any] [suspend: no] */
static inline bp_buffer* bp_cbor_take(bp_cbor_writer* out) {
  bp_buffer* buffer = NULL;
  bp_status status;
  if (out->make != NULL) (void)bp_cbor_room(out, out->buffer == NULL ? 1 : 0);
  if (out->status == BP_OK && out->buffer != NULL) {
    buffer = out->buffer;
    buffer->size = out->size;
    out->buffer = NULL;
  }
  status = out->status;
  bp_cbor_writer_free(out);
  out->status = status;
  return buffer;
}

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_CBOR_WRITER_H */
