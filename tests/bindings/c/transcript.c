/* SPDX-License-Identifier: Apache-2.0
 *
 * The transcript in C: see tests/bindings/transcript/README.md.
 */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>

#include "transcript.h"

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
