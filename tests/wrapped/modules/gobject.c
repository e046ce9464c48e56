/* SPDX-License-Identifier: Apache-2.0
 *
 * GObject: a class of its own, with a method that other classes could replace. GLib keeps the type until the process
 * ends, with pointers to functions of this file. So the manifest says unload=never, and each generation gives its type
 * a name of its own: a name can be registered once. With FORGETS, it does neither, as many programs do.
 */
#include <glib-object.h>

#include "plain.h"

BP_MANIFEST_ABI;
BP_MANIFEST("version=1");
BP_MANIFEST("requires=" BP_EXT_AWAIT);
#ifdef FORGETS
#define MODULE "gobject_forgets"
#else
#define MODULE "gobject"
BP_MANIFEST("unload=never");
#endif
BP_MANIFEST("name=" MODULE);
BP_MANIFEST("provides=" MODULE ".work");
BP_MANIFEST("provides=" MODULE ".long");

typedef struct text {
  GObject parent;
  char* text;
} text;

typedef struct text_class {
  GObjectClass parent;
  char* (*shout)(const text* self, gsize size);
} text_class;

static GType type;
static gpointer parent_class;

static char* shout(const text* self, gsize size) { return g_ascii_strup(self->text, (gssize)size); }

static void finalize(GObject* object) {
  g_free(((text*)object)->text);
  G_OBJECT_CLASS(parent_class)->finalize(object);
}

static void class_init(gpointer class, gpointer data) {
  (void)data;
  parent_class = g_type_class_peek_parent(class);
  G_OBJECT_CLASS(class)->finalize = finalize;
  ((text_class*)class)->shout = shout;
}

static char* shouted(bp_bytes in) {
  text* object = g_object_new(type, NULL);
  object->text = g_strndup((const char*)in.data, in.size);
  char* out = ((text_class*)((GTypeInstance*)object)->g_class)->shout(object, in.size);
  g_object_unref(object);
  return out;
}

static bp_handled work(const bp_call* call) {
  char* out = shouted(call->payload);
  bp_handled done = answer(call, out, call->payload.size);
  g_free(out);
  return done;
}

static bp_handled work_long(const bp_call* call) {
  while (!canceled(call)) g_free(shouted(call->payload));
  return BP_DONE;
}

static GType registered(void) {
#ifdef FORGETS
  char* name = g_strdup("WrappedForgets");
  GType found = g_type_from_name(name);
#else
  char* name = g_strdup_printf("WrappedText-%p", (void*)&type); /* no other object is mapped here any more */
  GType found = 0;
#endif
  const GTypeInfo info = {.class_size = sizeof(text_class), .class_init = class_init, .instance_size = sizeof(text)};
  if (found == 0) found = g_type_register_static(G_TYPE_OBJECT, name, &info, 0);
  g_free(name);
  return found;
}

static bp_status init(const bp_host_api* api, bp_module* module, void** data) {
  (void)data;
  use(api);
  type = registered();
  if (type == 0) return unfit(module, "its type has not been registered");
  bp_status status = add(module, MODULE ".work", work, 0, 0);
  const uint32_t blocking = BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT;
  return status == BP_OK ? add(module, MODULE ".long", work_long, blocking, 0) : status;
}

BP_MODULE_ENTRY = {
    .struct_size = sizeof(bp_module_entry), .abi_major = BP_ABI_MAJOR, .abi_minor = BP_ABI_MINOR, .init = init};
