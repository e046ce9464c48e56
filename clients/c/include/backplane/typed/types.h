/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/typed/types.h: how generated code describes its types to the codec. Only generated .c files include it.
 */
#ifndef BACKPLANE_TYPED_TYPES_H
#define BACKPLANE_TYPED_TYPES_H

#include <backplane/cbor.h>

#include "../typed.h"

/* The C type of a value is in the right column. */
enum {
  BP_TYPED_NULL,    /* bp_nothing */
  BP_TYPED_BOOL,    /* bool */
  BP_TYPED_INT,     /* int8_t … uint64_t, by size and is_signed */
  BP_TYPED_FLOAT,   /* float or double, by size */
  BP_TYPED_TEXT,    /* bp_str */
  BP_TYPED_BYTES,   /* bp_bytes */
  BP_TYPED_FIXED,   /* struct { uint8_t data[count]; } */
  BP_TYPED_ANY,     /* bp_bytes: one item */
  BP_TYPED_RAW,     /* bp_bytes: a payload that is no CBOR */
  BP_TYPED_LITERAL, /* bp_nothing; `bytes` is the item */
  BP_TYPED_ENUM,    /* an enum, whose values are the indices of `fields` */
  BP_TYPED_STRUCT,  /* a struct */
  BP_TYPED_TUPLE,   /* a struct with one member for each item */
  BP_TYPED_LIST,    /* struct { T* items; size_t count; } */
  BP_TYPED_ARRAY,   /* struct { T items[count]; } */
  BP_TYPED_MAP,     /* struct { struct { K key; V value; }* items; size_t count; }: `fields` are key and value */
  BP_TYPED_CHOICE,  /* struct { enum kind; union as; }: kind is 0 or the index of a field plus 1 */
  BP_TYPED_TAGGED,  /* the same */
  BP_TYPED_MAYBE,   /* struct { bool has; T value; } */
  BP_TYPED_POINTER, /* T*; NULL is null, if the field or position allows that */
};

typedef struct bp_typed_type bp_typed_type;

enum {
  BP_TYPED_MAY_BE_ABSENT = 1, /* a member that is left out if its `has` is false, or its pointer NULL */
  BP_TYPED_NULLABLE = 2       /* null stands for the same */
};

/* A member, item, alternative or enum value. */
typedef struct bp_typed_field {
  const char* name; /* on the wire; NULL: it has none */
  size_t name_size;
  size_t offset;
  size_t has; /* offset of its bool; SIZE_MAX: there is none */
  const bp_typed_type* type;
  uint32_t flags;
} bp_typed_field;

struct bp_typed_type {
  const char* name; /* for messages */
  uint32_t kind;
  bool is_signed;
  size_t size;             /* of the C type */
  size_t entry;            /* of MAP: the size of a pair */
  const bp_typed_type* of; /* of LIST, ARRAY, MAYBE, POINTER */
  const bp_typed_field* fields;
  size_t count;         /* of fields, of an ARRAY's items, of a FIXED's bytes */
  uint64_t least, most; /* of LIST: how many items */
  const uint8_t* bytes; /* of LITERAL */
};

/* The counted pointer of LIST and MAP, which all of them begin with. */
typedef struct bp_typed_items {
  void* items;
  size_t count;
} bp_typed_items;

/* ---- The types that all modules have ---- */

#define BP_TYPED_SCALAR(name_, kind_, signed_, type_) \
  static const bp_typed_type bp_typed_##name_ = {#name_, kind_, signed_, sizeof(type_), 0, NULL, NULL, 0, 0, 0, NULL}
BP_TYPED_SCALAR(null, BP_TYPED_NULL, false, bp_nothing);
BP_TYPED_SCALAR(bool, BP_TYPED_BOOL, false, bool);
BP_TYPED_SCALAR(int8, BP_TYPED_INT, true, int8_t);
BP_TYPED_SCALAR(int16, BP_TYPED_INT, true, int16_t);
BP_TYPED_SCALAR(int32, BP_TYPED_INT, true, int32_t);
BP_TYPED_SCALAR(int64, BP_TYPED_INT, true, int64_t);
BP_TYPED_SCALAR(uint8, BP_TYPED_INT, false, uint8_t);
BP_TYPED_SCALAR(uint16, BP_TYPED_INT, false, uint16_t);
BP_TYPED_SCALAR(uint32, BP_TYPED_INT, false, uint32_t);
BP_TYPED_SCALAR(uint64, BP_TYPED_INT, false, uint64_t);
BP_TYPED_SCALAR(single, BP_TYPED_FLOAT, true, float);
BP_TYPED_SCALAR(double, BP_TYPED_FLOAT, true, double);
BP_TYPED_SCALAR(text, BP_TYPED_TEXT, false, bp_str);
BP_TYPED_SCALAR(bytes, BP_TYPED_BYTES, false, bp_bytes);
BP_TYPED_SCALAR(any, BP_TYPED_ANY, false, bp_bytes);
BP_TYPED_SCALAR(raw, BP_TYPED_RAW, false, bp_bytes);
#undef BP_TYPED_SCALAR

#endif /* BACKPLANE_TYPED_TYPES_H */
