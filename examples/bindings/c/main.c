/* SPDX-License-Identifier: Apache-2.0
 *
 * The module timer, from generated C: see README.md beside this file.
 */
#include <stdio.h>

#include "timer.h"

static void on_fired(void* user, const struct timer_echo_fired* event) {
  (void)user;
  printf("event: %s, number %llu\n", event->message.data, (unsigned long long)event->echo_count);
}

static void on_echoed(void* user, const struct timer_echoed* reply, const bp_error* error) {
  (void)user;
  printf("callback: %s\n", error != NULL ? error->message.data : reply->echoed.data);
}

static int fail(const char* what, bp_error* error) {
  fprintf(stderr, "%s: %s\n", what, error->message.data);
  bp_error_free(error);
  return 1;
}

int main(int count, char** arguments) {
  bp_context context;
  bp_result why = {.struct_size = sizeof why};
  bp_load_options load = {.struct_size = sizeof load, .path = count > 1 ? arguments[1] : "timer.so"};
  struct timer_client timer;
  struct timer_message message = {BP_STR("hello"), 10};
  struct timer_echoed reply;
  bp_typed_handle* listener;
  bp_error error = {0};

  if (bp_context_create(NULL, &context, &why) != BP_OK || bp_module_load(context, &load, &why) != BP_OK) {
    fprintf(stderr, "%.*s\n", (int)why.message.size, why.message.data);
    return 1;
  }
  bp_result_free(&why);
  if (timer_open(context, &timer, &error) != BP_OK) return fail("timer", &error);

  /* A typed event listener. */
  if (timer_on_echo_fired(&timer, on_fired, NULL, NULL, &listener, &error) != BP_OK) return fail("listen", &error);

  /* An asynchronous call with a callback, and one that waits. */
  if (timer_echo_submit(&timer, &message, NULL, on_echoed, NULL, NULL, &error) != BP_OK) return fail("submit", &error);
  message.message = BP_STR("again");
  message.delay_ms = 20;
  if (timer_echo(&timer, &message, NULL, &reply, &error) != BP_OK) return fail("echo", &error);
  printf("answer: %s by %s\n", reply.echoed.data, reply.timer_name.data);
  timer_echoed_free(&reply);

  /* An error has a status, and a message for people. */
  message.delay_ms = 60001;
  if (timer_echo(&timer, &message, NULL, &reply, &error) == BP_INVALID_ARGUMENT) printf("%s\n", error.message.data);
  bp_error_free(&error);

  bp_context_stop(context, 1000); /* events that were emitted are delivered */
  bp_typed_end(listener);
  bp_context_destroy(context);
  return 0;
}
