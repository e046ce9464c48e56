/* SPDX-License-Identifier: Apache-2.0
 *
 * GLib: each instance has a main context with a thread. Requests run there as sources: a regular expression turns
 * each `name@place` into `place at name`. No type is registered with GObject: a type can never be taken back.
 */
#include <glib.h>

#include "plain.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=glib");
BP_MANIFEST("version=1");
BP_MANIFEST("provides=glib.work");
BP_MANIFEST("provides=glib.long");

typedef struct instance {
  GMainContext* context;
  GMainLoop* loop;
  GThread* thread;
  GRegex* pattern;
} instance;

typedef struct task {
  instance* self;
  bp_token token;
  GString* text;
} task;

static void reply(bp_token token, bp_status status, const char* text, gsize size) {
  bp_answer out = {.struct_size = sizeof out, .status = status, .payload = {(const uint8_t*)text, size}};
  host->reply(token, &out);
}

static gboolean replaced(gpointer data) {
  task* job = data;
  char* text = g_regex_replace(job->self->pattern, job->text->str, (gssize)job->text->len, 0, "\\2 at \\1", 0, NULL);
  reply(job->token, text != NULL ? BP_OK : BP_ERROR, text, text != NULL ? strlen(text) : 0);
  g_free(text);
  return G_SOURCE_REMOVE;
}

static void job_free(gpointer data) {
  task* job = data;
  g_string_free(job->text, TRUE);
  g_free(job);
}

static bp_handled take(const bp_call* call) {
  instance* self = call->state;
  task* job = g_new(task, 1);
  job->self = self;
  job->token = call->token;
  job->text = g_string_new_len((const char*)call->payload.data, (gssize)call->payload.size);
  GSource* source = call->data != NULL ? g_timeout_source_new_seconds(60) : g_idle_source_new();
  g_source_set_callback(source, replaced, job, job_free);
  g_source_attach(source, self->context);
  g_source_unref(source);
  return BP_LATER;
}

static gpointer run(gpointer data) {
  instance* self = data;
  g_main_context_push_thread_default(self->context);
  g_main_loop_run(self->loop);
  g_main_context_pop_thread_default(self->context);
  return NULL;
}

static bp_status instance_create(void* data, bp_instance* handle, void** state) {
  (void)data, (void)handle;
  instance* self = g_new0(instance, 1);
  self->pattern = g_regex_new("(\\w+)@(\\w+)", G_REGEX_OPTIMIZE, 0, NULL);
  self->context = g_main_context_new();
  self->loop = g_main_loop_new(self->context, FALSE);
  self->thread = g_thread_new("glib module", run, self);
  *state = self;
  return BP_OK;
}

static gboolean quit(gpointer loop) {
  g_main_loop_quit(loop);
  return G_SOURCE_REMOVE;
}

static void instance_destroy(void* state) {
  instance* self = state;
  GSource* source = g_idle_source_new();
  g_source_set_callback(source, quit, self->loop, NULL);
  g_source_attach(source, self->context);
  g_source_unref(source);
  g_thread_join(self->thread);
  g_main_loop_unref(self->loop);
  g_main_context_unref(self->context); /* destroys what is left in it */
  g_regex_unref(self->pattern);
  g_free(self);
}

static bp_status init(const bp_host_api* api, bp_module* module, void** data) {
  use(api);
  *data = module;
  bp_handler_desc work = {.struct_size = sizeof work, .name = BP_STR("glib.work"), .handler = take};
  bp_handler_desc later = {.struct_size = sizeof later, .name = BP_STR("glib.long"), .handler = take, .data = data};
  bp_status status = host->register_handler(module, &work);
  return status == BP_OK ? host->register_handler(module, &later) : status;
}

BP_MODULE_ENTRY = {.struct_size = sizeof(bp_module_entry),
                   .abi_major = BP_ABI_MAJOR,
                   .abi_minor = BP_ABI_MINOR,
                   .init = init,
                   .instance_create = instance_create,
                   .instance_destroy = instance_destroy};
