/* SPDX-License-Identifier: Apache-2.0
 *
 * The transcript in C: see tests/bindings/transcript/README.md.
 */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>

#include "echo.h"
#include "generator.h"
#include "kv.h"
#include "session.h"
#include "shown.h"
#include "timer.h"

enum { LARGE = 1048576 };

static bp_bytes view(const void* data, size_t size) {
  bp_bytes bytes = {(const uint8_t*)data, size};
  return bytes;
}

/* The payload of the README. */
static bp_bytes payload(void) {
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

/* ---- echo ---- */

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

static void echo_lines(const struct echo_client* echo) {
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

/* ---- timer ---- */

typedef struct fired_event {
  signal_flag flag;
  char message[16];
  uint64_t echo_count;
} fired_event;

static void on_fired(void* user, const struct timer_echo_fired* event) {
  fired_event* fired = (fired_event*)user;
  snprintf(fired->message, sizeof fired->message, "%s", event->message.data);
  fired->echo_count = event->echo_count;
  raise_flag(&fired->flag);
}

static void show_fired(fired_event* fired, const char* name) {
  bp_str message;
  await_flag(&fired->flag, name);
  message.data = fired->message;
  message.size = strlen(fired->message);
  printf("%s:", name);
  text_member("message", message);
  uint_member("echo_count", fired->echo_count);
  end_line();
}

static void show_summary(const struct timer_client* timer, const char* name, const struct timer_complex* request) {
  struct timer_summary reply;
  bp_error error = {0};
  must(name, timer_complex(timer, request, NULL, &reply, &error), &error);
  printf("%s:", name);
  text_member("summary", reply.summary);
  uint_member("item_count", reply.item_count);
  bool_member("has_note", reply.has_note);
  end_line();
  timer_summary_free(&reply);
}

static const char* priority_name(enum timer_priority priority) {
  static const char* const names[] = {"low", "normal", "high"};
  return names[priority];
}

static void show_plan(const struct timer_client* timer, const char* name, const struct timer_schedule* request) {
  struct timer_scheduled reply;
  bp_error error = {0};
  must(name, timer_schedule(timer, request, NULL, &reply, &error), &error);
  printf("%s:", name);
  text_member("job_id", reply.job_id);
  uint_member("will_run_count", reply.will_run_count);
  uint_member("first_run_at_ms", reply.first_run_at_ms);
  uint_member("effective_backoff_ms", reply.effective_backoff_ms);
  printf(" priority=%s", priority_name(reply.priority));
  end_line();
  timer_scheduled_free(&reply);
}

typedef struct planned_event {
  signal_flag flag;
  struct timer_job_scheduled event;
} planned_event;

/* What a callback gets is freed after it, so a copy is made of it as CBOR. */
static void on_planned(void* user, const struct timer_job_scheduled* event) {
  planned_event* planned = (planned_event*)user;
  bp_buffer* item;
  if (timer_job_scheduled_write(event, &item, NULL) != BP_OK) return;
  timer_job_scheduled_read(view(item->data, item->size), &planned->event, NULL);
  bp_buffer_free(item);
  raise_flag(&planned->flag);
}

static void schedule_lines(const struct timer_client* timer) {
  planned_event planned = {.flag = SIGNAL_FLAG};
  bp_str io = BP_STR("io");
  struct timer_schedule request = {{BP_STR("j"), payload(), TIMER_PRIORITY_HIGH},
                                   {3, 500, {&io, 1}},
                                   {1000, 0, true, UINT64_C(18446744073709550615)}};
  bp_typed_handle* listener;
  bp_error error = {0};
  must("timer.job_scheduled", timer_on_job_scheduled(timer, on_planned, NULL, &planned, &listener, &error), &error);
  show_plan(timer, "timer.schedule", &request);
  await_flag(&planned.flag, "timer.job_scheduled");
  printf("timer.job_scheduled:");
  text_member("job_id", planned.event.job_id);
  text_member("name", planned.event.job.name);
  item_member("payload", planned.event.job.payload);
  printf(" priority=%s", priority_name(planned.event.job.priority));
  end_line();
  bp_typed_end(listener);
  timer_job_scheduled_free(&planned.event);
  request.job.payload.size = 0;
  request.job.priority = TIMER_PRIORITY_LOW;
  request.retry.backoff_ms = 0;
  request.retry.retry_on.count = 0;
  request.schedule.start_at_ms = 1;
  request.schedule.has_jitter = false;
  show_plan(timer, "timer.schedule absent", &request);
}

static void ticks_lines(const struct timer_client* timer) {
  struct timer_ticks request = {3, 1};
  struct timer_tick part;
  struct timer_ticked reply;
  bp_error error = {0};
  bp_pending call;
  int parts = 0;
  must("timer.ticks", timer_ticks_start(timer, &request, NULL, &call, &error), &error);
  while (timer_ticks_next(call, 10000, &part, &reply, &error) == BP_PARTIAL) {
    printf("timer.ticks part:");
    uint_member("tick", part.tick);
    uint_member("of", part.of);
    end_line();
  }
  must("timer.ticks", error.status, &error);
  printf("timer.ticks:");
  uint_member("ticks", reply.ticks);
  end_line();
  bp_call_free(call);
  request.count = 10001;
  timer_ticks(timer, &request, NULL, &reply, &error);
  show_error("timer.ticks limit", &error, 1);
  request.count = 1000;
  must("timer.ticks left", timer_ticks_start(timer, &request, NULL, &call, &error), &error);
  while (parts < 2 && timer_ticks_next(call, 10000, &part, &reply, &error) == BP_PARTIAL) parts++;
  bp_call_free(call);
  printf("timer.ticks left: parts=%d", parts);
  end_line();
}

static void timer_lines(const struct timer_client* timer) {
  fired_event fired = {SIGNAL_FLAG, "", 0};
  struct timer_message message = {BP_STR("hello"), 1};
  struct timer_message messages[] = {{BP_STR("a"), 1}, {BP_STR("b"), 2}};
  bp_str tags[] = {BP_STR("x"), BP_STR("y")};
  const struct timer_complex batch = {{messages, 2}, {tags, 2}, true, BP_STR("n"), true, -3};
  const struct timer_complex nothing = {0};
  struct timer_echoed reply;
  bp_typed_handle* listener;
  bp_error error = {0};
  must("timer.echo_fired", timer_on_echo_fired(timer, on_fired, NULL, &fired, &listener, &error), &error);
  must("timer.echo", timer_echo(timer, &message, NULL, &reply, &error), &error);
  printf("timer.echo:");
  text_member("echoed", reply.echoed);
  text_member("timer_name", reply.timer_name);
  end_line();
  timer_echoed_free(&reply);
  show_fired(&fired, "timer.echo_fired");
  bp_typed_end(listener);
  message.delay_ms = 60001;
  timer_echo(timer, &message, NULL, &reply, &error);
  show_error("timer.echo limit", &error, 1);
  show_summary(timer, "timer.complex", &batch);
  show_summary(timer, "timer.complex absent", &nothing);
  schedule_lines(timer);
  ticks_lines(timer);
}

/* ---- kv ---- */

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

static void kv_lines(const struct kv_client* kv) {
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

/* ---- session ---- */

typedef struct late_answer {
  bp_asked asked;
  long wait_ms;
  const char* text;
} late_answer;

static bp_bytes one_text(uint8_t* memory, size_t size, const char* text) {
  bp_cbor_writer out;
  bp_cbor_writer_fixed(&out, memory, size);
  bp_cbor_put_string(&out, text);
  return bp_cbor_view(&out);
}

static void* answer_late(void* user) {
  late_answer* late = (late_answer*)user;
  uint8_t memory[32];
  const bp_bytes item = one_text(memory, sizeof memory, late->text);
  sleep_ms(late->wait_ms);
  session_answer_profile_fetch(late->asked, &item);
  free(late);
  return NULL;
}

static void answer_from_thread(bp_asked asked, long wait_ms, const char* text) {
  late_answer* late = (late_answer*)malloc(sizeof *late);
  pthread_t thread;
  late->asked = asked;
  late->wait_ms = wait_ms;
  late->text = text;
  pthread_create(&thread, NULL, answer_late, late);
  pthread_detach(thread);
}

static void profile_fetch(void* user, const struct session_user* request, bp_asked asked) {
  const bool is_text = request->user_id.kind == SESSION_TEXT_OR_UINT64_TEXT;
  const bp_str name = is_text ? request->user_id.as.text : BP_STR("");
  uint8_t memory[64];
  bp_cbor_writer out;
  bp_bytes item;
  (void)user;
  if (bp_cbor_is(name, "bob")) {
    answer_from_thread(asked, 5, "later");
    return;
  }
  if (bp_cbor_is(name, "cid")) {
    answer_from_thread(asked, 0, "thread");
    return;
  }
  bp_cbor_writer_fixed(&out, memory, sizeof memory);
  if (bp_cbor_is(name, "dan")) {
    bp_cbor_put_map(&out, 1);
    bp_cbor_put_string(&out, "user");
    bp_cbor_put_text(&out, name);
    bp_asked_fail(asked, 1234, BP_STR("no such user"), bp_cbor_view(&out));
    return;
  }
  bp_cbor_put_map(&out, 2);
  bp_cbor_put_string(&out, "age");
  bp_cbor_put_uint(&out, 42);
  bp_cbor_put_string(&out, "name");
  if (is_text) {
    bp_cbor_put_text(&out, name);
  } else {
    bp_cbor_put_uint(&out, request->user_id.as.uint64);
  }
  item = bp_cbor_view(&out);
  session_answer_profile_fetch(asked, &item);
}

static struct session_user named(const char* name) {
  struct session_user user;
  memset(&user, 0, sizeof user);
  user.user_id.kind = SESSION_TEXT_OR_UINT64_TEXT;
  user.user_id.as.text.data = name;
  user.user_id.as.text.size = strlen(name);
  return user;
}

static void show_user(const struct session_text_or_uint64* id) {
  if (id->kind == SESSION_TEXT_OR_UINT64_TEXT) {
    text_member("user_id", id->as.text);
  } else {
    uint_member("user_id", id->as.uint64);
  }
}

static void login(const struct session_client* session, const char* name, struct session_user user) {
  struct session_logged_in reply;
  bp_error error = {0};
  must(name, session_login(session, &user, NULL, &reply, &error), &error);
  printf("%s:", name);
  show_user(&reply.user_id);
  item_member("profile", reply.profile);
  end_line();
  session_logged_in_free(&reply);
}

static void login_fails(const struct session_client* session, const char* name, const char* user, int with_message) {
  const struct session_user request = named(user);
  struct session_logged_in reply;
  bp_error error = {0};
  session_login(session, &request, NULL, &reply, &error);
  show_error(name, &error, with_message);
  session_logged_in_free(&reply);
}

typedef struct login_event {
  signal_flag flag;
  char name[16];
} login_event;

static void on_logged_in(void* user, const struct session_user* event) {
  login_event* login_of = (login_event*)user;
  snprintf(login_of->name, sizeof login_of->name, "%s", event->user_id.as.text.data);
  raise_flag(&login_of->flag);
}

static void session_lines(const struct session_client* session) {
  struct session_user number = {{SESSION_TEXT_OR_UINT64_UINT64, {.uint64 = UINT64_MAX}}};
  login_event logged_in = {SIGNAL_FLAG, ""};
  bp_typed_handle *listener, *provided;
  bp_error error = {0};
  bp_str name;
  login_fails(session, "session.login alone", "ann", 0);
  must("profile.fetch", session_provide_profile_fetch(session, profile_fetch, NULL, &provided, &error), &error);
  must("session.logged_in", session_on_logged_in(session, on_logged_in, NULL, &logged_in, &listener, &error), &error);
  login(session, "session.login inline", named("ann"));
  await_flag(&logged_in.flag, "session.logged_in");
  name.data = logged_in.name;
  name.size = strlen(logged_in.name);
  printf("session.logged_in:");
  text_member("user_id", name);
  end_line();
  bp_typed_end(listener);
  login(session, "session.login number", number);
  login(session, "session.login later", named("bob"));
  login(session, "session.login thread", named("cid"));
  login_fails(session, "session.login failing", "dan", 1);
  bp_typed_end(provided);
  login_fails(session, "session.login withdrawn", "ann", 0);
}

/* ---- generator ---- */

static void generator_lines(const struct generator_client* generator) {
  static const uint8_t one[] = {1}, two[] = {0x63, 't', 'w', 'o'}, three[] = {0x41, 3}, four[] = {0x81, 4},
                       map[] = {0xa0};
  bp_bytes left[] = {{one, 1}, {two, 4}, {NULL, 0}}, right[] = {{three, 2}, {four, 2}, {map, 1}};
  int64_t numbers[] = {INT64_MIN, INT64_C(9007199254740993), 0};
  const struct generator_primes request = {5};
  const struct generator_lists lists = {{left, 3}, {right, 3}};
  const struct generator_chain chain = {3, {numbers, 3}};
  struct generator_prime part;
  struct generator_counted counted;
  struct generator_items items;
  struct generator_values values;
  bp_error error = {0};
  bp_pending call;
  size_t i;
  must("generator.primes", generator_primes_start(generator, &request, NULL, &call, &error), &error);
  while (generator_primes_next(call, 10000, &part, &counted, &error) == BP_PARTIAL) {
    printf("generator.primes part:");
    uint_member("prime", part.prime);
    end_line();
  }
  bp_call_free(call);
  must("generator.primes", error.status, &error);
  printf("generator.primes:");
  uint_member("count", counted.count);
  uint_member("last", counted.last);
  end_line();
  must("generator.zip", generator_zip(generator, &lists, NULL, &items, &error), &error);
  printf("generator.zip: items=[");
  for (i = 0; i < items.items.count; i++) {
    if (i != 0) printf(", ");
    show_item(items.items.items[i]);
  }
  putchar(']');
  end_line();
  generator_items_free(&items);
  must("generator.chain", generator_chain(generator, &chain, NULL, &values, &error), &error);
  printf("generator.chain: values=[");
  for (i = 0; i < values.values.count; i++) printf("%s%" PRId64, i != 0 ? ", " : "", values.values.items[i]);
  putchar(']');
  end_line();
  generator_values_free(&values);
}

/* ---- The end ---- */

typedef struct submitted_echo {
  signal_flag flag;
  char echoed[16];
} submitted_echo;

static void on_echoed(void* user, const struct timer_echoed* reply, const bp_error* error) {
  submitted_echo* call = (submitted_echo*)user;
  snprintf(call->echoed, sizeof call->echoed, "%s", error != NULL ? bp_status_name(error->status) : reply->echoed.data);
  raise_flag(&call->flag);
}

static void end_lines(bp_context context, const struct timer_client* timer, const struct generator_client* generator) {
  struct timer_message message = {BP_STR(""), 60000};
  const struct generator_primes primes = {3};
  const bp_call_options soon = {.timeout_ms = 20};
  submitted_echo both = {SIGNAL_FLAG, ""};
  fired_event fired = {SIGNAL_FLAG, "", 0};
  struct timer_echoed reply;
  struct generator_counted counted;
  bp_typed_handle* listener;
  bp_result report = {.struct_size = sizeof report};
  bp_error error = {0};
  bp_pending call;
  bp_str text;
  must("cancel", timer_echo_start(timer, &message, NULL, &call, &error), &error);
  sleep_ms(5);
  bp_call_cancel(call);
  timer_echo_wait(call, 10000, &reply, &error);
  show_error("cancel", &error, 0);
  bp_call_free(call);
  timer_echo(timer, &message, &soon, &reply, &error);
  show_error("deadline", &error, 0);

  message.message = BP_STR("both");
  message.delay_ms = 20;
  must("both", timer_echo_submit(timer, &message, NULL, on_echoed, &both, NULL, &error), &error);
  must("both", generator_primes_start(generator, &primes, NULL, &call, &error), &error);
  await_flag(&both.flag, "both");
  must("both", generator_primes_wait(call, 10000, &counted, &error), &error);
  bp_call_free(call);
  text.data = both.echoed;
  text.size = strlen(both.echoed);
  printf("both:");
  text_member("echoed", text);
  uint_member("last", counted.last);
  end_line();

  must("reload event", timer_on_echo_fired(timer, on_fired, NULL, &fired, &listener, &error), &error);
  must("reload", bp_module_reload(context, BP_STR("timer"), NULL, 0, &report), &error);
  bp_result_free(&report);
  message.message = BP_STR("again");
  message.delay_ms = 1;
  must("reload", timer_echo(timer, &message, NULL, &reply, &error), &error);
  printf("reload:");
  text_member("echoed", reply.echoed);
  end_line();
  timer_echoed_free(&reply);
  show_fired(&fired, "reload event");
  bp_typed_end(listener);
}

static int transcript(bp_context context) {
  struct echo_client echo;
  struct timer_client timer;
  struct kv_client kv;
  struct session_client session;
  struct generator_client generator;
  bp_error error = {0};
  must("interface echo", echo_open(context, &echo, &error), &error);
  printf("interface echo: hash=\"%s\"\n", ECHO_INTERFACE_HASH);
  must("interface timer", timer_open(context, &timer, &error), &error);
  printf("interface timer: hash=\"%s\"\n", TIMER_INTERFACE_HASH);
  must("interface kv", kv_open(context, &kv, &error), &error);
  printf("interface kv: hash=\"%s\"\n", KV_INTERFACE_HASH);
  must("interface session", session_open(context, &session, &error), &error);
  printf("interface session: hash=\"%s\"\n", SESSION_INTERFACE_HASH);
  must("interface generator", generator_open(context, &generator, &error), &error);
  printf("interface generator: hash=\"%s\"\n", GENERATOR_INTERFACE_HASH);
  echo_lines(&echo);
  timer_lines(&timer);
  kv_lines(&kv);
  session_lines(&session);
  generator_lines(&generator);
  end_lines(context, &timer, &generator);
  return 0;
}

static int killed(bp_context context, pid_t host) {
  struct timer_client timer;
  struct timer_message message = {BP_STR("before"), 1};
  struct timer_echoed reply;
  bp_error error = {0};
  bp_pending call;
  must("timer.echo", timer_open(context, &timer, &error), &error);
  must("timer.echo", timer_echo(&timer, &message, NULL, &reply, &error), &error);
  printf("timer.echo:");
  text_member("echoed", reply.echoed);
  end_line();
  timer_echoed_free(&reply);
  message.delay_ms = 60000;
  must("open call", timer_echo_start(&timer, &message, NULL, &call, &error), &error);
  sleep_ms(50);
  kill(host, SIGKILL);
  timer_echo_wait(call, 10000, &reply, &error);
  show_error("open call", &error, 0);
  bp_call_free(call);
  message.delay_ms = 1;
  timer_echo(&timer, &message, NULL, &reply, &error);
  show_error("later call", &error, 0);
  return 0;
}

int main(int count, char** arguments) {
  static const char* const modules[] = {"echo", "timer", "kv", "session", "generator"};
  const char* mode = count > 2 ? arguments[1] : "";
  bp_context context;
  bp_result why = {.struct_size = sizeof why};
  int code = 2;
  size_t i;
  if (strcmp(mode, "embedded") == 0) {
    bp_host_options options = {.struct_size = sizeof options};
    options.data_dir = getenv("BACKPLANE_DATA_DIR");
    if (bp_host_configure(&options, &why) != BP_OK || bp_context_create(NULL, &context, &why) != BP_OK) goto failed;
    for (i = 0; i < sizeof modules / sizeof *modules; i++) {
      char path[4096];
      bp_load_options load = {.struct_size = sizeof load};
      snprintf(path, sizeof path, "%s/%s.so", arguments[2], modules[i]);
      load.path = path;
      if (bp_module_load(context, &load, &why) != BP_OK) goto failed;
      bp_result_free(&why);
    }
    code = transcript(context);
  } else if (strcmp(mode, "connected") == 0 || (strcmp(mode, "killed") == 0 && count > 3)) {
    const bp_connect_options options = {.struct_size = sizeof options, .socket_path = arguments[2]};
    if (bp_context_connect(&options, &context, &why) != BP_OK) goto failed;
    code = strcmp(mode, "killed") == 0 ? killed(context, (pid_t)atoi(arguments[3])) : transcript(context);
  } else {
    fprintf(stderr, "expected embedded PLUGINS, connected SOCKET, or killed SOCKET PID\n");
    return code;
  }
  bp_context_destroy(context);
  return code;
failed:
  printf("error: %.*s\n", (int)why.message.size, why.message.data);
  return 1;
}
