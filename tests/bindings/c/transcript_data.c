/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines of echo and kv.
 */
#define _POSIX_C_SOURCE 200809L
#include "transcript.h"

bp_bytes view(const void* data, size_t size) {
  bp_bytes bytes = {(const uint8_t*)data, size};
  return bytes;
}

bp_bytes payload(void) {
  static uint8_t memory[256];
  static const uint8_t bytes[] = {0, 255}, nested[] = {0x82, 0x82, 1, 0x81, 2, 0xa1, 0x61, 'x', 0xf6};
  bp_cbor_writer out;
  bp_cbor_writer_fixed(&out, memory, sizeof memory);
  bp_cbor_put_map(&out, 9);
  bp_cbor_put_string(&out, "big");
  bp_cbor_put_uint(&out, UINT64_MAX);
  bp_cbor_put_string(&out, "bytes");
  bp_cbor_put_bytes(&out, view(bytes, sizeof bytes));
  bp_cbor_put_string(&out, "list");
  bp_cbor_put_array(&out, 0);
  bp_cbor_put_string(&out, "low");
  bp_cbor_put_head(&out, BP_CBOR_NINT, UINT64_MAX);
  bp_cbor_put_string(&out, "map");
  bp_cbor_put_map(&out, 0);
  bp_cbor_put_string(&out, "nan");
  bp_cbor_put_double(&out, (double)NAN);
  bp_cbor_put_string(&out, "nested");
  bp_cbor_put_item(&out, view(nested, sizeof nested));
  bp_cbor_put_string(&out, "text");
  bp_cbor_put_string(&out, "\303\274");
  bp_cbor_put_string(&out, "true");
  bp_cbor_put_bool(&out, 1);
  return bp_cbor_view(&out);
}

enum { LARGE = 1048576 };

static void shout(const struct echo_client* echo, const char* name, bp_str text, bool with_prefix) {
  const struct echo_shout request = {text};
  struct echo_shouted reply;
  bp_error error = {0};
  must(name, echo_shout(echo, &request, NULL, &reply, &error), &error);
  printf("%s:", name);
  text_member("shouted", reply.shouted);
  if (with_prefix) text_member("prefix", reply.prefix);
  end_line();
  echo_shouted_free(&reply);
}

void echo_lines(const struct echo_client* echo) {
  static const uint8_t few[] = {0, 1, 2, 253, 254, 255};
  bp_error error = {0};
  struct echo_version version;
  struct echo_shouted shouted;
  struct echo_shout request;
  bp_bytes raw, sent = view(few, sizeof few);
  char* large = (char*)malloc(LARGE);
  size_t i;
  bool same = true;
  must("echo.version", echo_version(echo, NULL, &version, &error), &error);
  printf("echo.version:");
  text_member("version", version.version);
  end_line();
  echo_version_free(&version);
  shout(echo, "echo.shout", BP_STR("hello world"), true);
  shout(echo, "echo.shout unicode", BP_STR("gr\303\266\303\237e \346\227\245\346\234\254\350\252\236 \360\237\230\200"),
        false);
  shout(echo, "echo.shout empty", BP_STR(""), false);
  shout(echo, "echo.shout nul", BP_STR("a\0b"), false);
  memset(large, 'a', LARGE);
  request.text.data = large;
  request.text.size = LARGE;
  must("echo.shout large", echo_shout(echo, &request, NULL, &shouted, &error), &error);
  for (i = 0; i < shouted.shouted.size; i++) same = same && shouted.shouted.data[i] == 'A';
  printf("echo.shout large:");
  uint_member("size", shouted.shouted.size);
  bool_member("same", same);
  end_line();
  echo_shouted_free(&shouted);
  must("echo.raw", echo_raw(echo, &sent, NULL, &raw, &error), &error);
  printf("echo.raw: bytes=");
  show_bytes(raw);
  end_line();
  bp_bytes_free(&raw);
  sent.size = 0;
  must("echo.raw empty", echo_raw(echo, &sent, NULL, &raw, &error), &error);
  printf("echo.raw empty:");
  uint_member("size", raw.size);
  end_line();
  bp_bytes_free(&raw);
  for (i = 0; i < LARGE; i++) large[i] = (char)(i % 251);
  sent = view(large, LARGE);
  must("echo.raw large", echo_raw(echo, &sent, NULL, &raw, &error), &error);
  printf("echo.raw large:");
  uint_member("size", raw.size);
  bool_member("same", raw.size == LARGE && memcmp(raw.data, large, LARGE) == 0);
  end_line();
  bp_bytes_free(&raw);
  free(large);
}

typedef struct changed_event {
  signal_flag flag;
  enum kv_change change;
} changed_event;

static void on_changed(void* user, const struct kv_changed* event) {
  changed_event* changed = (changed_event*)user;
  if (event->key.size != 1 || event->key.data[0] != 'a') return;
  changed->change = event->change;
  raise_flag(&changed->flag);
}

static void show_changed(changed_event* changed, const char* name) {
  await_flag(&changed->flag, name);
  printf("%s: key=\"a\" change=%s", name, changed->change == KV_CHANGE_PUT ? "put" : "deleted");
  end_line();
}

static void put(const struct kv_client* kv, const char* name, bp_str key, bp_bytes value) {
  const struct kv_entry entry = {key, value};
  bp_error error = {0};
  must(name, kv_put(kv, &entry, NULL, &error), &error);
  printf("%s: done", name);
  end_line();
}

static void get(const struct kv_client* kv, const char* name, bp_str text, bool levels) {
  const struct kv_key key = {text};
  struct kv_found found;
  bp_error error = {0};
  must(name, kv_get(kv, &key, NULL, &found, &error), &error);
  printf("%s:", name);
  if (levels) {
    uint_member("levels", found.value.size);
  } else {
    bool_member("found", found.found);
    item_member("value", found.value);
  }
  end_line();
  kv_found_free(&found);
}

static void scan(const struct kv_client* kv) {
  struct kv_scan request = {0};
  char after[16] = "";
  bp_error error = {0};
  request.has_limit = true;
  request.limit = 2;
  for (;;) {
    struct kv_page page;
    size_t i;
    must("kv.scan page", kv_scan(kv, &request, NULL, &page, &error), &error);
    printf("kv.scan page: keys=[");
    for (i = 0; i < page.entries.count; i++) {
      if (i != 0) printf(", ");
      show_text(page.entries.items[i].key);
    }
    putchar(']');
    if (page.has_next) {
      text_member("next", page.next);
    } else {
      printf(" next=null");
    }
    end_line();
    request.has_after = page.has_next;
    snprintf(after, sizeof after, "%s", page.has_next ? page.next.data : "");
    request.after.data = after;
    request.after.size = strlen(after);
    kv_page_free(&page);
    if (!request.has_after) return;
  }
}

static void delete_a(const struct kv_client* kv, const char* name) {
  const struct kv_key key = {BP_STR("a")};
  struct kv_deleted reply;
  bp_error error = {0};
  must(name, kv_delete(kv, &key, NULL, &reply, &error), &error);
  printf("%s:", name);
  bool_member("deleted", reply.deleted);
  end_line();
}

void kv_lines(const struct kv_client* kv) {
  static const uint8_t one[] = {1};
  uint8_t deep[60];
  changed_event changed = {SIGNAL_FLAG, KV_CHANGE_PUT};
  const struct kv_entry nameless = {{"", 0}, {one, 1}};
  const struct kv_prefix all = {0};
  struct kv_count count;
  bp_typed_handle* listener;
  bp_error error = {0};
  must("kv.changed", kv_on_changed(kv, on_changed, NULL, &changed, &listener, &error), &error);
  get(kv, "kv.get missing", BP_STR("none"), false);
  put(kv, "kv.put", BP_STR("a"), view(one, 1));
  show_changed(&changed, "kv.changed");
  put(kv, "kv.put nested", BP_STR("b"), payload());
  get(kv, "kv.get", BP_STR("b"), false);
  memset(deep, 0x81, sizeof deep);
  deep[sizeof deep - 1] = 0x80;
  put(kv, "kv.put deep", BP_STR("c"), view(deep, sizeof deep));
  get(kv, "kv.get deep", BP_STR("c"), true);
  kv_put(kv, &nameless, NULL, &error);
  show_error("kv.put empty", &error, 1);
  must("kv.count", kv_count(kv, &all, NULL, &count, &error), &error);
  printf("kv.count:");
  uint_member("count", count.count);
  end_line();
  scan(kv);
  delete_a(kv, "kv.delete");
  show_changed(&changed, "kv.deleted");
  delete_a(kv, "kv.delete missing");
  bp_typed_end(listener);
}
