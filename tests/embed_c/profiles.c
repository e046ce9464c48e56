/* SPDX-License-Identifier: Apache-2.0 */
#include "profiles.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "items.h"

typedef struct job {
  struct job* next;
  bp_context ctx;
  bp_token token;
  char user[32]; /* the payload's views end with the callback, so what is needed of it is copied */
} job;

struct profiles {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  job* first;
  job** last;
  bool ending;
  unsigned answered, refused;
  pthread_t thread;
};

static bp_status answer(const job* asked) {
  item profile;
  bp_answer reply = {sizeof reply, BP_OK, {NULL, 0}, {NULL, 0}, {NULL, 0}, NULL};
  if (strcmp(asked->user, "nobody") == 0) {
    reply.status = BP_NOT_FOUND;
    reply.message = BP_STR("there is no user nobody");
  } else {
    put_profile(begin(&profile), asked->user);
    reply.payload = view_of(&profile);
  }
  return bp_complete(asked->ctx, asked->token, &reply);
}

static void* run(void* argument) {
  profiles* self = argument;
  pthread_mutex_lock(&self->mutex);
  for (;;) {
    job* taken = self->first;
    if (taken == NULL) {
      if (self->ending) break;
      pthread_cond_wait(&self->changed, &self->mutex);
      continue;
    }
    self->first = taken->next;
    if (self->first == NULL) self->last = &self->first;
    pthread_mutex_unlock(&self->mutex);
    bp_status once = answer(taken);
    bp_status twice = answer(taken); /* must change nothing */
    free(taken);
    pthread_mutex_lock(&self->mutex);
    self->answered += once == BP_OK;
    self->refused += twice == BP_STALE_TOKEN;
  }
  pthread_mutex_unlock(&self->mutex);
  return NULL;
}

profiles* profiles_start(void) {
  profiles* self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->last = &self->first;
  pthread_mutex_init(&self->mutex, NULL);
  pthread_cond_init(&self->changed, NULL);
  if (pthread_create(&self->thread, NULL, run, self) == 0) return self;
  pthread_cond_destroy(&self->changed);
  pthread_mutex_destroy(&self->mutex);
  free(self);
  return NULL;
}

void profiles_stop(profiles* self, unsigned* answered, unsigned* refused) {
  pthread_mutex_lock(&self->mutex);
  self->ending = true;
  pthread_cond_signal(&self->changed);
  pthread_mutex_unlock(&self->mutex);
  pthread_join(self->thread, NULL);
  *answered = self->answered;
  *refused = self->refused;
  pthread_cond_destroy(&self->changed);
  pthread_mutex_destroy(&self->mutex);
  free(self);
}

void profiles_fetch(void* user, bp_context ctx, bp_token token, bp_str name, bp_bytes payload) {
  profiles* self = user;
  (void)name;
  job* added = calloc(1, sizeof *added);
  if (added == NULL || !get_user(payload, added->user, sizeof added->user)) {
    bp_answer reply = {sizeof reply, BP_BAD_PAYLOAD, {NULL, 0}, BP_STR("expected {user_id: text}"), {NULL, 0}, NULL};
    bp_complete(ctx, token, &reply);
    free(added);
    return;
  }
  added->ctx = ctx;
  added->token = token;
  pthread_mutex_lock(&self->mutex);
  *self->last = added;
  self->last = &added->next;
  pthread_cond_signal(&self->changed);
  pthread_mutex_unlock(&self->mutex);
}
