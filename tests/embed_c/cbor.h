/* SPDX-License-Identifier: Apache-2.0
 *
 * The little CBOR this application speaks: maps and texts of fewer than 24 entries or bytes, whose heads
 * are one byte.
 */
#ifndef EMBED_C_CBOR_H
#define EMBED_C_CBOR_H

#include <stdbool.h>
#include <string.h>

#include "backplane/backplane.h"

typedef struct item {
  uint8_t bytes[128];
  size_t size;
} item;

static inline void put_map(item* out, unsigned pairs) { out->bytes[out->size++] = (uint8_t)(0xa0 | pairs); }

static inline void put_text(item* out, const char* text) {
  size_t size = strlen(text);
  out->bytes[out->size++] = (uint8_t)(0x60 | size);
  memcpy(out->bytes + out->size, text, size);
  out->size += size;
}

/* {"user_id": user} */
static inline void put_user(item* out, const char* user) {
  put_map(out, 1);
  put_text(out, "user_id");
  put_text(out, user);
}

/* {"name": user}: all that our profiles say. */
static inline void put_profile(item* out, const char* user) {
  put_map(out, 1);
  put_text(out, "name");
  put_text(out, user);
}

static inline bp_bytes view_of(const item* it) {
  bp_bytes view = {it->bytes, it->size};
  return view;
}

static inline bool same(bp_bytes a, const item* b) {
  return a.size == b->size && memcmp(a.data, b->bytes, b->size) == 0;
}

/* The text at the end of the item {"user_id": text}. False if it is something else, or `size` bytes are too
 * few for it. */
static inline bool get_user(bp_bytes in, char* user, size_t size) {
  item head = {{0}, 0};
  put_map(&head, 1);
  put_text(&head, "user_id");
  if (in.size <= head.size || memcmp(in.data, head.bytes, head.size) != 0) return false;
  size_t length = in.data[head.size] & 0x1fu;
  if (in.data[head.size] >> 5 != 3 || length > 23 || length != in.size - head.size - 1 || length >= size) return false;
  memcpy(user, in.data + head.size + 1, length);
  user[length] = '\0';
  return true;
}

#endif /* EMBED_C_CBOR_H */
