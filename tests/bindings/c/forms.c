/* SPDX-License-Identifier: Apache-2.0
 *
 * Generated code for the module with every form: `codec TYPE` reads and writes items, as tests/bindings/codec/README.md
 * says. `embedded FILE` loads the module and makes calls of each kind, and `connected SOCKET` makes them over a
 * connection.
 */
#include <stdint.h>
#include <stdio.h>

#include <backplane/cbor.h>

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

static int codec(const char* type) {
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

/* ---- Calls ---- */

static int faults = 0;
static void check(int fits, const char* what) {
  if (fits) return;
  faults++;
  fprintf(stderr, "wrong: %s\n", what);
}

static void lookup(void* user, bp_asked asked) {
  const struct forms_point_page page = {0};
  (void)user;
  forms_answer_other_lookup(asked, &page);
}

static void values(const struct forms_client* forms) {
  struct forms_scalars scalars = {0}, scalars_back;
  struct forms_point point = {2, 3}, doubled;
  struct forms_optional_int32_map_entry entries[] = {{BP_STR("a"), {false, 0}}, {BP_STR("b"), {true, 5}}};
  const struct forms_optional_int32_map map = {entries, 2};
  struct forms_tree_list_list lists;
  bp_bytes raw = {(const uint8_t*)"abc", 3}, raw_back;
  bp_error error = {0};
  check(forms_scalars(forms, &scalars, NULL, &scalars_back, &error) == BP_OK, "a struct of all scalars");
  forms_scalars_free(&scalars_back);
  check(forms_nothing(forms, NULL, &error) == BP_OK, "a call without request and answer");
  check(forms_double(forms, &point, NULL, &doubled, &error) == BP_OK && doubled.y == 6, "a struct");
  check(forms_lists(forms, &map, NULL, &lists, &error) == BP_OK && lists.count == 0, "a map, and a list");
  forms_tree_list_list_free(&lists);
  check(forms_raw(forms, &raw, NULL, &raw_back, &error) == BP_OK && memcmp(raw_back.data, "abc", 4) == 0, "raw bytes");
  bp_bytes_free(&raw_back);
  scalars.any.data = (const uint8_t*)"\x82\x01"; /* a list of two with one item */
  scalars.any.size = 2;
  check(forms_scalars(forms, &scalars, NULL, &scalars_back, &error) == BP_INVALID_ARGUMENT, "an any that is no item");
  check(error.message.size != 0 && scalars_back.text.data == NULL, "the error of a request");
  bp_error_free(&error);
}

static void errors(const struct forms_client* forms) {
  struct forms_defaults request = {0}, reply;
  struct forms_point place;
  bp_error error = {0};
  check(forms_defaults(forms, &request, NULL, &reply, &error) == BP_OK && reply.count == -5, "members with defaults");
  forms_defaults_free(&reply);
  request.has_count = true;
  request.count = 101;
  check(forms_defaults(forms, &request, NULL, &reply, &error) == 1001, "a declared status");
  check(bp_cbor_is(error.message, "count: is above 100"), "its message");
  check(forms_error_1001(&error, &place) && place.x == 1 && place.y == 2, "its detail");
  bp_error_free(&error);
  check(!forms_error_1001(&error, &place) && place.x == 0, "no detail");
  request.colour = (enum forms_colour)9;
  request.has_colour = true;
  check(forms_defaults(forms, &request, NULL, &reply, NULL) == BP_INVALID_ARGUMENT, "an enum without that value");
}

/* A request that the struct allows, but that has no choice. */
static struct forms_composed composed(struct forms_point* point) {
  struct forms_composed made = {0};
  made.user.kind = FORMS_TEXT_OR_UINT64_TEXT;
  made.shape.kind = FORMS_CIRCLE_OR_SQUARE_CIRCLE;
  made.shape.as.circle = *point;
  return made;
}

static bp_status upload(const struct forms_client* forms, bp_error* error) {
  struct forms_point point = {1, 2}, part;
  const struct forms_composed request = composed(&point);
  struct forms_composed reply;
  struct forms_tree tree = {0};
  bp_pending call;
  bp_status status = forms_composed_start(forms, &request, NULL, &call, error);
  tree.name = BP_STR("tree");
  if (status == BP_OK) status = forms_composed_part(call, &tree, 5000, error);
  if (status == BP_OK) status = forms_composed_part(call, NULL, 5000, error);
  if (status == BP_OK || status == BP_INVALID_HANDLE) {
    bp_error_free(error);
    status = forms_composed_next(call, 5000, &part, &reply, error);
  }
  if (status == BP_OK) forms_composed_free(&reply);
  bp_call_free(call);
  return status;
}

/* forms.composed calls a name of a module that is not there, before it reads the parts. */
static void parts(const struct forms_client* forms) {
  bp_typed_handle* provided;
  bp_error error = {0};
  check(upload(forms, &error) == BP_UNKNOWN_NAME, "an upload that fails");
  bp_error_free(&error);
  check(forms_provide_other_lookup(forms, lookup, NULL, &provided, &error) == BP_OK, "a host function");
  bp_typed_end(provided);
}

static int calls(bp_context context) {
  struct forms_client forms;
  bp_error error = {0};
  check(forms_open(context, &forms, &error) == BP_OK, "the interface");
  check(FORMS_MOST == 600 && FORMS_LOWEST == -3 && FORMS_ON && sizeof FORMS_GREETING == 12, "constants");
  values(&forms);
  errors(&forms);
  parts(&forms);
  return faults == 0 ? 0 : 1;
}

int main(int count, char** arguments) {
  const char* mode = count > 2 ? arguments[1] : "";
  bp_context context;
  bp_result why = {.struct_size = sizeof why};
  bp_load_options load = {.struct_size = sizeof load, .path = count > 2 ? arguments[2] : NULL};
  const bp_connect_options options = {.struct_size = sizeof options, .socket_path = load.path};
  int code;
  if (strcmp(mode, "codec") == 0) return codec(arguments[2]);
  if (strcmp(mode, "connected") == 0
          ? bp_context_connect(&options, &context, &why) != BP_OK
          : bp_context_create(NULL, &context, &why) != BP_OK || bp_module_load(context, &load, &why) != BP_OK) {
    fprintf(stderr, "%.*s\n", (int)why.message.size, why.message.data);
    return 1;
  }
  bp_result_free(&why);
  code = calls(context);
  bp_context_destroy(context);
  return code;
}
