/* SPDX-License-Identifier: Apache-2.0
 *
 * What the host's threads tell: replies, events, calls of host functions. Their callbacks are plain C. They copy what
 * they get into a queue and never take the GIL, so Python cannot stall the host, and no Python object is freed there. A
 * thread of Python takes the items; see take() in module.h.
 */
#ifndef BACKPLANE_PYTHON_QUEUE_H
#define BACKPLANE_PYTHON_QUEUE_H

#include <backplane/backplane.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  BPP_REPLY = 1,    /* of a call; status may be BP_PARTIAL */
  BPP_CREDIT = 2,   /* the handler has taken parts of the request */
  BPP_EVENT = 3,    /* an event, or a gap */
  BPP_FUNCTION = 4, /* a handler calls a host function */
  BPP_STOP = 5      /* a peer of a serving asks the application to end */
};

struct bpp_listening;

/* The texts follow it in the same memory: name, payload, message, detail. */
typedef struct bpp_item {
  struct bpp_item* next;
  struct bpp_listening* listening; /* of an event: it is counted there until it is taken */
  uint64_t key;                    /* what Python knows it by */
  uint64_t first, second;          /* token and context; emitted_ms and lost */
  int32_t status;
  uint32_t kind, flags;
  size_t name, payload, message, detail; /* sizes */
} bpp_item;

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t filled; /* an item came, or wake() */
  pthread_cond_t taken;  /* events were taken, or a listener ends */
  bpp_item *first, **last;
  int woken;
} bpp_queue = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, NULL, 0};

static bpp_item* bpp_item_new(uint32_t kind, uint64_t key, bp_str name, bp_bytes payload, bp_str message,
                              bp_bytes detail) {
  bpp_item* item = malloc(sizeof *item + name.size + payload.size + message.size + detail.size);
  char* to = (char*)(item + 1);
  if (item == NULL) return NULL;
  memset(item, 0, sizeof *item);
  item->kind = kind;
  item->key = key;
  item->name = name.size;
  item->payload = payload.size;
  item->message = message.size;
  item->detail = detail.size;
  if (name.size != 0) memcpy(to, name.data, name.size);
  if (payload.size != 0) memcpy(to + name.size, payload.data, payload.size);
  if (message.size != 0) memcpy(to + name.size + payload.size, message.data, message.size);
  if (detail.size != 0) memcpy(to + name.size + payload.size + message.size, detail.data, detail.size);
  return item;
}

static const bp_str bpp_no_text = {"", 0};
static const bp_bytes bpp_no_bytes = {(const uint8_t*)"", 0};

/* Only under the mutex. */
static void bpp_push_locked(bpp_item* item) {
  item->next = NULL;
  if (bpp_queue.first == NULL) {
    bpp_queue.first = item;
    pthread_cond_signal(&bpp_queue.filled);
  } else {
    *bpp_queue.last = item;
  }
  bpp_queue.last = &item->next;
}
static void bpp_push(bpp_item* item) {
  pthread_mutex_lock(&bpp_queue.mutex);
  bpp_push_locked(item);
  pthread_mutex_unlock(&bpp_queue.mutex);
}

/* Ends a wait for items that is under way or comes next. */
static void bpp_wake(void) {
  pthread_mutex_lock(&bpp_queue.mutex);
  bpp_queue.woken = 1;
  pthread_cond_broadcast(&bpp_queue.filled);
  pthread_mutex_unlock(&bpp_queue.mutex);
}

/* Waits for items, for `timeout_ms` at most, and returns all there are. */
static bpp_item* bpp_take_all(uint64_t timeout_ms) {
  struct timespec until;
  bpp_item* items;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += (time_t)(timeout_ms / 1000);
  until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000;
  }
  pthread_mutex_lock(&bpp_queue.mutex);
  while (bpp_queue.first == NULL && bpp_queue.woken == 0) {
    if (pthread_cond_timedwait(&bpp_queue.filled, &bpp_queue.mutex, &until) != 0) break;
  }
  bpp_queue.woken = 0;
  items = bpp_queue.first;
  bpp_queue.first = NULL;
  pthread_mutex_unlock(&bpp_queue.mutex);
  return items;
}

/* ---- Calls -------------------------------------------------------------------------------- */

/* A call, until its terminal reply. The reply needs some item, also without memory. */
typedef struct bpp_calling {
  uint64_t key;
  bpp_item* spare;
} bpp_calling;

static void bpp_on_reply(void* user, const bp_answer* answer) {
  bpp_calling* calling = user;
  const int is_last = answer->status != BP_PARTIAL && answer->status != BP_STALE;
  bpp_item* item;
  if (answer->status == BP_STALE) return;
  item = bpp_item_new(BPP_REPLY, calling->key, bpp_no_text, answer->payload, answer->message, answer->detail);
  if (item != NULL) {
    item->status = answer->status;
  } else if (is_last) {
    item = calling->spare;
    item->status = BP_OUT_OF_MEMORY;
    calling->spare = NULL;
  }
  if (item != NULL) bpp_push(item);
  if (!is_last) return;
  free(calling->spare);
  free(calling);
}

static void bpp_on_credit(void* user, uint64_t bytes) {
  bpp_calling* calling = user;
  bpp_item* item = bpp_item_new(BPP_CREDIT, calling->key, bpp_no_text, bpp_no_bytes, bpp_no_text, bpp_no_bytes);
  if (item == NULL) return; /* the sender looks again after a while */
  item->first = bytes;
  bpp_push(item);
}

static bp_status bpp_submit(bp_context ctx, uint64_t key, bp_submission* submission, bp_request* request) {
  bpp_calling* calling = malloc(sizeof *calling);
  bp_status status = BP_OUT_OF_MEMORY;
  request->id = 0;
  if (calling == NULL) return status;
  calling->key = key;
  calling->spare = bpp_item_new(BPP_REPLY, key, bpp_no_text, bpp_no_bytes, bpp_no_text, bpp_no_bytes);
  if (calling->spare != NULL) {
    submission->on_reply = bpp_on_reply;
    submission->on_credit = (submission->flags & BP_SUBMIT_PARTS) != 0 ? bpp_on_credit : NULL;
    submission->user = calling;
    status = bp_submit(ctx, submission, request);
  }
  if (status == BP_OK) return status;
  free(calling->spare);
  free(calling);
  return status;
}

/* ---- Events ------------------------------------------------------------------------------- */

/* A subscription. It is freed when it has ended and none of its events is in the queue. */
typedef struct bpp_listening {
  uint64_t key;
  uint64_t bound;  /* bytes that may wait for Python; beyond, events are lost, or wait */
  int waits;       /* lossless without credit: the host's thread waits for room */
  uint64_t held;   /* bytes that wait; all of these under the queue's mutex */
  uint64_t lost;   /* since the last event that was taken */
  uint64_t since;  /* when the first of these was emitted */
  uint64_t owners; /* its subscription, and its events in the queue */
  int ended;
} bpp_listening;

static void bpp_let_go_locked(bpp_listening* listening) {
  if (--listening->owners == 0) free(listening);
}

static bpp_item* bpp_gap_item(bpp_listening* listening) {
  bpp_item* gap =
      bpp_item_new(BPP_EVENT, listening->key, BP_STR("backplane.gap"), bpp_no_bytes, bpp_no_text, bpp_no_bytes);
  if (gap == NULL) return NULL;
  gap->flags = BP_EVENT_GAP;
  gap->first = listening->since;
  gap->second = listening->lost;
  listening->lost = 0;
  return gap;
}

static void bpp_on_event(void* user, const bp_event* event) {
  bpp_listening* listening = user;
  const uint64_t size = sizeof(bpp_item) + event->name.size + event->payload.size;
  bpp_item *item = NULL, *gap = NULL;
  pthread_mutex_lock(&bpp_queue.mutex);
  while (listening->waits && !listening->ended && listening->held != 0 && listening->held + size > listening->bound) {
    pthread_cond_wait(&bpp_queue.taken, &bpp_queue.mutex);
  }
  if (!listening->ended && (listening->held == 0 || listening->held + size <= listening->bound)) {
    if (listening->lost != 0) gap = bpp_gap_item(listening);
    if (listening->lost == 0)
      item = bpp_item_new(BPP_EVENT, listening->key, event->name, event->payload, bpp_no_text, bpp_no_bytes);
  }
  if (gap != NULL) bpp_push_locked(gap);
  if (item != NULL) {
    item->listening = listening;
    item->flags = event->flags;
    item->first = event->emitted_ms;
    item->second = event->lost;
    listening->held += size;
    listening->owners++;
    bpp_push_locked(item);
  } else if (!listening->ended) {
    if (listening->lost == 0) listening->since = event->emitted_ms;
    listening->lost += (event->flags & BP_EVENT_GAP) != 0 ? event->lost : 1;
  }
  pthread_mutex_unlock(&bpp_queue.mutex);
  if (item == NULL) (void)bp_event_drop(event);
}

/* Python has taken the event. A gap that no later event brings comes now. */
static void bpp_event_taken(bpp_item* item) {
  bpp_listening* listening = item->listening;
  if (listening == NULL) return;
  pthread_mutex_lock(&bpp_queue.mutex);
  listening->held -= sizeof(bpp_item) + item->name + item->payload;
  if (listening->held == 0 && listening->lost != 0 && !listening->ended) {
    bpp_item* gap = bpp_gap_item(listening);
    if (gap != NULL) bpp_push_locked(gap);
  }
  if (listening->waits) pthread_cond_broadcast(&bpp_queue.taken);
  bpp_let_go_locked(listening);
  pthread_mutex_unlock(&bpp_queue.mutex);
}

static bp_status bpp_subscribe(bp_context ctx, uint64_t key, bp_subscription* subscription, uint64_t bound, int waits,
                               bp_listener* out, bpp_listening** state) {
  bp_status status;
  *state = calloc(1, sizeof **state);
  if (*state == NULL) return BP_OUT_OF_MEMORY;
  (*state)->key = key;
  (*state)->bound = bound;
  (*state)->waits = waits;
  (*state)->owners = 1;
  subscription->on_event = bpp_on_event;
  subscription->user = *state;
  status = bp_subscribe(ctx, subscription, out);
  if (status != BP_OK) free(*state);
  return status;
}

/* Ends a subscription. `gone`: its context has been destroyed, so no callback can come. If neither is sure, the state
 * stays: a callback may still use it. */
static bp_status bpp_unlisten(bp_context ctx, bp_listener listener, bpp_listening* state, int gone) {
  bp_status status;
  pthread_mutex_lock(&bpp_queue.mutex);
  state->ended = 1;
  pthread_cond_broadcast(&bpp_queue.taken);
  pthread_mutex_unlock(&bpp_queue.mutex);
  status = bp_unlisten(ctx, listener);
  if (status != BP_OK && !gone) return status;
  pthread_mutex_lock(&bpp_queue.mutex);
  bpp_let_go_locked(state);
  pthread_mutex_unlock(&bpp_queue.mutex);
  return status;
}

/* ---- Host functions ----------------------------------------------------------------------- */

/* `user` is the key itself: there is nothing to free. */
static void bpp_on_function(void* user, bp_context ctx, bp_token token, bp_str name, bp_bytes payload) {
  bpp_item* item = bpp_item_new(BPP_FUNCTION, (uint64_t)(uintptr_t)user, name, payload, bpp_no_text, bpp_no_bytes);
  if (item == NULL) {
    bp_answer answer;
    memset(&answer, 0, sizeof answer);
    answer.struct_size = sizeof answer;
    answer.status = BP_OUT_OF_MEMORY;
    (void)bp_complete(ctx, token, &answer);
    return;
  }
  item->first = token;
  item->second = ctx.id;
  bpp_push(item);
}

static void bpp_on_stop(void* user) {
  bpp_item* item =
      bpp_item_new(BPP_STOP, (uint64_t)(uintptr_t)user, bpp_no_text, bpp_no_bytes, bpp_no_text, bpp_no_bytes);
  if (item != NULL) bpp_push(item);
}

#endif /* BACKPLANE_PYTHON_QUEUE_H */
