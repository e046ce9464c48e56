/* SPDX-License-Identifier: Apache-2.0
 *
 * serve SOCKET MODULE…: an application in C whose host answers the command line. It logs into its own stream, and ends
 * when somebody asks it to:
 *
 *   ./serve app.sock build/plugins/echo.so &
 *   backplane call --socket app.sock echo.shout '{"text": "hello"}'
 *   backplane stop --socket app.sock
 */
#include <backplane/backplane.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* What the callbacks use. It must stay until the context is gone. */
typedef struct app {
  pthread_mutex_t mutex;
  pthread_cond_t asked_to_end;
  int ends;
} app;

static int failed(const char* what, bp_result* why) {
  fprintf(stderr, "%s: %s: %.*s\n", what, bp_status_name(why->status), (int)why->message.size, why->message.data);
  bp_result_free(why);
  return 1;
}

static void on_log(void* user, const bp_log_line* line) {
  fprintf(user, "app: %.*s: %.*s\n", (int)line->where.size, line->where.data, (int)line->text.size, line->text.data);
}

/* On a thread of the server, which must not wait: main does the rest. */
static void on_stop(void* user) {
  app* self = user;
  pthread_mutex_lock(&self->mutex);
  self->ends = 1;
  pthread_cond_signal(&self->asked_to_end);
  pthread_mutex_unlock(&self->mutex);
}

/* Also if a handler did not return in time, and bp_context_destroy did not wait for it. */
static void on_gone(void* user) {
  puts("the context is gone");
  free(user);
}

int main(int argc, char** argv) {
  bp_context ctx;
  bp_serving serving;
  bp_result why = {.struct_size = sizeof why};
  app* self = malloc(sizeof *self);
  if (argc < 3 || self == NULL) return fprintf(stderr, "usage: serve SOCKET MODULE…\n"), 2;
  pthread_mutex_init(&self->mutex, NULL);
  pthread_cond_init(&self->asked_to_end, NULL);
  self->ends = 0;

  bp_log_to(on_log, stdout);
  bp_log_level(BP_LOG_INFO);
  if (bp_context_create(NULL, &ctx, &why) != BP_OK) return failed("create", &why);
  bp_context_then(ctx, BP_CONTEXT_GONE, on_gone, self);
  for (int i = 2; i < argc; i++) {
    bp_load_options load = {.struct_size = sizeof load, .path = argv[i]};
    if (bp_module_load(ctx, &load, &why) != BP_OK) return failed(argv[i], &why);
    bp_result_free(&why);
  }
  bp_serve_options options = {.struct_size = sizeof options, .on_stop = on_stop, .user = self};
  if (bp_context_serve(ctx, argv[1], &options, &serving, &why) != BP_OK) return failed("serve", &why);
  puts("serving");
  fflush(stdout);

  pthread_mutex_lock(&self->mutex);
  while (!self->ends) pthread_cond_wait(&self->asked_to_end, &self->mutex);
  pthread_mutex_unlock(&self->mutex);

  bp_serving_end(serving, 1000); /* peers have a second to finish */
  bp_context_destroy(ctx);       /* on_gone frees what on_stop uses */
  bp_log_to(NULL, NULL);
  return 0;
}
