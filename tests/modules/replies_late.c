/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers from a thread of its own. replies_late.after N answers N after N ms;
 * replies_late.race answers from the thread while the handler is still returning.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "testmod.h"

TM_MANIFEST("replies_late");
TM_PROVIDES("replies_late.after");
TM_PROVIDES("replies_late.race");

typedef struct job {
  struct job* next;
  pthread_t thread;
  bp_token token;
  uint64_t ms;
} job;

/* Every job of an instance; its threads are joined when the instance ends. */
typedef struct instance {
  job* jobs;
} instance;

static void* run(void* argument) {
  job* self = argument;
  struct timespec span = {(time_t)(self->ms / 1000), (long)(self->ms % 1000) * 1000000L};
  nanosleep(&span, NULL);
  tm_ok_number(self->token, self->ms);
  return NULL;
}

static bp_handled start(const bp_call* call, uint64_t ms) {
  instance* in = call->state;
  job* added = calloc(1, sizeof *added);
  if (added == NULL) return BP_DONE;
  added->token = call->token;
  added->ms = ms;
  if (pthread_create(&added->thread, NULL, run, added) != 0) {
    free(added);
    tm_error(call->token, BP_OUT_OF_MEMORY, "no thread");
    return BP_DONE;
  }
  added->next = in->jobs;
  in->jobs = added;
  return BP_LATER;
}

static bp_handled after(const bp_call* call) { return start(call, tm_number(call->payload)); }
static bp_handled race(const bp_call* call) { return start(call, 0); }

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  bp_status status = tm_register(module, "replies_late.after", after);
  if (status != BP_OK) return status;
  return tm_register(module, "replies_late.race", race);
}

static bp_status create(void* module_data, bp_instance* handle, void** state) {
  (void)module_data, (void)handle;
  *state = calloc(1, sizeof(instance));
  return *state != NULL ? BP_OK : BP_OUT_OF_MEMORY;
}

static void destroy(void* state) {
  instance* in = state;
  while (in->jobs != NULL) {
    job* first = in->jobs;
    in->jobs = first->next;
    pthread_join(first->thread, NULL);
    free(first);
  }
  free(in);
}
TM_ENTRY_WITH_STATE(init, NULL, create, destroy);
