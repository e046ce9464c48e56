/* SPDX-License-Identifier: Apache-2.0
 *
 * libuv: each instance has a loop with a thread. Requests are reversed on libuv's own pool, and answered from the loop.
 */
#define _POSIX_C_SOURCE 200809L /* uv.h uses pthread_rwlock_t */

#include <uv.h>

#include "plain.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=uv");
BP_MANIFEST("version=1");
BP_MANIFEST("provides=uv.work");
BP_MANIFEST("provides=uv.long");

typedef struct task {
  uv_work_t work;
  uv_timer_t timer;
  struct task* next;
  bp_token token;
  int is_long;
  size_t size;
  uint8_t data[];
} task;

typedef struct instance {
  uv_loop_t loop;
  uv_async_t wake;
  uv_thread_t thread;
  uv_mutex_t mutex;
  task* jobs; /* handed to the loop */
  int ends;
} instance;

static void reverse(uv_work_t* work) {
  task* job = work->data;
  for (size_t i = 0; i < job->size / 2; i++) {
    uint8_t byte = job->data[i];
    job->data[i] = job->data[job->size - 1 - i];
    job->data[job->size - 1 - i] = byte;
  }
}

static void reply(task* job, bp_status status) {
  bp_answer out = {.struct_size = sizeof out, .status = status};
  if (status == BP_OK) out.payload = (bp_bytes){job->data, job->size};
  host->reply(job->token, &out);
}

static void reversed(uv_work_t* work, int status) {
  reply(work->data, status == 0 ? BP_OK : BP_CANCELED);
  free(work->data);
}

static void freed(uv_handle_t* handle) { free(handle->data); }

static void rung(uv_timer_t* timer) {
  reply(timer->data, BP_OK);
  uv_close((uv_handle_t*)timer, freed);
}

static void close_each(uv_handle_t* handle, void* unused) {
  (void)unused;
  if (!uv_is_closing(handle)) uv_close(handle, handle->type == UV_TIMER ? freed : NULL);
}

static void woken(uv_async_t* wake) {
  instance* self = wake->data;
  uv_mutex_lock(&self->mutex);
  task* job = self->jobs;
  self->jobs = NULL;
  int ends = self->ends;
  uv_mutex_unlock(&self->mutex);
  while (job != NULL) {
    task* next = job->next;
    job->work.data = job->timer.data = job;
    if (job->is_long) {
      uv_timer_init(&self->loop, &job->timer);
      uv_timer_start(&job->timer, rung, 60000, 0);
    } else {
      uv_queue_work(&self->loop, &job->work, reverse, reversed);
    }
    job = next;
  }
  if (ends) uv_walk(&self->loop, close_each, NULL);
}

static void run(void* loop) { uv_run(loop, UV_RUN_DEFAULT); }

static bp_handled take(const bp_call* call) {
  instance* self = call->state;
  task* job = malloc(sizeof *job + call->payload.size);
  job->token = call->token;
  job->is_long = call->data != NULL;
  job->size = call->payload.size;
  memcpy(job->data, call->payload.data, job->size);
  uv_mutex_lock(&self->mutex);
  job->next = self->jobs;
  self->jobs = job;
  uv_mutex_unlock(&self->mutex);
  uv_async_send(&self->wake);
  return BP_LATER;
}

static bp_status instance_create(void* data, bp_instance* handle, void** state) {
  (void)handle;
  instance* self = calloc(1, sizeof *self);
  if (self == NULL || uv_loop_init(&self->loop) != 0) return unfit(data, "no loop");
  uv_async_init(&self->loop, &self->wake, woken);
  self->wake.data = self;
  uv_mutex_init(&self->mutex);
  uv_thread_create(&self->thread, run, &self->loop);
  *state = self;
  return BP_OK;
}

static void instance_destroy(void* state) {
  instance* self = state;
  uv_mutex_lock(&self->mutex);
  self->ends = 1;
  uv_mutex_unlock(&self->mutex);
  uv_async_send(&self->wake);
  uv_thread_join(&self->thread);
  uv_loop_close(&self->loop);
  uv_mutex_destroy(&self->mutex);
  free(self);
}

static bp_status init(const bp_host_api* api, bp_module* module, void** data) {
  use(api);
  *data = module;
  bp_handler_desc work = {.struct_size = sizeof work, .name = BP_STR("uv.work"), .handler = take};
  bp_handler_desc later = {.struct_size = sizeof later, .name = BP_STR("uv.long"), .handler = take, .data = data};
  bp_status status = host->register_handler(module, &work);
  return status == BP_OK ? host->register_handler(module, &later) : status;
}

BP_MODULE_ENTRY = {.struct_size = sizeof(bp_module_entry),
                   .abi_major = BP_ABI_MAJOR,
                   .abi_minor = BP_ABI_MINOR,
                   .init = init,
                   .instance_create = instance_create,
                   .instance_destroy = instance_destroy};
