/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/cbor/reader.h: reads CBOR item by item. Use backplane/cbor.h.
 *
 * A function that reads an item returns 1. If the item is something else or not well-formed, the function returns 0 and
 * sets `fault`. From then on all functions of this reader return 0. So a caller may check once, at the end:
 *
 *   bp_cbor_level map;
 *   bp_str key;
 *   uint64_t delay_ms = 0;
 *   bp_cbor_begin(&in, payload);
 *   bp_cbor_enter_map(&in, &map);
 *   while (bp_cbor_more(&in, &map)) {
 *     bp_cbor_get_text(&in, &key);
 *     if (bp_cbor_is(key, "delay_ms")) bp_cbor_get_uint(&in, &delay_ms);
 *     else bp_cbor_skip(&in);
 *   }
 *   if (!bp_cbor_end(&in)) …                 in.fault says what is wrong, in.fault_at where
 *
 * An out parameter is only written if the function returns 1. Not before the last item is read is it known that the
 * whole input is well-formed; bp_cbor_check tells at once.
 */
#ifndef BACKPLANE_CBOR_READER_H
#define BACKPLANE_CBOR_READER_H

#include "head.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_cbor_reader {
  const uint8_t* begin;
  const uint8_t* at;
  const uint8_t* end;
  const char* fault; /* NULL: none. Otherwise what is wrong, a static text */
  size_t fault_at;   /* where, in bytes from the begin of the input */
  uint32_t depth;    /* levels that are open around `at` */
  uint32_t reserved;
} bp_cbor_reader;

/* An array or map that a reader is inside. */
typedef struct bp_cbor_level {
  uint64_t left; /* items, or pairs */
  uint32_t kind; /* BP_CBOR_ARRAY, BP_CBOR_MAP, or BP_CBOR_NONE after its end */
  uint32_t unknown;
} bp_cbor_level;

/* Begins to read `input`, which must stay while the reader and its views are used.
 * [thread: any] [state: any] [suspend: no] */
static inline void bp_cbor_begin(bp_cbor_reader* in, bp_bytes input) {
  static const uint8_t nothing[1] = {0};
  in->begin = in->at = input.size == 0 ? nothing : input.data;
  in->end = in->begin + input.size;
  in->fault = NULL;
  in->fault_at = 0;
  in->depth = 0;
  in->reserved = 0;
}

/* Sets the fault, unless there is one, and returns 0. `what` must be static.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_fail(bp_cbor_reader* in, const char* what) {
  if (in->fault == NULL) {
    in->fault = what;
    in->fault_at = (size_t)(in->at - in->begin);
  }
  return 0;
}

/* Reads the next head, without moving.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_peek_head(bp_cbor_reader* in, bp_cbor_head* head) {
  size_t left = (size_t)(in->end - in->at);
  if (in->fault != NULL) return 0;
  if (!bp_cbor_read_head(in->at, left, head)) {
    return bp_cbor_fail(in, head->size == 0 ? "the CBOR ends too early" : "no CBOR item begins with this byte");
  }
  left -= head->size;
  if (head->unknown != 0) return 1;
  if ((head->kind == BP_CBOR_BYTES || head->kind == BP_CBOR_TEXT) && head->value > left) {
    return bp_cbor_fail(in, "the CBOR ends too early");
  }
  /* Each item takes at least a byte. So a caller may reserve memory for as many as the head says. */
  if ((head->kind == BP_CBOR_ARRAY && head->value > left) || (head->kind == BP_CBOR_MAP && head->value > left / 2)) {
    return bp_cbor_fail(in, "found more elements than bytes that follow");
  }
  if (head->kind == BP_CBOR_TEXT && !bp_cbor_is_utf8(in->at + head->size, (size_t)head->value)) {
    return bp_cbor_fail(in, "found text that is not UTF-8");
  }
  return 1;
}

/* Returns the kind of the next item, and does not move: BP_CBOR_…. BP_CBOR_NONE: the input has ended, which is no
 * fault, or is wrong. [thread: any] [state: any] [suspend: no] */
static inline uint32_t bp_cbor_peek(bp_cbor_reader* in) {
  bp_cbor_head head;
  if (in->at == in->end || !bp_cbor_peek_head(in, &head)) return BP_CBOR_NONE;
  return head.kind;
}

/* Reads a head of this kind, or sets the fault `expected`.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_get_head(bp_cbor_reader* in, uint32_t kind, const char* expected, bp_cbor_head* head) {
  if (!bp_cbor_peek_head(in, head)) return 0;
  if (head->kind != kind) return bp_cbor_fail(in, expected);
  in->at += head->size;
  return 1;
}

/* Reads an unsigned number.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_get_uint(bp_cbor_reader* in, uint64_t* out) {
  bp_cbor_head head;
  if (!bp_cbor_get_head(in, BP_CBOR_UINT, "expected an unsigned number", &head)) return 0;
  *out = head.value;
  return 1;
}

/* Reads a number that fits an int64_t.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_get_int(bp_cbor_reader* in, int64_t* out) {
  bp_cbor_head head;
  if (!bp_cbor_peek_head(in, &head)) return 0;
  if (head.kind != BP_CBOR_UINT && head.kind != BP_CBOR_NINT) return bp_cbor_fail(in, "expected a number");
  if (head.value > (uint64_t)INT64_MAX) return bp_cbor_fail(in, "expected a number that fits 64 bits with a sign");
  in->at += head.size;
  *out = head.kind == BP_CBOR_UINT ? (int64_t)head.value : -1 - (int64_t)head.value;
  return 1;
}

/* Reads a float of any width, or a whole number, which is rounded if a double cannot hold it.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_get_double(bp_cbor_reader* in, double* out) {
  bp_cbor_head head;
  if (!bp_cbor_peek_head(in, &head)) return 0;
  if (head.kind == BP_CBOR_FLOAT) {
    *out = bp_cbor_float_value(head.value, head.size - 1);
  } else if (head.kind == BP_CBOR_UINT) {
    *out = (double)head.value;
  } else if (head.kind == BP_CBOR_NINT) {
    *out = -1.0 - (double)head.value;
  } else {
    return bp_cbor_fail(in, "expected a number");
  }
  in->at += head.size;
  return 1;
}

/* Reads false or true: 0 or 1.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_get_bool(bp_cbor_reader* in, int* out) {
  bp_cbor_head head;
  if (!bp_cbor_get_head(in, BP_CBOR_BOOL, "expected true or false", &head)) return 0;
  *out = (int)head.value;
  return 1;
}

/* Reads null.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_get_null(bp_cbor_reader* in) {
  bp_cbor_head head;
  return bp_cbor_get_head(in, BP_CBOR_NULL, "expected null", &head);
}

/* Reads a tag. The item that it belongs to follows.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_get_tag(bp_cbor_reader* in, uint64_t* out) {
  bp_cbor_head head;
  if (!bp_cbor_get_head(in, BP_CBOR_TAG, "expected a tag", &head)) return 0;
  *out = head.value;
  return 1;
}

/* Reads bytes. One of unknown length comes in chunks, which have no common view: it is refused.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_get_bytes(bp_cbor_reader* in, bp_bytes* out) {
  bp_cbor_head head;
  if (!bp_cbor_peek_head(in, &head)) return 0;
  if (head.kind != BP_CBOR_BYTES) return bp_cbor_fail(in, "expected bytes");
  if (head.unknown != 0) return bp_cbor_fail(in, "expected bytes of a known length");
  out->data = in->at + head.size;
  out->size = (size_t)head.value;
  in->at = out->data + out->size;
  return 1;
}

/* Reads a text. One of unknown length is refused, as by bp_cbor_get_bytes.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_get_text(bp_cbor_reader* in, bp_str* out) {
  bp_cbor_head head;
  if (!bp_cbor_peek_head(in, &head)) return 0;
  if (head.kind != BP_CBOR_TEXT) return bp_cbor_fail(in, "expected a text");
  if (head.unknown != 0) return bp_cbor_fail(in, "expected a text of a known length");
  out->data = (const char*)(in->at + head.size);
  out->size = (size_t)head.value;
  in->at += head.size + out->size;
  return 1;
}

/* Returns 1 if a text equals this NUL-terminated one, otherwise 0.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_is(bp_str text, const char* literal) {
  size_t size = strlen(literal);
  return text.size == size && (size == 0 || memcmp(text.data, literal, size) == 0);
}

/* Enters an array or map of the kind that `level` has.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_enter(bp_cbor_reader* in, bp_cbor_level* level, uint32_t kind, const char* expected) {
  bp_cbor_head head;
  level->left = 0;
  level->kind = BP_CBOR_NONE;
  level->unknown = 0;
  if (!bp_cbor_peek_head(in, &head)) return 0;
  if (head.kind != kind) return bp_cbor_fail(in, expected);
  if (in->depth >= BP_CBOR_DEPTH && (head.unknown != 0 || head.value != 0)) {
    return bp_cbor_fail(in, "nested deeper than 64 levels");
  }
  in->at += head.size;
  in->depth++;
  level->left = head.value;
  level->kind = kind;
  level->unknown = head.unknown;
  return 1;
}

/* Enters an array. Its items follow: read each of them after bp_cbor_more.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_enter_array(bp_cbor_reader* in, bp_cbor_level* out) {
  return bp_cbor_enter(in, out, BP_CBOR_ARRAY, "expected an array");
}

/* Enters a map. Its pairs follow: read a key and a value after each bp_cbor_more.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_enter_map(bp_cbor_reader* in, bp_cbor_level* out) {
  return bp_cbor_enter(in, out, BP_CBOR_MAP, "expected a map");
}

/* Returns 1 if a further item of the array, or pair of the map, follows. Otherwise 0: the reader is behind the array or
 * map, or has a fault.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_more(bp_cbor_reader* in, bp_cbor_level* level) {
  int more;
  if (in->fault != NULL || level->kind == BP_CBOR_NONE) return 0;
  if (level->unknown != 0) {
    bp_cbor_head head;
    if (!bp_cbor_peek_head(in, &head)) return 0;
    more = head.kind != BP_CBOR_BREAK;
    if (!more) in->at += head.size;
  } else {
    more = level->left > 0;
    if (more) level->left--;
  }
  if (!more) {
    level->kind = BP_CBOR_NONE;
    in->depth--;
  }
  return more;
}

/* Skips the chunks of a string of unknown length.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_skip_chunks(bp_cbor_reader* in, uint32_t kind) {
  bp_cbor_head head;
  while (bp_cbor_peek_head(in, &head)) {
    if (head.kind != BP_CBOR_BREAK && (head.kind != kind || head.unknown != 0)) {
      return bp_cbor_fail(in, "found a chunk of another type in a string");
    }
    in->at += head.size + (head.kind == BP_CBOR_BREAK ? 0 : (size_t)head.value);
    if (head.kind == BP_CBOR_BREAK) return 1;
  }
  return 0;
}

/* Skips one whole item, and checks that it is well-formed.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_skip(bp_cbor_reader* in) {
  /* Not recursive: what is open lies here. `in->depth` has the levels that the caller has opened. */
  bp_cbor_level open[BP_CBOR_DEPTH];
  uint32_t inside = 0, half[BP_CBOR_DEPTH];
  for (;;) {
    bp_cbor_head head;
    int has_items; /* other items belong to it */
    if (!bp_cbor_peek_head(in, &head)) return 0;
    has_items = head.unknown != 0 || head.kind == BP_CBOR_TAG ||
                ((head.kind == BP_CBOR_ARRAY || head.kind == BP_CBOR_MAP) && head.value != 0);
    if (has_items && in->depth + inside >= BP_CBOR_DEPTH) return bp_cbor_fail(in, "nested deeper than 64 levels");
    if (head.kind == BP_CBOR_BREAK) {
      if (inside == 0 || open[inside - 1].unknown == 0 || half[inside - 1] != 0) {
        return bp_cbor_fail(in, "found a break, expected an item");
      }
      in->at += head.size;
      inside--;
    } else if (has_items && head.kind != BP_CBOR_BYTES && head.kind != BP_CBOR_TEXT) {
      in->at += head.size;
      open[inside].kind = head.kind;
      open[inside].unknown = head.unknown;
      open[inside].left = head.kind == BP_CBOR_TAG ? 1 : head.kind == BP_CBOR_MAP ? head.value * 2 : head.value;
      half[inside++] = 0;
      continue;
    } else if (head.kind == BP_CBOR_BYTES || head.kind == BP_CBOR_TEXT) {
      in->at += head.size + (head.unknown != 0 ? 0 : (size_t)head.value);
      if (head.unknown != 0 && !bp_cbor_skip_chunks(in, head.kind)) return 0;
    } else {
      in->at += head.size;
    }
    /* An item has ended, and so may have those around it. */
    for (;;) {
      if (inside == 0) return 1;
      if (open[inside - 1].unknown != 0) {
        if (open[inside - 1].kind == BP_CBOR_MAP) half[inside - 1] ^= 1u;
        break;
      }
      if (--open[inside - 1].left > 0) break;
      inside--;
    }
  }
}

/* Skips one whole item and returns its bytes.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_get_item(bp_cbor_reader* in, bp_bytes* out) {
  const uint8_t* begin = in->at;
  if (!bp_cbor_skip(in)) return 0;
  out->data = begin;
  out->size = (size_t)(in->at - begin);
  return 1;
}

/* Returns 1 if everything was read without a fault. Bytes that are left are a fault.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_end(bp_cbor_reader* in) {
  if (in->fault != NULL) return 0;
  return in->at == in->end ? 1 : bp_cbor_fail(in, "found more bytes after the end of the item");
}

/* Returns 1 if `input` is exactly one well-formed item, otherwise 0. `fault`, if not NULL, then gets what is wrong.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_check(bp_bytes input, const char** fault) {
  bp_cbor_reader in;
  bp_cbor_begin(&in, input);
  if (bp_cbor_skip(&in) && bp_cbor_end(&in)) return 1;
  if (fault != NULL) *fault = in.fault;
  return 0;
}

/* Looks in `map`, which must be exactly one well-formed map, for a text key. Returns 1, and `value` reads its value. Of
 * equal keys the last one counts. Otherwise 0, and `value` has the fault: that the map is wrong, or lacks the key.
 * [thread: any] [state: any] [suspend: no] */
static inline int bp_cbor_find(bp_bytes map, bp_str key, bp_cbor_reader* value) {
  bp_cbor_level pairs;
  bp_cbor_reader in;
  bp_bytes found = {NULL, 0};
  bp_cbor_begin(&in, map);
  bp_cbor_enter_map(&in, &pairs);
  while (bp_cbor_more(&in, &pairs)) {
    bp_bytes item;
    bp_cbor_reader name = in;
    bp_str text = {NULL, 0};
    int is_key = bp_cbor_get_text(&name, &text) && text.size == key.size &&
                 (key.size == 0 || memcmp(text.data, key.data, key.size) == 0);
    if (!bp_cbor_skip(&in) || !bp_cbor_get_item(&in, &item)) break;
    if (is_key) found = item;
  }
  if (bp_cbor_end(&in) && found.data == NULL) bp_cbor_fail(&in, "a member of the map is missing");
  if (in.fault != NULL) {
    *value = in;
    return 0;
  }
  bp_cbor_begin(value, found);
  value->depth = 1;
  return 1;
}

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_CBOR_READER_H */
