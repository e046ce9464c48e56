/* SPDX-License-Identifier: Apache-2.0
 *
 * For each input on stdin, says what backplane/cbor.h makes of it. An input is its size (4 bytes, the lowest first) and
 * its bytes. An answer is a byte that is 1 if bp_cbor_check accepts it, a byte that is 1 if the C++ reader does, and
 * two strings with their size: the input written again item by item, and the fault.
 */
#include <stdio.h>
#include <stdlib.h>

#include "backplane/cbor.h"

int other_reader_accepts(const uint8_t* data, size_t size);

static bp_buffer* make(size_t capacity) {
  bp_buffer* buffer = malloc(sizeof *buffer + capacity);
  if (buffer == NULL) return NULL;
  buffer->data = (uint8_t*)(buffer + 1);
  buffer->size = 0;
  buffer->capacity = capacity;
  return buffer;
}

static void drop(bp_buffer* buffer) { free(buffer); }

static int copy(bp_cbor_reader* in, bp_cbor_writer* out);

static int copy_level(bp_cbor_reader* in, bp_cbor_writer* out, const bp_cbor_head* head) {
  bp_cbor_level level;
  int is_map = head->kind == BP_CBOR_MAP;
  if (!(is_map ? bp_cbor_enter_map(in, &level) : bp_cbor_enter_array(in, &level))) return 0;
  if (head->unknown != 0) {
    if (is_map) {
      bp_cbor_open_map(out);
    } else {
      bp_cbor_open_array(out);
    }
  } else if (is_map) {
    bp_cbor_put_map(out, head->value);
  } else {
    bp_cbor_put_array(out, head->value);
  }
  while (bp_cbor_more(in, &level)) {
    if (!copy(in, out) || (is_map && !copy(in, out))) return 0;
  }
  if (in->fault != NULL) return 0;
  if (head->unknown != 0) bp_cbor_put_break(out);
  return 1;
}

static int copy_string(bp_cbor_reader* in, bp_cbor_writer* out, const bp_cbor_head* head) {
  bp_bytes bytes;
  bp_str text;
  if (head->unknown != 0) { /* no view of it as a whole */
    if (!bp_cbor_get_item(in, &bytes)) return 0;
    bp_cbor_put_item(out, bytes);
  } else if (head->kind == BP_CBOR_TEXT) {
    if (!bp_cbor_get_text(in, &text)) return 0;
    bp_cbor_put_text(out, text);
  } else {
    if (!bp_cbor_get_bytes(in, &bytes)) return 0;
    bp_cbor_put_bytes(out, bytes);
  }
  return 1;
}

static int copy_number(bp_cbor_reader* in, bp_cbor_writer* out, const bp_cbor_head* head) {
  int64_t number;
  uint64_t large;
  if (head->kind == BP_CBOR_UINT) {
    if (!bp_cbor_get_uint(in, &large)) return 0;
    bp_cbor_put_uint(out, large);
  } else if (head->value <= INT64_MAX) {
    if (!bp_cbor_get_int(in, &number)) return 0;
    bp_cbor_put_int(out, number);
  } else {
    if (!bp_cbor_skip(in)) return 0;
    bp_cbor_put_head(out, BP_CBOR_NINT, head->value);
  }
  return 1;
}

static int copy(bp_cbor_reader* in, bp_cbor_writer* out) {
  bp_cbor_head head;
  bp_bytes raw;
  uint64_t tag;
  double real;
  int truth;
  if (!bp_cbor_peek_head(in, &head)) return 0;
  switch (head.kind) {
    case BP_CBOR_UINT:
    case BP_CBOR_NINT:
      return copy_number(in, out, &head);
    case BP_CBOR_BYTES:
    case BP_CBOR_TEXT:
      return copy_string(in, out, &head);
    case BP_CBOR_ARRAY:
    case BP_CBOR_MAP:
      return copy_level(in, out, &head);
    case BP_CBOR_TAG:
      if (!bp_cbor_get_tag(in, &tag)) return 0;
      bp_cbor_put_tag(out, tag);
      return copy(in, out);
    case BP_CBOR_BOOL:
      if (!bp_cbor_get_bool(in, &truth)) return 0;
      bp_cbor_put_bool(out, truth);
      return 1;
    case BP_CBOR_NULL:
      if (!bp_cbor_get_null(in)) return 0;
      bp_cbor_put_null(out);
      return 1;
    case BP_CBOR_FLOAT:
      if (!bp_cbor_get_double(in, &real)) return 0;
      bp_cbor_put_double(out, real);
      return 1;
    default:
      if (!bp_cbor_get_item(in, &raw)) return 0;
      bp_cbor_put_item(out, raw);
      return 1;
  }
}

static void put_sized(const void* data, size_t size) {
  uint8_t head[4] = {(uint8_t)(size & 0xff), (uint8_t)(size >> 8 & 0xff), (uint8_t)(size >> 16 & 0xff),
                     (uint8_t)(size >> 24 & 0xff)};
  fwrite(head, 1, sizeof head, stdout);
  if (size != 0) fwrite(data, 1, size, stdout);
}

static void answer(const uint8_t* data, size_t size) {
  bp_bytes input = {data, size};
  const char* fault = "";
  bp_cbor_reader in;
  bp_cbor_writer out;
  bp_buffer* again;
  int good = bp_cbor_check(input, &fault);
  putchar(good);
  putchar(other_reader_accepts(data, size));
  bp_cbor_begin(&in, input);
  bp_cbor_writer_init(&out, make, drop);
  if (good && copy(&in, &out) && bp_cbor_end(&in) && (again = bp_cbor_take(&out)) != NULL) {
    put_sized(again->data, again->size);
    drop(again);
  } else {
    if (good) fault = in.fault != NULL ? in.fault : "cannot be written again";
    bp_cbor_writer_free(&out);
    put_sized(NULL, 0);
  }
  put_sized(fault, strlen(fault));
}

int main(void) {
  uint8_t head[4];
  while (fread(head, 1, sizeof head, stdin) == sizeof head) {
    size_t size = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    uint8_t* data = malloc(size + 1); /* exactly as large as the input, for the sanitizers; at least a byte */
    if (data == NULL || fread(data, 1, size, stdin) != size) return 2;
    uint8_t* exact = realloc(data, size != 0 ? size : 1);
    answer(exact, size);
    free(exact);
  }
  return 0;
}
