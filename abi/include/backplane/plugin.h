/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/plugin.h: what a module is made of.
 *
 * A module is a shared object that exports one symbol, the constant `backplane_module`, and says
 * what it is in two ELF sections that a host reads without running any of its code:
 *
 *   BP_MANIFEST("name=hello_c");          section .bp.manifest: "key=value" strings, NUL between
 *   BP_CDDL("hello_c.greet.request = …"); section .bp.cddl: the interface, CDDL (RFC 8610)
 *
 *   key       value                                             times
 *   abi       "1.0": the ABI built for. BP_MANIFEST_ABI writes it   1
 *   name      [a-z0-9_]+; wire names of the module begin with it    1
 *   version   the module's own version, any text                    1
 *   provides  a wire name that init registers                       any
 *   offers    a host function that init registers                   any
 *   emits     an event name                                         any
 *   requires  an extension id ("bp.await/1"): must be there         any
 *   calls     a wire name or host function it calls                 any, for people
 *   unload    "drain" (the default) or "never"                      at most 1
 *   summary   one line for people                                   at most 1
 *
 * In the CDDL, the rules `<wire name>.request` and `<wire name>.reply` describe a name's payload and
 * result, `<wire name>.partial` its partial replies, `<event name>.event` an event's payload.
 *
 * LIFE, in this order; only what is marked * happens more than once:
 *   the file is read and its manifest checked; dlopen; init [control];
 *   * instance_create for each context [request]; * handlers; * instance_destroy [request];
 *   deinit [control]; dlclose.
 * If init fails, nothing else is called. After instance_destroy no handler of that instance runs.
 *
 * Start neither threads nor work in constructors of the object: they run under the loader's lock.
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
#define BP_STRING_(x) #x
#define BP_STRING(x) BP_STRING_(x)

#define BP_MANIFEST_SECTION ".bp.manifest"
#define BP_CDDL_SECTION ".bp.cddl"

/* GCC emits file-scope data in any order it likes unless told not to; clang keeps it. */
#if defined(__GNUC__) && !defined(__clang__)
#define BP_IN_SECTION(name) __attribute__((section(name), used, aligned(1), no_reorder))
#else
#define BP_IN_SECTION(name) __attribute__((section(name), used, aligned(1)))
#endif

/* One entry of the manifest, at file scope: BP_MANIFEST("name=kv"). */
#define BP_MANIFEST(entry) \
  BP_IN_SECTION(BP_MANIFEST_SECTION) static const char BP_CONCAT(bp_manifest_, __COUNTER__)[] = entry

/* A piece of the interface, at file scope; pieces are read in the order they stand in the file. */
#define BP_CDDL(text) BP_IN_SECTION(BP_CDDL_SECTION) static const char BP_CONCAT(bp_cddl_, __COUNTER__)[] = text

/* The ABI this header describes. Every module has exactly one. */
#define BP_MANIFEST_ABI BP_MANIFEST("abi=1.0")

/* ---- Objects ----------------------------------------------------------------------------- */

typedef struct bp_module bp_module;     /* one loaded generation, valid from init to deinit */
typedef struct bp_instance bp_instance; /* the module inside one context, valid from
                                           instance_create until instance_destroy returns */

/* ---- Handlers ---------------------------------------------------------------------------- */

/* What a handler is called with; valid until the handler returns. So is the payload, also after a
 * reply and across suspensions. */
typedef struct bp_call {
  uint32_t struct_size;
  uint32_t flags; /* none yet: 0 */
  bp_token token; /* give to reply, and to the extensions that await */
  bp_bytes payload;
  bp_str name;
  bp_instance* instance;
  void* state; /* what instance_create put there */
  void* data;  /* what bp_handler_desc.data was */
} bp_call;

/* What a handler returns. */
enum {
  BP_DONE = 0, /* the terminal reply has been given; if not, the caller gets BP_NO_REPLY */
  BP_LATER = 1 /* it comes later, by token, from any thread; it may have come already */
};
typedef int32_t bp_handled;

/* Runs one request. It owes the caller exactly one terminal reply: host->reply(call->token, …)
 * before it returns, or afterwards if it returns BP_LATER.
 * [thread: request, or worker if BP_HANDLER_BLOCKING, or any if BP_HANDLER_STATIC] [state: instance alive]
 * [suspend: yes] */
typedef bp_handled (*bp_handler_fn)(const bp_call* call);

enum {
  /* Runs on the worker pool and may block; one at a time for each instance. */
  BP_HANDLER_BLOCKING = 1,
  /* With BP_HANDLER_BLOCKING: several at once for one instance; the module locks. */
  BP_HANDLER_CONCURRENT = 2,
  /* Needs no context, and may be called without one (bp_host_context). bp_call's instance and state are
   * always NULL. It replies, once and in full, before it returns, does not suspend, and may run on several
   * threads at once, any of them; not with the other two. */
  BP_HANDLER_STATIC = 4
};

typedef struct bp_handler_desc {
  uint32_t struct_size;
  uint32_t flags; /* BP_HANDLER_…; an unknown bit is refused with BP_NOT_SUPPORTED */
  bp_str name;    /* `<module name>.verb` */
  bp_handler_fn handler;
  void* data; /* given back in bp_call.data; may be NULL */
} bp_handler_desc;

/* A host function that this module offers to handlers of every module. It is called on the request
 * thread of the calling context, returns at once, and is answered by host->reply(call->token, …),
 * then or later, from any thread. `call->state` is this module's instance in that context.
 * [thread: request] [state: instance alive] [suspend: no] */
typedef void (*bp_function_fn)(const bp_call* call);

typedef struct bp_function_desc {
  uint32_t struct_size;
  uint32_t flags; /* none yet: 0 */
  bp_str name;
  bp_function_fn function;
  void* data;
} bp_function_desc;

/* ---- What the host gives ------------------------------------------------------------------ */

/* The core. It stays as it is for as long as BP_ABI_MAJOR does; everything else is an extension.
 * Valid from init until deinit returns. */
typedef struct bp_host_api {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t reserved;
  const char* version; /* the host's, for people: "0.1.0" */

  /* The table of the extension `id` ("bp.event/1"), or NULL if this host has none such; see ext/.
   * Constant for the life of the process.
   * [thread: any] [state: any] [suspend: no] */
  const void* (*extension)(const char* id);

  /* Adds a wire name. All that init adds takes effect together after init returned BP_OK, or
   * nothing does. BP_INVALID_ARGUMENT: bad name, name outside the module's, no handler;
   * BP_NAME_TAKEN: twice in this module (a clash with another module is found after init, and
   * refuses the load); BP_NOT_SUPPORTED: unknown flag.
   * [thread: control] [state: in init] [suspend: no] */
  bp_status (*register_handler)(bp_module* module, const bp_handler_desc* desc);

  /* Adds a host function, host-wide. One of the same name that the application gave to a context
   * wins there. Errors as for register_handler; the name may be any wire name.
   * [thread: control] [state: in init] [suspend: no] */
  bp_status (*register_function)(bp_module* module, const bp_function_desc* desc);

  /* Answers the call that `token` names: a request's (bp_call.token) or a host function's. Partial
   * (BP_PARTIAL) as often as wanted, for requests only, then exactly one terminal answer. The first
   * terminal answer wins. answer->buffer is taken over, if BP_OK. A status above 0 that is not
   * BP_PARTIAL is an error; one below 0, BP_STALE and BP_MISSING_CALLBACK are refused with BP_INVALID_ARGUMENT.
   * BP_STALE_TOKEN: already answered, canceled, or never given; nothing has changed.
   * [thread: any] [state: any] [suspend: no] */
  bp_status (*reply)(bp_token token, const bp_answer* answer);

  /* A buffer of at least `capacity` bytes, size 0; NULL if memory cannot be had. The caller owns it.
   * [thread: any] [state: any] [suspend: no] */
  bp_buffer* (*buffer_new)(size_t capacity);
  /* Gives a buffer back that nobody took over. NULL is fine.
   * [thread: any] [state: any] [suspend: no] */
  void (*buffer_free)(bp_buffer* buffer);
  /* Frees what `result` owns, and sets it to zero.
   * [thread: any] [state: any] [suspend: no] */
  void (*result_free)(bp_result* result);

  /* Says why init or instance_create is about to fail; the text reaches the operator. The last one
   * counts.
   * [thread: control, request] [state: in init or instance_create] [suspend: no] */
  void (*fail)(bp_module* module, bp_str message);
} bp_host_api;

/* ---- What a module gives ------------------------------------------------------------------ */

/* Every pointer but init may be NULL. */
typedef struct bp_module_entry {
  uint32_t struct_size; /* sizeof(bp_module_entry) */
  uint32_t abi_major;   /* BP_ABI_MAJOR */
  uint32_t abi_minor;   /* BP_ABI_MINOR */
  uint32_t flags;       /* 0; a bit that the host does not know refuses the load */

  /* Registers names and sets up what all contexts share. `*module_data` goes to the functions below.
   * Anything but BP_OK refuses the load.
   * [thread: control] [state: first call] [suspend: no] */
  bp_status (*init)(const bp_host_api* host, bp_module* module, void** module_data);

  /* Frees what init made. No thread may run code of the module after it has returned.
   * [thread: control] [state: no instance alive] [suspend: no] */
  void (*deinit)(void* module_data);

  /* Makes the module's state in one context. Anything but BP_OK: while the module is being loaded it
   * refuses the load; in a context made later, its names answer BP_INSTANCE_FAILED there.
   * [thread: request] [state: after init] [suspend: no] */
  bp_status (*instance_create)(void* module_data, bp_instance* instance, void** state);

  /* Frees that state. No handler of it runs any more, no request or token of it is open.
   * [thread: request] [state: instance alive] [suspend: no] */
  void (*instance_destroy)(void* state);

  /* The module's own side of an extension, or NULL.
   * [thread: any] [state: after init] [suspend: no] */
  const void* (*extension)(const char* id);
} bp_module_entry;

/* The one symbol a module exports:
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
