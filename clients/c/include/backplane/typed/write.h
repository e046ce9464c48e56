/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/typed/write.h: writes typed values as CBOR, and frees them. Only generated .c files include it.
 */
#ifndef BACKPLANE_TYPED_WRITE_H
#define BACKPLANE_TYPED_WRITE_H

#include <stdio.h>

#include "types.h"

/* A writer, and what was wrong with the value. */
typedef struct bp_typed_out {
  bp_cbor_writer cbor;
  char fault[160];
} bp_typed_out;

static inline void bp_typed_refuse(bp_typed_out* out, const char* type, const char* what) {
  if (out->cbor.status != BP_OK) return;
  out->cbor.status = BP_INVALID_ARGUMENT;
  snprintf(out->fault, sizeof out->fault, "%s: %s", type, what);
}

static inline const void* bp_typed_at(const void* value, size_t offset) { return (const char*)value + offset; }

/* Reads a counted pointer, whose items have some other type. */
static inline bp_typed_items bp_typed_items_of(const void* value) {
  bp_typed_items items;
  memcpy(&items, value, sizeof items);
  return items;
}
static inline const void* bp_typed_pointer_of(const void* value) {
  const void* pointer;
  memcpy(&pointer, value, sizeof pointer);
  return pointer;
}
/* An enum has the size of an int. */
static inline size_t bp_typed_kind_of(const void* value) {
  int kind;
  memcpy(&kind, value, sizeof kind);
  return kind < 0 ? SIZE_MAX : (size_t)kind;
}

/* Whether a member has a value. */
static inline bool bp_typed_has(const bp_typed_field* field, const void* value) {
  if (field->has != SIZE_MAX) return *(const bool*)bp_typed_at(value, field->has);
  if (field->type->kind == BP_TYPED_POINTER) return bp_typed_pointer_of(bp_typed_at(value, field->offset)) != NULL;
  return true;
}

static inline void bp_typed_put_int(bp_typed_out* out, const bp_typed_type* type, const void* value) {
  union {
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
  } number;
  memcpy(&number, value, type->size);
  if (type->is_signed) {
    bp_cbor_put_int(&out->cbor, type->size == 1   ? number.i8
                                : type->size == 2 ? number.i16
                                : type->size == 4 ? number.i32
                                                  : number.i64);
  } else {
    bp_cbor_put_uint(&out->cbor, type->size == 1   ? number.u8
                                 : type->size == 2 ? number.u16
                                 : type->size == 4 ? number.u32
                                                   : number.u64);
  }
}

static inline void bp_typed_put(bp_typed_out* out, const bp_typed_type* type, const void* value);

static inline void bp_typed_put_struct(bp_typed_out* out, const bp_typed_type* type, const void* value) {
  size_t i, pairs = 0;
  for (i = 0; i < type->count; i++) {
    pairs += (type->fields[i].flags & BP_TYPED_MAY_BE_ABSENT) == 0 || bp_typed_has(&type->fields[i], value);
  }
  bp_cbor_put_map(&out->cbor, pairs);
  for (i = 0; i < type->count && out->cbor.status == BP_OK; i++) {
    const bp_typed_field* field = &type->fields[i];
    const bool has = bp_typed_has(field, value);
    bp_str name;
    if (!has && (field->flags & BP_TYPED_MAY_BE_ABSENT) != 0) continue;
    name.data = field->name;
    name.size = field->name_size;
    bp_cbor_put_text(&out->cbor, name);
    if (has) {
      bp_typed_put(out, field->type, bp_typed_at(value, field->offset));
    } else if ((field->flags & BP_TYPED_NULLABLE) != 0) {
      bp_cbor_put_null(&out->cbor);
    } else {
      bp_typed_refuse(out, type->name, "found a pointer that is NULL, expected a value");
    }
  }
}

static inline void bp_typed_put_text(bp_typed_out* out, const bp_typed_type* type, const void* value) {
  bp_cbor_put_text(&out->cbor, *(const bp_str*)value);
  if (out->cbor.status == BP_INVALID_ARGUMENT && out->fault[0] == '\0') {
    out->cbor.status = BP_OK;
    bp_typed_refuse(out, type->name, "found text that is not UTF-8");
  }
}

static inline void bp_typed_put_any(bp_typed_out* out, const bp_typed_type* type, const void* value) {
  const bp_bytes item = *(const bp_bytes*)value;
  const char* fault = NULL;
  if (item.size == 0) {
    bp_cbor_put_null(&out->cbor);
  } else if (bp_cbor_check(item, &fault)) {
    bp_cbor_put_item(&out->cbor, item);
  } else {
    bp_typed_refuse(out, type->name, fault);
  }
}

static inline void bp_typed_put_choice(bp_typed_out* out, const bp_typed_type* type, const void* value) {
  const size_t kind = bp_typed_kind_of(value);
  const bp_typed_field* field;
  bp_str name;
  if (kind == 0 || kind > type->count) {
    bp_typed_refuse(out, type->name, "found a `kind` that is none of the alternatives");
    return;
  }
  field = &type->fields[kind - 1];
  if (type->kind == BP_TYPED_TAGGED) {
    name.data = field->name;
    name.size = field->name_size;
    bp_cbor_put_map(&out->cbor, 1);
    bp_cbor_put_text(&out->cbor, name);
  }
  bp_typed_put(out, field->type, bp_typed_at(value, field->offset));
}

static inline void bp_typed_put_items(bp_typed_out* out, const bp_typed_type* type, const void* value) {
  bp_typed_items items;
  size_t i;
  if (type->kind == BP_TYPED_ARRAY) {
    items.items = (void*)(uintptr_t)value;
    items.count = type->count;
  } else {
    items = bp_typed_items_of(value);
  }
  if (type->kind != BP_TYPED_MAP) {
    bp_cbor_put_array(&out->cbor, items.count);
    for (i = 0; i < items.count && out->cbor.status == BP_OK; i++) {
      bp_typed_put(out, type->of, bp_typed_at(items.items, i * type->of->size));
    }
    return;
  }
  bp_cbor_put_map(&out->cbor, items.count);
  for (i = 0; i < items.count && out->cbor.status == BP_OK; i++) {
    const void* entry = bp_typed_at(items.items, i * type->entry);
    bp_typed_put(out, type->fields[0].type, bp_typed_at(entry, type->fields[0].offset));
    bp_typed_put(out, type->fields[1].type, bp_typed_at(entry, type->fields[1].offset));
  }
}

static inline void bp_typed_put_fixed(bp_typed_out* out, const bp_typed_type* type, const void* value) {
  bp_bytes bytes;
  bytes.data = (const uint8_t*)value;
  bytes.size = type->count;
  bp_cbor_put_bytes(&out->cbor, bytes);
}

static inline void bp_typed_put_enum(bp_typed_out* out, const bp_typed_type* type, const void* value) {
  const size_t kind = bp_typed_kind_of(value);
  bp_str name;
  if (kind >= type->count) {
    bp_typed_refuse(out, type->name, "found a value that is none of the enum");
    return;
  }
  name.data = type->fields[kind].name;
  name.size = type->fields[kind].name_size;
  bp_cbor_put_text(&out->cbor, name);
}

static inline void bp_typed_put_tuple(bp_typed_out* out, const bp_typed_type* type, const void* value) {
  size_t i;
  bp_cbor_put_array(&out->cbor, type->count);
  for (i = 0; i < type->count && out->cbor.status == BP_OK; i++) {
    bp_typed_put(out, type->fields[i].type, bp_typed_at(value, type->fields[i].offset));
  }
}

static inline void bp_typed_put_maybe(bp_typed_out* out, const bp_typed_type* type, const void* value) {
  if (*(const bool*)value) {
    bp_typed_put(out, type->of, bp_typed_at(value, type->fields[0].offset));
  } else {
    bp_cbor_put_null(&out->cbor);
  }
}

static inline void bp_typed_put_pointer(bp_typed_out* out, const bp_typed_type* type, const void* value) {
  const void* pointer = bp_typed_pointer_of(value);
  if (pointer != NULL) {
    bp_typed_put(out, type->of, pointer);
  } else if (type->count != 0) {
    bp_cbor_put_null(&out->cbor);
  } else {
    bp_typed_refuse(out, type->name, "found a pointer that is NULL, expected a value");
  }
}

static inline void bp_typed_put_float(bp_typed_out* out, const bp_typed_type* type, const void* value) {
  bp_cbor_put_double(&out->cbor, type->size == sizeof(float) ? (double)*(const float*)value : *(const double*)value);
}

/* Writes a value. After an error out->cbor.status says which. */
static inline void bp_typed_put(bp_typed_out* out, const bp_typed_type* type, const void* value) {
  bp_bytes bytes;
  if (out->cbor.status != BP_OK) return;
  switch (type->kind) {
    case BP_TYPED_NULL:
      bp_cbor_put_null(&out->cbor);
      return;
    case BP_TYPED_BOOL:
      bp_cbor_put_bool(&out->cbor, *(const bool*)value);
      return;
    case BP_TYPED_INT:
      bp_typed_put_int(out, type, value);
      return;
    case BP_TYPED_FLOAT:
      bp_typed_put_float(out, type, value);
      return;
    case BP_TYPED_TEXT:
      bp_typed_put_text(out, type, value);
      return;
    case BP_TYPED_BYTES:
      bp_cbor_put_bytes(&out->cbor, *(const bp_bytes*)value);
      return;
    case BP_TYPED_FIXED:
      bp_typed_put_fixed(out, type, value);
      return;
    case BP_TYPED_ANY:
      bp_typed_put_any(out, type, value);
      return;
    case BP_TYPED_RAW:
      bp_cbor_put_item(&out->cbor, *(const bp_bytes*)value);
      return;
    case BP_TYPED_LITERAL:
      bytes.data = type->bytes;
      bytes.size = type->count;
      bp_cbor_put_item(&out->cbor, bytes);
      return;
    case BP_TYPED_ENUM:
      bp_typed_put_enum(out, type, value);
      return;
    case BP_TYPED_STRUCT:
      bp_typed_put_struct(out, type, value);
      return;
    case BP_TYPED_TUPLE:
      bp_typed_put_tuple(out, type, value);
      return;
    case BP_TYPED_LIST:
    case BP_TYPED_ARRAY:
    case BP_TYPED_MAP:
      bp_typed_put_items(out, type, value);
      return;
    case BP_TYPED_CHOICE:
    case BP_TYPED_TAGGED:
      bp_typed_put_choice(out, type, value);
      return;
    case BP_TYPED_MAYBE:
      bp_typed_put_maybe(out, type, value);
      return;
    default:
      bp_typed_put_pointer(out, type, value);
      return;
  }
}

static inline void bp_typed_free(const bp_typed_type* type, void* value);

static inline void bp_typed_free_field(const bp_typed_field* field, void* value) {
  bp_typed_free(field->type, (char*)value + field->offset);
}

/* Frees what a value owns, and sets it to zero. */
static inline void bp_typed_free(const bp_typed_type* type, void* value) {
  size_t i, k;
  bp_typed_items items;
  void* pointer;
  switch (type->kind) {
    case BP_TYPED_TEXT:
      free((void*)(uintptr_t)((bp_str*)value)->data);
      break;
    case BP_TYPED_BYTES:
    case BP_TYPED_ANY:
    case BP_TYPED_RAW:
      free((void*)(uintptr_t)((bp_bytes*)value)->data);
      break;
    case BP_TYPED_STRUCT:
    case BP_TYPED_TUPLE:
      for (i = 0; i < type->count; i++) bp_typed_free_field(&type->fields[i], value);
      break;
    case BP_TYPED_LIST:
      items = bp_typed_items_of(value);
      for (i = 0; i < items.count; i++) bp_typed_free(type->of, (char*)items.items + i * type->of->size);
      free(items.items);
      break;
    case BP_TYPED_ARRAY:
      for (i = 0; i < type->count; i++) bp_typed_free(type->of, (char*)value + i * type->of->size);
      break;
    case BP_TYPED_MAP:
      items = bp_typed_items_of(value);
      for (i = 0; i < items.count; i++) {
        for (k = 0; k < 2; k++) bp_typed_free_field(&type->fields[k], (char*)items.items + i * type->entry);
      }
      free(items.items);
      break;
    case BP_TYPED_CHOICE:
    case BP_TYPED_TAGGED:
      i = bp_typed_kind_of(value);
      if (i != 0 && i <= type->count) bp_typed_free_field(&type->fields[i - 1], value);
      break;
    case BP_TYPED_MAYBE:
      if (*(bool*)value) bp_typed_free_field(&type->fields[0], value);
      break;
    case BP_TYPED_POINTER:
      pointer = (void*)(uintptr_t)bp_typed_pointer_of(value);
      if (pointer != NULL) bp_typed_free(type->of, pointer);
      free(pointer);
      break;
    default:
      break;
  }
  memset(value, 0, type->size);
}

#endif /* BACKPLANE_TYPED_WRITE_H */
