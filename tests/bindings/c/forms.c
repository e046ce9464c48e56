/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads items as a generated type and writes them again, for codec_test.py; see tests/bindings/codec/README.md.
 */
#include <stdint.h>
#include <stdio.h>

#include "forms.h"

static void answer(uint8_t ok, const void* data, size_t size) {
  uint32_t length = (uint32_t)size;
  fwrite(&ok, 1, 1, stdout);
  fwrite(&length, 1, sizeof length, stdout);
  fwrite(data, 1, size, stdout);
  fflush(stdout);
}

/* The next item, in memory of exactly its size, so that a sanitizer sees each byte too far. */
static int next(bp_bytes* item) {
  uint32_t size;
  uint8_t* memory;
  if (fread(&size, 1, sizeof size, stdin) != sizeof size) return 0;
  memory = (uint8_t*)malloc(size == 0 ? 1 : size);
  item->data = memory;
  item->size = size;
  return memory != NULL && fread(memory, 1, size, stdin) == size;
}

#define RUN(tag)                                                                                                       \
  if (strcmp(type, #tag) == 0) {                                                                                       \
    bp_bytes item;                                                                                                     \
    while (next(&item)) {                                                                                              \
      struct forms_##tag value;                                                                                        \
      bp_buffer* again = NULL;                                                                                         \
      bp_error error = {0};                                                                                            \
      if (forms_##tag##_read(item, &value, &error) == BP_OK && forms_##tag##_write(&value, &again, &error) == BP_OK) { \
        answer(1, again->data, again->size);                                                                           \
      } else {                                                                                                         \
        answer(0, error.message.data, error.message.size);                                                             \
      }                                                                                                                \
      free((void*)(uintptr_t)item.data);                                                                               \
      bp_buffer_free(again);                                                                                           \
      bp_error_free(&error);                                                                                           \
      forms_##tag##_free(&value);                                                                                      \
    }                                                                                                                  \
    return 0;                                                                                                          \
  }

int main(int count, char** arguments) {
  const char* type = count > 1 ? arguments[1] : "";
  RUN(scalars)
  RUN(composed)
  RUN(tree)
  RUN(defaults)
  RUN(point_page)
  RUN(config)
  RUN(tree_list)
  fprintf(stderr, "unknown type %s\n", type);
  return 2;
}
