/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/typed/read.h: reads untrusted CBOR as typed values. Only generated .c files include it.
 *
 * Every length is checked, and memory grows with what was read, not with what a head promises. Nesting ends at 64
 * levels. Unknown members are ignored, or with `strict` refused.
 */
#ifndef BACKPLANE_TYPED_READ_H
#define BACKPLANE_TYPED_READ_H

#include "scalars.h"

/* The field of this name, or `count`. */
static inline size_t bp_typed_find(const bp_typed_type* type, const uint8_t* data, size_t size, size_t guess) {
  size_t i, k;
  for (k = 0; k < type->count; k++) {
    const bp_typed_field* field;
    i = guess + k < type->count ? guess + k : guess + k - type->count;
    field = &type->fields[i];
    if (field->name_size == size && (size == 0 || memcmp(field->name, data, size) == 0)) return i;
  }
  return type->count;
}

/* Reads a name. Returns false at a fault. `*found`: its field, or `count`. */
static inline bool bp_typed_get_name(bp_typed_in* in, const bp_typed_type* type, size_t guess, size_t* found) {
  bp_cbor_head head;
  uint8_t* data;
  size_t size;
  if (!bp_typed_head(in, &head)) return false;
  if (head.kind == BP_CBOR_TEXT && head.unknown == 0) {
    *found = bp_typed_find(type, in->cbor.at + head.size, (size_t)head.value, guess);
    in->cbor.at += head.size + (size_t)head.value;
    return true;
  }
  if (!bp_typed_get_string(in, BP_CBOR_TEXT, "expected a text", &data, &size)) return false;
  *found = bp_typed_find(type, data, size, guess);
  free(data);
  return true;
}

static inline bool bp_typed_get_enum(bp_typed_in* in, const bp_typed_type* type, void* out) {
  bp_typed_in at = *in;
  size_t found = 0;
  int kind;
  if (!bp_typed_get_name(in, type, 0, &found)) return false;
  if (found == type->count) {
    in->cbor.at = at.cbor.at;
    return bp_cbor_fail(&in->cbor, "expected one of the values of the enum");
  }
  kind = (int)found;
  memcpy(out, &kind, sizeof kind);
  return true;
}

static inline bool bp_typed_enter(bp_typed_in* in, bp_cbor_level* level, uint32_t kind, const char* expected) {
  bp_cbor_head head;
  return bp_typed_head(in, &head) && bp_cbor_enter(&in->cbor, level, kind, expected);
}

static inline bool bp_typed_unknown(bp_typed_in* in) {
  if (in->strict) return bp_cbor_fail(&in->cbor, "found a member that the type does not have");
  in->ignored++;
  return bp_cbor_skip(&in->cbor);
}

static inline bool bp_typed_get_member(bp_typed_in* in, const bp_typed_field* field, void* out) {
  const bool maybe = (field->flags & BP_TYPED_NULLABLE) != 0;
  if (maybe && bp_typed_null_ahead(in)) return bp_typed_get_null(in);
  if (!bp_typed_get(in, field->type, (char*)out + field->offset)) return false;
  if (field->has != SIZE_MAX) *(bool*)((char*)out + field->has) = true;
  return true;
}

/* Remembers the innermost place of a fault. */
static inline bool bp_typed_fault_in(bp_typed_in* in, const char* type, const char* member) {
  if (in->type == NULL) {
    in->type = type;
    in->member = member;
  }
  return false;
}

static inline bool bp_typed_get_struct(bp_typed_in* in, const bp_typed_type* type, void* out) {
  enum { words = 8 };
  uint64_t few[words] = {0};
  uint64_t* seen = few;
  bp_cbor_level map;
  size_t i, found, next = 0;
  if (!bp_typed_enter(in, &map, BP_CBOR_MAP, "expected a map")) return bp_typed_fault_in(in, type->name, NULL);
  if (type->count > words * 64) {
    seen = (uint64_t*)calloc(type->count / 64 + 1, sizeof *seen);
    if (seen == NULL) return bp_typed_out_of_memory(in);
  }
  while (in->cbor.fault == NULL && bp_cbor_more(&in->cbor, &map)) {
    if (!bp_typed_get_name(in, type, next, &found)) break;
    if (found == type->count) {
      bp_typed_unknown(in);
      continue;
    }
    next = found + 1 < type->count ? found + 1 : 0;
    if ((seen[found / 64] >> (found % 64) & 1) != 0) {
      bp_cbor_fail(&in->cbor, "found a member twice");
    } else {
      seen[found / 64] |= UINT64_C(1) << (found % 64);
      if (bp_typed_get_member(in, &type->fields[found], out)) continue;
    }
    bp_typed_fault_in(in, type->name, type->fields[found].name);
  }
  for (i = 0; i < type->count && in->cbor.fault == NULL; i++) {
    if ((seen[i / 64] >> (i % 64) & 1) == 0 && (type->fields[i].flags & BP_TYPED_MAY_BE_ABSENT) == 0) {
      bp_cbor_fail(&in->cbor, "a member is missing");
      bp_typed_fault_in(in, type->name, type->fields[i].name);
    }
  }
  if (seen != few) free(seen);
  return in->cbor.fault == NULL || bp_typed_fault_in(in, type->name, NULL);
}

static inline bool bp_typed_get_list(bp_typed_in* in, const bp_typed_type* type, void* out) {
  bp_cbor_level level;
  bp_typed_items items = {NULL, 0};
  size_t capacity = 0;
  if (!bp_typed_enter(in, &level, BP_CBOR_ARRAY, "expected an array")) return false;
  while (in->cbor.fault == NULL && bp_cbor_more(&in->cbor, &level)) {
    void* larger = bp_typed_room(in, items.items, items.count, &capacity, type->of->size);
    if (larger == NULL) break;
    items.items = larger;
    memcpy(out, &items, sizeof items);
    if (items.count == type->most) {
      bp_cbor_fail(&in->cbor, "found more elements than the type has");
      break;
    }
    items.count++;
    memcpy(out, &items, sizeof items);
    if (!bp_typed_get(in, type->of, (char*)items.items + (items.count - 1) * type->of->size)) break;
  }
  if (in->cbor.fault != NULL) return false;
  return items.count >= type->least || bp_cbor_fail(&in->cbor, "found fewer elements than the type has");
}

static inline bool bp_typed_get_array(bp_typed_in* in, const bp_typed_type* type, void* out) {
  bp_cbor_level level;
  size_t count = 0;
  if (!bp_typed_enter(in, &level, BP_CBOR_ARRAY, "expected an array")) return false;
  while (in->cbor.fault == NULL && bp_cbor_more(&in->cbor, &level)) {
    void* at;
    if (count == type->count) return bp_cbor_fail(&in->cbor, "found more elements than the type has");
    at = type->kind == BP_TYPED_ARRAY ? (char*)out + count * type->of->size : (char*)out + type->fields[count].offset;
    if (!bp_typed_get(in, type->kind == BP_TYPED_ARRAY ? type->of : type->fields[count].type, at)) return false;
    count++;
  }
  if (in->cbor.fault != NULL) return false;
  return count == type->count || bp_cbor_fail(&in->cbor, "found fewer elements than the type has");
}

static inline bool bp_typed_get_map(bp_typed_in* in, const bp_typed_type* type, void* out) {
  bp_cbor_level level;
  bp_typed_items items = {NULL, 0};
  size_t capacity = 0, k;
  if (!bp_typed_enter(in, &level, BP_CBOR_MAP, "expected a map")) return false;
  while (in->cbor.fault == NULL && bp_cbor_more(&in->cbor, &level)) {
    void* larger = bp_typed_room(in, items.items, items.count, &capacity, type->entry);
    if (larger == NULL) break;
    items.items = larger;
    items.count++;
    memcpy(out, &items, sizeof items);
    for (k = 0; k < 2; k++) {
      char* entry = (char*)items.items + (items.count - 1) * type->entry;
      if (!bp_typed_get(in, type->fields[k].type, entry + type->fields[k].offset)) return false;
    }
  }
  return in->cbor.fault == NULL;
}

static inline bool bp_typed_get_tagged(bp_typed_in* in, const bp_typed_type* type, void* out) {
  bp_cbor_level map;
  size_t found = 0;
  int kind = 0;
  if (!bp_typed_enter(in, &map, BP_CBOR_MAP, "expected a map")) return false;
  while (in->cbor.fault == NULL && bp_cbor_more(&in->cbor, &map)) {
    if (!bp_typed_get_name(in, type, 0, &found)) break;
    if (found == type->count) {
      bp_typed_unknown(in);
      continue;
    }
    if (kind != 0) {
      bp_cbor_fail(&in->cbor, "found two alternatives, expected one");
      break;
    }
    kind = (int)found + 1;
    memcpy(out, &kind, sizeof kind);
    if (!bp_typed_get(in, type->fields[found].type, (char*)out + type->fields[found].offset)) {
      return bp_typed_fault_in(in, type->name, type->fields[found].name);
    }
  }
  if (in->cbor.fault != NULL) return false;
  return kind != 0 || bp_cbor_fail(&in->cbor, "found none of the alternatives");
}

/* Whether an item of this kind may be a value of the type. */
static inline bool bp_typed_takes(const bp_typed_type* type, uint32_t kind) {
  const bool is_null = kind == BP_CBOR_NULL || kind == BP_CBOR_UNDEFINED;
  bp_cbor_head head;
  size_t i;
  switch (type->kind) {
    case BP_TYPED_NULL:
      return is_null;
    case BP_TYPED_BOOL:
      return kind == BP_CBOR_BOOL;
    case BP_TYPED_INT:
      return kind == BP_CBOR_UINT || kind == BP_CBOR_NINT;
    case BP_TYPED_FLOAT:
      return kind == BP_CBOR_UINT || kind == BP_CBOR_NINT || kind == BP_CBOR_FLOAT;
    case BP_TYPED_TEXT:
    case BP_TYPED_ENUM:
      return kind == BP_CBOR_TEXT;
    case BP_TYPED_BYTES:
    case BP_TYPED_FIXED:
      return kind == BP_CBOR_BYTES;
    case BP_TYPED_LITERAL:
      return bp_cbor_read_head(type->bytes, type->count, &head) && head.kind == kind;
    case BP_TYPED_STRUCT:
    case BP_TYPED_MAP:
    case BP_TYPED_TAGGED:
      return kind == BP_CBOR_MAP;
    case BP_TYPED_TUPLE:
    case BP_TYPED_LIST:
    case BP_TYPED_ARRAY:
      return kind == BP_CBOR_ARRAY;
    case BP_TYPED_CHOICE:
      for (i = 0; i < type->count; i++) {
        if (bp_typed_takes(type->fields[i].type, kind)) return true;
      }
      return false;
    case BP_TYPED_MAYBE:
      return is_null || bp_typed_takes(type->of, kind);
    case BP_TYPED_POINTER:
      return (is_null && type->count != 0) || bp_typed_takes(type->of, kind);
    default:
      return true;
  }
}

/* Tries the alternatives that take the item, in order. Of those that fit, the first that ignores the fewest members
 * counts. */
static inline bool bp_typed_get_choice(bp_typed_in* in, const bp_typed_type* type, void* out) {
  bp_cbor_head head;
  size_t i, candidates = 0, best = SIZE_MAX;
  uint64_t fewest = UINT64_MAX;
  /* Choices inside of choices could take more time than any input is worth. */
  const uint64_t most_tries = 1024 + 4 * (uint64_t)(in->cbor.end - in->cbor.begin);
  int kind;
  if (!bp_typed_head(in, &head)) return false;
  for (i = 0; i < type->count; i++) {
    if (!bp_typed_takes(type->fields[i].type, head.kind)) continue;
    candidates++;
    if (best == SIZE_MAX) best = i;
  }
  if (candidates == 0) return bp_cbor_fail(&in->cbor, "found an item that is none of the alternatives");
  if (candidates > 1) {
    best = SIZE_MAX;
    for (i = 0; i < type->count && fewest != 0; i++) {
      bp_typed_in attempt = *in;
      if (!bp_typed_takes(type->fields[i].type, head.kind)) continue;
      attempt.ignored = 0;
      attempt.tries++;
      if (bp_typed_get(&attempt, type->fields[i].type, (char*)out + type->fields[i].offset) &&
          attempt.ignored < fewest) {
        fewest = attempt.ignored;
        best = i;
      }
      in->tries = attempt.tries;
      bp_typed_free_field(&type->fields[i], out);
      if (attempt.no_memory) return bp_typed_out_of_memory(in);
      if (attempt.tries > most_tries) return bp_cbor_fail(&in->cbor, "too many alternatives to try");
    }
    if (best == SIZE_MAX) return bp_cbor_fail(&in->cbor, "found an item that fits none of the alternatives");
  }
  kind = (int)best + 1;
  memcpy(out, &kind, sizeof kind);
  return bp_typed_get(in, type->fields[best].type, (char*)out + type->fields[best].offset);
}

static inline bool bp_typed_get_pointer(bp_typed_in* in, const bp_typed_type* type, void* out) {
  void* memory;
  if (type->count != 0 && bp_typed_null_ahead(in)) return bp_typed_get_null(in);
  memory = calloc(1, type->of->size);
  if (memory == NULL) return bp_typed_out_of_memory(in);
  memcpy(out, &memory, sizeof memory);
  return bp_typed_get(in, type->of, memory);
}

/* Reads a value into memory that is zero. After a fault, it may own something: free it. */
static inline bool bp_typed_get(bp_typed_in* in, const bp_typed_type* type, void* out) {
  if (in->cbor.fault != NULL) return false;
  switch (type->kind) {
    case BP_TYPED_NULL:
      return bp_typed_get_null(in);
    case BP_TYPED_BOOL:
      return bp_typed_get_bool(in, out);
    case BP_TYPED_INT:
      return bp_typed_get_int(in, type, out);
    case BP_TYPED_FLOAT:
      return bp_typed_get_float(in, type, out);
    case BP_TYPED_TEXT:
      return bp_typed_get_text(in, out);
    case BP_TYPED_BYTES:
      return bp_typed_get_bytes(in, out);
    case BP_TYPED_FIXED:
      return bp_typed_get_fixed(in, type, out);
    case BP_TYPED_LITERAL:
      return bp_typed_get_literal(in, type);
    case BP_TYPED_ENUM:
      return bp_typed_get_enum(in, type, out);
    case BP_TYPED_STRUCT:
      return bp_typed_get_struct(in, type, out);
    case BP_TYPED_LIST:
      return bp_typed_get_list(in, type, out);
    case BP_TYPED_TUPLE:
    case BP_TYPED_ARRAY:
      return bp_typed_get_array(in, type, out);
    case BP_TYPED_MAP:
      return bp_typed_get_map(in, type, out);
    case BP_TYPED_CHOICE:
      return bp_typed_get_choice(in, type, out);
    case BP_TYPED_TAGGED:
      return bp_typed_get_tagged(in, type, out);
    case BP_TYPED_MAYBE:
      if (bp_typed_null_ahead(in)) return bp_typed_get_null(in);
      *(bool*)out = true;
      return bp_typed_get(in, type->of, (char*)out + type->fields[0].offset);
    case BP_TYPED_POINTER:
      return bp_typed_get_pointer(in, type, out);
    default:
      return bp_typed_get_any(in, out);
  }
}

/* Reads a whole payload. After an error `out` is zero, and `error` has the place. */
static inline bp_status bp_typed_read(bp_bytes payload, const bp_typed_type* type, bool strict, void* out,
                                      const char* doing, bp_error* error) {
  bp_typed_in in;
  char text[256];
  bp_str message;
  bp_bytes none = {NULL, 0};
  memset(&in, 0, sizeof in);
  memset(out, 0, type->size);
  in.strict = strict;
  if (type->kind == BP_TYPED_RAW) {
    if (bp_typed_copy(&in, payload, (bp_bytes*)out)) return BP_OK;
  } else {
    bp_cbor_begin(&in.cbor, payload);
    if (bp_typed_get(&in, type, out) && bp_cbor_end(&in.cbor)) return BP_OK;
  }
  bp_typed_free(type, out);
  snprintf(text, sizeof text, "%s: %s%s%s%s%s, at byte %zu", doing, in.type != NULL ? in.type : "",
           in.member != NULL ? "." : "", in.member != NULL ? in.member : "", in.type != NULL ? ": " : "", in.cbor.fault,
           in.cbor.fault_at);
  message.data = text;
  message.size = strlen(text);
  return bp_error_set(error, in.no_memory ? BP_OUT_OF_MEMORY : BP_BAD_PAYLOAD, message, none);
}

#endif /* BACKPLANE_TYPED_READ_H */
