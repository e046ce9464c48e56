/* SPDX-License-Identifier: Apache-2.0
 *
 * Offers the host function late.answer, which answers "late" from a thread of its own as soon as the file
 * that the environment variable BP_TEST_LATE names is there.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../../modules/testmod.h"

TM_MANIFEST("late_offer");
BP_MANIFEST("offers=late.answer");

/* One call at a time. */
static pthread_t thread;
static int started;
static bp_token token;

static void* wait_for_file(void* nothing) {
  const char* path = getenv("BP_TEST_LATE");
  struct timespec tick = {0, 1000000};
  while (path != NULL && access(path, F_OK) != 0) nanosleep(&tick, NULL);
  tm_ok(token, "late");
  return nothing;
}

static void answer(const bp_call* call) {
  if (started) pthread_join(thread, NULL);
  token = call->token;
  started = pthread_create(&thread, NULL, wait_for_file, NULL) == 0;
  if (!started) tm_error(call->token, BP_ERROR, "no thread");
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  return tm_offer(module, "late.answer", answer);
}

static void destroy(void* state) {
  (void)state;
  if (started) pthread_join(thread, NULL);
  started = 0;
}
TM_ENTRY_WITH_STATE(init, NULL, NULL, destroy);
