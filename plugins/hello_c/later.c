/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers that come later. A handler that cannot answer yet keeps the call's token and returns BP_LATER. Any thread may
 * then answer with the token. Here, each instance has one thread, which sleeps until the next answer is due.
 */
#define _POSIX_C_SOURCE 200809L /* before any header: clocks of condition variables */

#include <backplane/cbor.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "hello_c.h"

typedef struct job {
  struct job* next;
  bp_token token; /* the only part of a call that is valid after the handler has returned */
  uint64_t delay_ms;
  struct timespec due;
} job;

struct later {
  pthread_mutex_t mutex;
  pthread_cond_t changed; /* the first job has changed, or `ending` is set */
  job* jobs;              /* earliest first */
  bool ending;
  bool started; /* only the request thread uses it */
  pthread_t thread;
};

static bool earlier(const struct timespec* a, const struct timespec* b) {
  return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static void answer(const job* done) {
  char text[32];
  int size = snprintf(text, sizeof text, "%u ms later", (unsigned)done->delay_ms);
  hello_reply(done->token, BP_STR("Hello"), (bp_str){text, (size_t)size});
}

static void* run(void* argument) {
  later* self = argument;
  pthread_mutex_lock(&self->mutex);
  while (!self->ending) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    job* first = self->jobs;
    if (first == NULL) {
      pthread_cond_wait(&self->changed, &self->mutex);
    } else if (earlier(&now, &first->due)) {
      struct timespec due = first->due;
      pthread_cond_timedwait(&self->changed, &self->mutex, &due);
    } else {
      self->jobs = first->next;
      /* Never call the host with a lock held. */
      pthread_mutex_unlock(&self->mutex);
      answer(first);
      free(first);
      pthread_mutex_lock(&self->mutex);
    }
  }
  pthread_mutex_unlock(&self->mutex);
  return NULL;
}

static bool start(later* self) {
  if (!self->started) self->started = pthread_create(&self->thread, NULL, run, self) == 0;
  return self->started;
}

static void insert(later* self, job* added) {
  pthread_mutex_lock(&self->mutex);
  job** at = &self->jobs;
  while (*at != NULL && !earlier(&added->due, &(*at)->due)) at = &(*at)->next;
  added->next = *at;
  *at = added;
  pthread_cond_signal(&self->changed);
  pthread_mutex_unlock(&self->mutex);
}

later* later_new(void) {
  later* self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&self->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_mutex_init(&self->mutex, NULL);
  return self;
}

void later_free(later* self) {
  if (self->started) {
    pthread_mutex_lock(&self->mutex);
    self->ending = true;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->mutex);
    pthread_join(self->thread, NULL);
  }
  /* The remaining jobs belong to canceled calls, which the host has answered. */
  while (self->jobs != NULL) {
    job* next = self->jobs->next;
    free(self->jobs);
    self->jobs = next;
  }
  pthread_cond_destroy(&self->changed);
  pthread_mutex_destroy(&self->mutex);
  free(self);
}

bp_handled later_handle(later* self, const bp_call* call) {
  bp_cbor_reader in;
  uint64_t delay_ms;
  bp_cbor_begin(&in, call->payload);
  if (!bp_cbor_get_uint(&in, &delay_ms) || !bp_cbor_end(&in) || delay_ms > DELAY_MAX_MS) {
    hello_refuse_payload(call, "the delay in milliseconds, one CBOR number of 0 to 60000");
    return BP_DONE;
  }
  job* added = calloc(1, sizeof *added);
  if (added == NULL || !start(self)) {
    free(added);
    hello_refuse(call->token, BP_OUT_OF_MEMORY, BP_STR("out of memory or threads for a later answer"));
    return BP_DONE;
  }
  added->token = call->token;
  added->delay_ms = delay_ms;
  clock_gettime(CLOCK_MONOTONIC, &added->due);
  added->due.tv_sec += (time_t)(delay_ms / 1000);
  added->due.tv_nsec += (long)(delay_ms % 1000) * 1000000L;
  if (added->due.tv_nsec >= 1000000000L) {
    added->due.tv_sec++;
    added->due.tv_nsec -= 1000000000L;
  }
  insert(self, added);
  return BP_LATER; /* the thread may already have answered */
}
