/* SPDX-License-Identifier: Apache-2.0
 *
 * The CBOR that this application sends and expects.
 */
#ifndef EMBED_C_ITEMS_H
#define EMBED_C_ITEMS_H

#include <stdbool.h>
#include <string.h>

#include "backplane/backplane.h"
#include "backplane/cbor.h"

/* An item in memory of its own. */
typedef struct item {
  uint8_t memory[128];
  bp_cbor_writer cbor;
} item;

static inline bp_cbor_writer* begin(item* it) {
  bp_cbor_writer_fixed(&it->cbor, it->memory, sizeof it->memory);
  return &it->cbor;
}

/* {"user_id": user} */
static inline void put_user(bp_cbor_writer* out, const char* user) {
  bp_cbor_put_map(out, 1);
  bp_cbor_put_string(out, "user_id");
  bp_cbor_put_string(out, user);
}

/* {"name": user}: all that our profiles say. */
static inline void put_profile(bp_cbor_writer* out, const char* user) {
  bp_cbor_put_map(out, 1);
  bp_cbor_put_string(out, "name");
  bp_cbor_put_string(out, user);
}

static inline bp_bytes view_of(const item* it) { return bp_cbor_view(&it->cbor); }

static inline bool same(bp_bytes a, const item* b) {
  bp_bytes view = view_of(b);
  return a.size == view.size && memcmp(a.data, view.data, view.size) == 0;
}

/* The member "user_id" of a map. False if there is none, it is no text, or `size` bytes are too few for it. */
static inline bool get_user(bp_bytes in, char* user, size_t size) {
  bp_cbor_reader value;
  bp_str text;
  if (!bp_cbor_find(in, BP_STR("user_id"), &value) || !bp_cbor_get_text(&value, &text)) return false;
  if (text.size >= size) return false;
  memcpy(user, text.data, text.size);
  user[text.size] = '\0';
  return true;
}

#endif /* EMBED_C_ITEMS_H */
