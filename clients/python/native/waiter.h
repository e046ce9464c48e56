/* SPDX-License-Identifier: Apache-2.0
 *
 * A call whose caller waits for its answer without the GIL. It spins for a while before it sleeps, as bp_call_sync
 * does. It can also wake now and then, for the signal handlers of Python, which bp_call_sync cannot.
 */
#ifndef BACKPLANE_PYTHON_WAITER_H
#define BACKPLANE_PYTHON_WAITER_H

#include <backplane/backplane.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BPP_SPIN_NS = 50000, BPP_INLINE = 512 };

typedef struct bpp_waiter {
  pthread_mutex_t mutex;
  pthread_cond_t came;
  int done, owners; /* atomic: the caller, and the call until its terminal reply */
  bp_status status;
  bp_bytes payload, message, detail; /* in `bytes` or `memory` */
  uint8_t* memory;
  uint8_t bytes[BPP_INLINE];
} bpp_waiter;

/* The length of the next spin. One without success halves it, a successful one restores it. */
static int64_t bpp_spin_ns = BPP_SPIN_NS;

static int64_t bpp_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* One that is free, for the next call: to make one takes as long as the codec of a small request. */
static bpp_waiter* bpp_spare_waiter;

static bpp_waiter* bpp_waiter_new(void) {
  bpp_waiter* made = __atomic_exchange_n(&bpp_spare_waiter, NULL, __ATOMIC_ACQUIRE);
  pthread_condattr_t monotonic;
  if (made == NULL) {
    made = malloc(sizeof *made);
    if (made == NULL) return NULL;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&made->came, &monotonic);
    pthread_condattr_destroy(&monotonic);
  }
  memset(&made->done, 0, offsetof(bpp_waiter, bytes) - offsetof(bpp_waiter, done));
  made->owners = 2;
  return made;
}

static void bpp_waiter_free(bpp_waiter* waiter) {
  if (__atomic_sub_fetch(&waiter->owners, 1, __ATOMIC_ACQ_REL) != 0) return;
  free(waiter->memory);
  waiter = __atomic_exchange_n(&bpp_spare_waiter, waiter, __ATOMIC_ACQ_REL);
  if (waiter == NULL) return;
  pthread_cond_destroy(&waiter->came);
  pthread_mutex_destroy(&waiter->mutex);
  free(waiter);
}

static bp_bytes bpp_waiter_keep(uint8_t** to, const void* data, size_t size) {
  bp_bytes kept;
  kept.data = *to;
  kept.size = size;
  if (size != 0) memcpy(*to, data, size);
  *to += size;
  return kept;
}

static void bpp_waiter_reply(void* user, const bp_answer* answer) {
  bpp_waiter* waiter = user;
  const size_t size = answer->payload.size + answer->message.size + answer->detail.size;
  uint8_t* to = waiter->bytes;
  if (answer->status == BP_PARTIAL || answer->status == BP_STALE) return;
  waiter->status = answer->status;
  if (size > BPP_INLINE) to = waiter->memory = malloc(size);
  if (to != NULL) {
    waiter->payload = bpp_waiter_keep(&to, answer->payload.data, answer->payload.size);
    waiter->message = bpp_waiter_keep(&to, answer->message.data, answer->message.size);
    waiter->detail = bpp_waiter_keep(&to, answer->detail.data, answer->detail.size);
  } else {
    waiter->status = BP_OUT_OF_MEMORY;
  }
  pthread_mutex_lock(&waiter->mutex);
  __atomic_store_n(&waiter->done, 1, __ATOMIC_RELEASE);
  pthread_cond_signal(&waiter->came);
  pthread_mutex_unlock(&waiter->mutex);
  bpp_waiter_free(waiter);
}

static int bpp_waiter_done(bpp_waiter* waiter) { return __atomic_load_n(&waiter->done, __ATOMIC_ACQUIRE); }

/* Spins. Gives way after 2 us, as the other thread may have been woken on this core, and then rarely: that takes a
 * third of a microsecond in which nothing is seen. */
static void bpp_waiter_spin(bpp_waiter* waiter) {
  const int64_t length = __atomic_load_n(&bpp_spin_ns, __ATOMIC_RELAXED);
  const int64_t begin = bpp_now();
  int64_t passed = 0, gives_way = 2000;
  unsigned turns = 0;
  if (length < 500) {
    __atomic_store_n(&bpp_spin_ns, length + 10, __ATOMIC_RELAXED); /* a later call tries again */
    return;
  }
  while (!bpp_waiter_done(waiter)) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
    if ((++turns & 31) != 0) continue;
    passed = bpp_now() - begin;
    if (passed > length) {
      __atomic_store_n(&bpp_spin_ns, length / 2, __ATOMIC_RELAXED);
      return;
    }
    if (passed < gives_way) continue;
    sched_yield();
    gives_way = passed + 10000;
  }
  __atomic_store_n(&bpp_spin_ns, BPP_SPIN_NS, __ATOMIC_RELAXED);
}

/* Sleeps until the answer is there, for `timeout_ms` at most; BP_FOREVER: no bound. Returns whether it is there. */
static int bpp_waiter_sleep(bpp_waiter* waiter, uint64_t timeout_ms) {
  struct timespec until;
  if (bpp_waiter_done(waiter)) return 1;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += (time_t)(timeout_ms / 1000 % 1000000);
  until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000;
  }
  pthread_mutex_lock(&waiter->mutex);
  while (!bpp_waiter_done(waiter)) {
    if (timeout_ms == BP_FOREVER) {
      pthread_cond_wait(&waiter->came, &waiter->mutex);
    } else if (pthread_cond_timedwait(&waiter->came, &waiter->mutex, &until) != 0) {
      break;
    }
  }
  pthread_mutex_unlock(&waiter->mutex);
  return bpp_waiter_done(waiter);
}

#endif /* BACKPLANE_PYTHON_WAITER_H */
