/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/plugin.h: what a module is made of.
 *
 * A module is a shared object that exports one symbol, the constant `backplane_module`. Two ELF sections say what the
 * module is. A host reads them without running any code of the module:
 *
 *   BP_MANIFEST("name=hello_c");          section .bp.manifest: "key=value" strings, NUL between
 *   BP_CDDL("hello_c.greet.request = …"); section .bp.cddl: the interface, CDDL (RFC 8610)
 *
 *   key       value                                                     times
 *   abi       "1.0": the ABI built for. BP_MANIFEST_ABI writes it           1
 *   name      [a-z_][a-z0-9_]*, not "backplane"; its names begin with it    1
 *   version   the module's own version, any text                            1
 *   provides  a wire name that init registers                             any
 *   offers    a host function that init registers                         any
 *   emits     an event name, which begins with the name of the module     any
 *   requires  an extension id ("bp.await/1") that the host must have      any
 *   calls     a wire name or host function that the module calls          any, for people
 *   listens   an event of another module that the module needs            any, for people
 *   unload    "drain" (the default) or "never"                      at most 1
 *   reload    "swap" (the default) or "old_first"; see backplane.h  at most 1
 *   stack_size  bytes of stack of each handler; see bp_handler_desc   at most 1
 *   summary   one line for people                                   at most 1
 *
 * The CDDL has these rules for a wire name: `<wire name>.request` for its payload, `<wire name>.reply` for its result,
 * `<wire name>.partial` for its partial replies, and `<wire name>.request.part` for each part of its request after the
 * first. `<wire name>.error.<status>` is the detail of an error that it may answer, and null if that has none.
 * `<event name>.event` is an event's payload, `<module name>.<name>.constant` a value that callers should know.
 * `<module name>.config` is the module's configuration; the host refuses a load whose configuration does not fit. Names
 * that the module calls or listens to have the same rules. docs/interfaces.md describes the text.
 *
 * LIFE OF A MODULE. Only the steps marked * happen more than once. The thread stands in brackets.
 *     1. The host reads the file and checks its manifest.
 *     2. dlopen
 *     3. init [control]
 *   * 4. instance_create for each context [request]
 *   * 5. handlers
 *   * 6. instance_destroy for each context [request]. Afterwards no handler of that instance runs.
 *     7. deinit [control]
 *     8. dlclose
 *   If init fails, the host calls nothing else.
 *
 * Constructors of the object run under the loader's lock. Start no threads and do no work in them.
 *
 * Code of a module may fork. In the child every function that awaits, switches fibers, replies, emits or uses a handle
 * returns BP_NOT_SUPPORTED. The child calls exec or _exit. If it returns to the host instead, it ends with 1 and a
 * line.
 */
#ifndef BACKPLANE_PLUGIN_H
#define BACKPLANE_PLUGIN_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Manifest ---------------------------------------------------------------------------- */

#define BP_CONCAT_(a, b) a##b
#define BP_CONCAT(a, b) BP_CONCAT_(a, b)

#define BP_MANIFEST_SECTION ".bp.manifest"
#define BP_CDDL_SECTION ".bp.cddl"

/* GCC may reorder file-scope data unless no_reorder forbids it. clang keeps the order. */
#if defined(__GNUC__) && !defined(__clang__)
#define BP_IN_SECTION(name) __attribute__((section(name), used, aligned(1), no_reorder))
#else
#define BP_IN_SECTION(name) __attribute__((section(name), used, aligned(1)))
#endif

/* Adds one entry to the manifest. Use it at file scope: BP_MANIFEST("name=kv"). */
#define BP_MANIFEST(entry) \
  BP_IN_SECTION(BP_MANIFEST_SECTION) static const char BP_CONCAT(bp_manifest_, __COUNTER__)[] = entry

/* Adds a piece to the interface. Use it at file scope. The host reads the pieces in the order of the source file. */
#define BP_CDDL(text) BP_IN_SECTION(BP_CDDL_SECTION) static const char BP_CONCAT(bp_cddl_, __COUNTER__)[] = text

/* Adds the ABI version of this header to the manifest. Every module must have exactly one. */
#define BP_MANIFEST_ABI BP_MANIFEST("abi=1.0")

/* ---- Objects ----------------------------------------------------------------------------- */

typedef struct bp_module bp_module;     /* one loaded generation; valid from init until deinit returns */
typedef struct bp_instance bp_instance; /* the module inside one context; valid from instance_create until
                                           instance_destroy returns */

/* ---- Handlers ---------------------------------------------------------------------------- */

/* One call of a handler or host function. The struct and its payload are valid until the handler returns, even after a
 * reply and across suspensions. */
typedef struct bp_call {
  uint32_t struct_size;
  uint32_t flags;   /* BP_CALL_PARTS */
  bp_token token;   /* the argument for reply and for the extensions that await */
  bp_bytes payload; /* the caller's parameters */
  bp_str name;      /* the wire name, or the name of the host function */
  bp_instance* instance;
  void* state; /* `*state` of instance_create */
  void* data;  /* bp_handler_desc.data or bp_function_desc.data */
} bp_call;

/* Flags of a call. */
enum {
  BP_CALL_PARTS =
      1 /* the request comes in parts, and `payload` is the first. `next_part` (ext/await.h) gives the others */
};

/* What a handler returns. */
enum {
  BP_DONE = 0, /* the handler has given its terminal reply. If it has not, the caller gets BP_NO_REPLY */
  BP_LATER = 1 /* any thread gives the terminal reply later, by token. It may have done so already */
};
typedef int32_t bp_handled;

/* Runs one request. The handler must give the caller exactly one terminal reply, with host->reply(call->token, …).
 * It replies before it returns, or afterwards if it returns BP_LATER.
 * [thread: request, or worker if BP_HANDLER_BLOCKING, or any if BP_HANDLER_STATIC] [state: instance alive]
 * [suspend: yes] */
typedef bp_handled (*bp_handler_fn)(const bp_call* call);

enum {
  /* Runs on the worker pool and may block. Each instance runs one such handler at a time. */
  BP_HANDLER_BLOCKING = 1,
  /* With BP_HANDLER_BLOCKING: one instance may run several at once. The module must lock. */
  BP_HANDLER_CONCURRENT = 2,
  /* Needs no context, and may be called without one (bp_host_context). Its bp_call.instance and bp_call.state are
   * always NULL. It must reply before it returns, once and without partial replies. It must not suspend. It may run on
   * any thread, and on several at once. Not allowed together with the other two flags. */
  BP_HANDLER_STATIC = 4,
  /* The request may come in parts (BP_CALL_PARTS). A call in parts of any other handler is answered BP_NOT_SUPPORTED.
   * Not allowed together with BP_HANDLER_STATIC. */
  BP_HANDLER_PARTS = 8
};

typedef struct bp_handler_desc {
  uint32_t struct_size;
  uint32_t flags; /* BP_HANDLER_…; an unknown bit gives BP_NOT_SUPPORTED */
  bp_str name;    /* `<module name>.verb` */
  bp_handler_fn handler;
  void* data; /* passed to the handler as bp_call.data; may be NULL */
  /* Bytes of stack of a run on the request thread: 16384 to 1 GiB, rounded up to a power of two. Only touched pages
   * cost memory. 0, or a struct_size that ends before it: what the operator gives the module, else what the manifest
   * says, else bp_context_options.fiber_stack_size. A stack overflow ends the process. */
  uint64_t stack_size;
} bp_handler_desc;

/* Runs a host function that this module offers to handlers of every module. The host calls it on the request thread of
 * the calling context. It must return at once. Any thread answers with host->reply(call->token, …), at once or later.
 * `call->instance` and `call->state` are this module's in that context.
 * [thread: request] [state: instance alive] [suspend: no] */
typedef void (*bp_function_fn)(const bp_call* call);

typedef struct bp_function_desc {
  uint32_t struct_size;
  uint32_t flags; /* 0; an unknown bit gives BP_NOT_SUPPORTED */
  bp_str name;    /* any wire name */
  bp_function_fn function;
  void* data; /* passed to the function as bp_call.data; may be NULL */
} bp_function_desc;

/* ---- What the host gives ------------------------------------------------------------------ */

/* The core table. It does not change within a BP_ABI_MAJOR; everything else is an extension.
 * Valid from init until deinit returns. */
typedef struct bp_host_api {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t reserved;
  const char* version; /* of the host, for people, such as BP_VERSION_STRING */

  /* Returns the table of the extension `id` ("bp.event/1"; see ext/), or NULL if this host does not have it.
   * The table is constant for the life of the process.
   * [thread: any] [state: any] [suspend: no] */
  const void* (*extension)(const char* id);

  /* Registers a wire name. All names that init registers take effect together after init returned BP_OK. If init fails,
   * none does. A clash with another module is found after init, and refuses the load. If this function refuses a name,
   * and no later call registers it, the load is refused, whatever init returns.
   *   BP_INVALID_ARGUMENT  bad name, name outside the module's, no handler, flags that exclude each other, not in init
   *   BP_NAME_TAKEN        this module has registered the name already
   *   BP_NOT_SUPPORTED     unknown flag
   *   BP_OUT_OF_MEMORY     no memory
   * [thread: control] [state: in init] [suspend: no] */
  bp_status (*register_handler)(bp_module* module, const bp_handler_desc* desc);

  /* Registers a host function for all contexts. In a context to which the application gave a function of the same name,
   * the application's is called. Returns as register_handler, except that the name may be any wire name.
   * [thread: control] [state: in init] [suspend: no] */
  bp_status (*register_function)(bp_module* module, const bp_function_desc* desc);

  /* Answers the call that `token` names: a request (bp_call.token) or a call of a host function.
   * A request may get any number of BP_PARTIAL answers first. Then it gets exactly one terminal answer; a host function
   * gets only that. The first terminal answer wins. A status above 0 is an error, except BP_PARTIAL.
   * The host takes over answer->buffer if it returns BP_OK, and only then.
   *   BP_INVALID_ARGUMENT  the status is below 0, BP_STALE, BP_MISSING_CALLBACK, or BP_PARTIAL for a host function
   *   BP_STALE_TOKEN       the call is already answered or canceled, or never existed; nothing has changed
   *   BP_WOULD_BLOCK       the caller is not ready for a BP_PARTIAL answer; nothing has changed. `part` (ext/await.h)
   *                        waits until it is
   *   BP_NOT_SUPPORTED     BP_PARTIAL from a static handler
   *   BP_OUT_OF_MEMORY     no memory for a partial answer
   * [thread: any] [state: any] [suspend: no] */
  bp_status (*reply)(bp_token token, const bp_answer* answer);

  /* Returns a buffer of at least `capacity` bytes and size 0, or NULL if there is no memory. The caller owns it.
   * [thread: any] [state: any] [suspend: no] */
  bp_buffer* (*buffer_new)(size_t capacity);
  /* Frees a buffer that the caller still owns. NULL is allowed.
   * [thread: any] [state: any] [suspend: no] */
  void (*buffer_free)(bp_buffer* buffer);
  /* Frees what `result` owns, and sets all but struct_size to zero. NULL is allowed.
   * [thread: any] [state: any] [suspend: no] */
  void (*result_free)(bp_result* result);

  /* Sets the reason for which init or instance_create is about to fail. The operator sees the text. The last call
   * counts.
   * [thread: control, request] [state: in init or instance_create] [suspend: no] */
  void (*fail)(bp_module* module, bp_str message);
} bp_host_api;

/* ---- What a module gives ------------------------------------------------------------------ */

/* Flags of a module. */
enum {
  /* instance_create may take long, for example because it reads a file or starts threads. It runs on the worker pool,
   * and the calls of other modules go on. */
  BP_MODULE_CREATES_BLOCKING = 1,
  /* instance_destroy may take long, for example because it joins threads. It runs on the worker pool. */
  BP_MODULE_ENDS_BLOCKING = 2
};

/* Every pointer except init may be NULL. */
typedef struct bp_module_entry {
  uint32_t struct_size; /* sizeof(bp_module_entry) */
  uint32_t abi_major;   /* BP_ABI_MAJOR */
  uint32_t abi_minor;   /* BP_ABI_MINOR */
  uint32_t flags;       /* BP_MODULE_…; the host refuses the load if it does not know a bit */

  /* Registers names and makes what all contexts share. The host passes `*module_data` to deinit and instance_create.
   * Any status except BP_OK refuses the load; then the host calls nothing else.
   * [thread: control] [state: first call] [suspend: no] */
  bp_status (*init)(const bp_host_api* host, bp_module* module, void** module_data);

  /* Frees what init made. After it has returned, no thread may run code of the module.
   * [thread: control] [state: no instance alive] [suspend: no] */
  void (*deinit)(void* module_data);

  /* Makes the module's state in one context: `*state`. Any status except BP_OK is a failure. While the module is being
   * loaded, a failure refuses the load. In a context made later, the module's names answer BP_INSTANCE_FAILED.
   * [thread: request, or worker if BP_MODULE_CREATES_BLOCKING] [state: after init] [suspend: no] */
  bp_status (*instance_create)(void* module_data, bp_instance* instance, void** state);

  /* Frees that state. No handler of the instance runs any more, and none of its requests or tokens is open.
   * [thread: request, or worker if BP_MODULE_ENDS_BLOCKING] [state: instance alive] [suspend: no] */
  void (*instance_destroy)(void* state);

  /* Returns the module's own table for the extension `id` ("com.example.gpu/1"), or NULL if the module does not have
   * it. The host may ask any number of times, after init has returned BP_OK and before it calls deinit. The module owns
   * the table, which must stay valid and unchanged until deinit returns. `id` is valid until this returns.
   * [thread: control] [state: after init, before deinit] [suspend: no] */
  const void* (*extension)(const char* id);
} bp_module_entry;

/* Defines the one symbol that a module exports:
 *   BP_MODULE_ENTRY = {sizeof(bp_module_entry), BP_ABI_MAJOR, BP_ABI_MINOR, 0, init, …}; */
#define BP_MODULE_SYMBOL "backplane_module"
#ifdef __cplusplus
#define BP_MODULE_ENTRY extern "C" BP_EXPORT const bp_module_entry backplane_module
#else
#define BP_MODULE_ENTRY BP_EXPORT const bp_module_entry backplane_module
#endif

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_PLUGIN_H */
