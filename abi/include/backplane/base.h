/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/base.h: what modules (plugin.h) and applications (backplane.h) share.
 *
 * COMPATIBILITY
 *   A released entity of this ABI never changes: no field moves, no meaning changes, no value is reused.
 *   The ABI grows only in these ways:
 *     1. A new field at the tail of a struct that begins with `struct_size`.
 *     2. A new extension with a new id ("bp.await/1", later "bp.await/2"); see ext/.
 *     3. A new status code at the end of its block.
 *     4. A new flag bit. A host refuses a flag that it does not know.
 *     5. A new key of the manifest. A host ignores a key that it does not know.
 *     6. A new function of the library, in a header for applications.
 *   A host refuses a module that was built for another BP_ABI_MAJOR.
 *   A module built for a newer BP_ABI_MINOR loads. An extension that the host lacks is NULL for that module.
 *
 * STRUCT SIZE
 *   The writer of a struct sets `struct_size = sizeof(the struct)`, as its own headers know the struct.
 *   Missing trailing fields are read as zero. Zero always means "the default" or "absent".
 *   The fields of ABI 1.0 may not be missing: a smaller struct_size is BP_INVALID_ARGUMENT.
 *   Exception: every field of bp_host_options, bp_context_options and bp_connect_options may be missing. There only
 *   struct_size 0 is BP_INVALID_ARGUMENT.
 *
 * THREAD TAGS
 *   The comment of every function ends with three tags:
 *     [thread: …]   Where the function may be called. For a callback: where the host calls it.
 *        any        any thread, including ones that the host did not create
 *        caller     any thread except the host's own (request, event, watchdog, worker, control)
 *        request    the context's request thread, which runs handlers and reply callbacks
 *        event      the context's event thread, which runs listeners
 *        watchdog   the host's watchdog thread, which delivers liveness events
 *        worker     a thread of the worker pool, which runs handlers declared blocking
 *        control    the thread that loads, unloads and reloads modules, one operation at a time
 *     [state: …]    What must be true of the object that the function is called on.
 *     [suspend: …]  Whether the function may suspend its caller, so that other code of the same context runs before
 *                   the function returns. For a callback: whether the callback may call such functions.
 *        no         It does not suspend its caller.
 *        fiber      It suspends the calling fiber: other fibers of the same handler run (ext/fiber.h). Other requests
 *                   run only if one of those fibers awaits.
 *        yes        It suspends the calling handler: other requests of the same context run.
 *
 * MEMORY
 *   A function reads a view (bp_bytes, bp_str) before it returns, and never keeps it.
 *   A view passed to a callback is valid until that callback returns, unless the callback's comment says otherwise.
 *   Text is UTF-8 and need not end in NUL.
 */
#ifndef BACKPLANE_BASE_H
#define BACKPLANE_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the ABI. */
#define BP_ABI_MAJOR 1u
#define BP_ABI_MINOR 0u

#define BP_STRING_(x) #x
#define BP_STRING(x) BP_STRING_(x)

/* The version of Backplane. The library, the executable and the headers are released together. The build reads these
 * three lines; the version stands nowhere else. */
#define BP_VERSION_MAJOR 0
#define BP_VERSION_MINOR 1
#define BP_VERSION_PATCH 0
/* As text: "MAJOR.MINOR.PATCH". */
#define BP_VERSION_STRING BP_STRING(BP_VERSION_MAJOR) "." BP_STRING(BP_VERSION_MINOR) "." BP_STRING(BP_VERSION_PATCH)

#if defined(__GNUC__)
#define BP_EXPORT __attribute__((visibility("default")))
#else
#define BP_EXPORT
#endif

/* ---- Status codes ------------------------------------------------------------------------ */

/* X(name, value, text): the constant is BP_<name>. bp_status_name() gives the name in lower case, bp_status_text() the
 * text. Each text must make sense alone. Values 0 to 3 are those that clients of nim-ffi know. 129 is the exit code
 * that WASIX gives a fiber whose entry returned. */
#define BP_STATUS_LIST(X)                                                                                        \
  X(OK, 0, "ok")                                                                                                 \
  X(ERROR, 1, "the handler replied with an error")                                                               \
  X(MISSING_CALLBACK, 2, "no reply callback was given")                                                          \
  X(STALE, 3, "not a terminal reply: the handler still runs; payload: elapsed milliseconds as text")             \
  X(PARTIAL, 4, "not a terminal reply: one part of a reply that comes in parts")                                 \
  X(INVALID_ARGUMENT, 16, "an argument is null, too long or out of range")                                       \
  X(INVALID_HANDLE, 17, "the handle is zero, stale, forged, or of another type or context")                      \
  X(UNKNOWN_NAME, 18, "no loaded module has this wire name")                                                     \
  X(NO_HOST_FUNCTION, 19, "no host function of this name is registered")                                         \
  X(BAD_PAYLOAD, 20, "the payload does not fit the interface of the wire name")                                  \
  X(OVERLOADED, 21, "the request queue of the context or connection is full; try again when calls have ended")   \
  X(EVENT_QUEUE_STUCK, 22, "the context's event log is full; new requests are refused until half of it is read") \
  X(REENTRANT, 23, "the call would wait for its own caller, or is nested where that is not allowed")             \
  X(DEADLINE, 24, "the call's deadline has passed")                                                              \
  X(CANCELED, 25, "the call was canceled")                                                                       \
  X(CLOSED, 26, "the context is closed")                                                                         \
  X(MODULE_GONE, 27, "the module that had this wire name has been unloaded")                                     \
  X(INSTANCE_FAILED, 28, "the module could not start in this context")                                           \
  X(STALE_TOKEN, 29, "the token is unknown, already answered, canceled, or of another context")                  \
  X(OVERFLOW, 30, "the event is too large, or the context's event log is full; it was refused")                  \
  X(NO_REPLY, 31, "the handler ended without a terminal reply")                                                  \
  X(EXCEPTION, 32, "the handler failed with an exception it did not expect")                                     \
  X(NOT_SUPPORTED, 33, "the operation is not supported here, or not by this host")                               \
  X(TIMEOUT, 34, "the operation did not finish in time")                                                         \
  X(LOAD_REFUSED, 35, "the host refused the module")                                                             \
  X(NAME_TAKEN, 36, "the name is already registered by a module")                                                \
  X(NOT_LOADED, 37, "no module of this name is loaded")                                                          \
  X(PINNED, 38, "the module's names are withdrawn, but its object cannot be unmapped yet")                       \
  X(IO, 39, "an operating system call failed")                                                                   \
  X(OUT_OF_MEMORY, 40, "not enough memory, or a limit was reached")                                              \
  X(UNREACHABLE, 41, "no host answers at the address, or the connection to it broke")                            \
  X(PROTOCOL, 42, "the peer sent something that the protocol does not allow")                                    \
  X(NOT_FOUND, 43, "the object does not exist")                                                                  \
  X(CONFIG, 44, "the configuration is wrong")                                                                    \
  X(WOULD_BLOCK, 45, "the receiver is not ready for more parts yet; try again when it has taken some")           \
  X(NOT_PERMITTED, 46, "the role that this needs is missing on this socket of the host")                         \
  X(INTERFACE_CHANGED, 47, "the module's interface has changed in a way that breaks its callers")                \
  X(PROVIDER_LOST, 48, "who answered has gone; the call may have run")                                           \
  X(ENTRY_RETURNED, 129, "a fiber's entry returned, which is not allowed")

/* The first status that a module may use for its own errors. All values below belong to the host. */
#define BP_STATUS_MODULE_FIRST 1000

typedef int32_t bp_status;

enum {
#define BP_STATUS_ENUM(name, value, text) BP_##name = value,
  BP_STATUS_LIST(BP_STATUS_ENUM)
#undef BP_STATUS_ENUM
};

/* ---- Views ------------------------------------------------------------------------------- */

/* A view of bytes; it does not own them. An empty view may have any pointer. */
typedef struct bp_bytes {
  const uint8_t* data;
  size_t size;
} bp_bytes;

/* A view of UTF-8 text; it does not own the text. The text need not end in NUL. */
typedef struct bp_str {
  const char* data;
  size_t size;
} bp_str;

/* A string literal as a view. */
#ifdef __cplusplus
#define BP_STR(literal) (bp_str{literal, sizeof(literal) - 1})
#else
#define BP_STR(literal) ((bp_str){literal, sizeof(literal) - 1})
#endif

/* ---- Buffers ----------------------------------------------------------------------------- */

/* Memory of the host that changes its owner instead of being copied.
 * Allocate it only with buffer_new (modules) or bp_buffer_new (applications).
 * Exactly one party owns a buffer. A function that takes ownership says so. */
typedef struct bp_buffer {
  uint8_t* data;   /* aligned to 16 bytes */
  size_t size;     /* bytes in use; the owner may change it */
  size_t capacity; /* bytes that fit */
} bp_buffer;

/* ---- Answers ----------------------------------------------------------------------------- */

/* Identifies a call that waits for its answer. 0 is never valid. A token carries a generation, so an answered token is
 * never mistaken for a later one. */
typedef uint64_t bp_token;

/* The answer of a call: from a handler to its caller, from a host function to a handler, from the host to an
 * application. */
typedef struct bp_answer {
  uint32_t struct_size; /* sizeof(bp_answer) */
  bp_status status;     /* terminal unless BP_STALE or BP_PARTIAL */
  bp_bytes payload;     /* with OK, PARTIAL and STALE: the result; otherwise empty */
  bp_str message;       /* with an error: what was found, what was expected, what to do */
  bp_bytes detail;      /* with an error: one CBOR item for programs, or empty */
  bp_buffer* buffer;    /* for giving an answer only: if not NULL, used instead of `payload`. The host owns it
                           after BP_OK; otherwise the caller still does */
} bp_answer;

/* An answer that its receiver owns. Free it with result_free (modules) or bp_result_free (applications).
 * A result that is all zero needs no freeing; freeing it does nothing. */
typedef struct bp_result {
  uint32_t struct_size; /* sizeof(bp_result), set by the caller before the call */
  bp_status status;
  bp_bytes payload;
  bp_str message;
  bp_bytes detail;
  void* owner; /* belongs to the host: do not touch it */
} bp_result;

/* ---- Limits ------------------------------------------------------------------------------ */

/* Maximum bytes of a wire name. A wire name is `module.verb`: [a-z_][a-z0-9_]*(\.[a-z0-9_]+)+ */
#define BP_WIRE_NAME_MAX 128
/* Maximum bytes of a module name. A module name is [a-z_][a-z0-9_]*, as names of CDDL begin with no digit. */
#define BP_MODULE_NAME_MAX 64

/* Log levels, as in bp.log/1 and bp_log_level(). */
enum { BP_LOG_TRACE = 0, BP_LOG_DEBUG = 1, BP_LOG_INFO = 2, BP_LOG_WARN = 3, BP_LOG_ERROR = 4, BP_LOG_OFF = 5 };

/* Flags of an event. */
enum {
  /* The payload is the CBOR map {"eventType": tstr, "payload": any}. */
  BP_EVENT_TYPED = 1,
  /* Not an event, but the news that this listener has lost some. It comes where they would have come, whatever the
   * listener's pattern. Its name is "backplane.gap". Its payload is the typed event {lost: uint, since_ms: uint}: how
   * many events that match the pattern, and when the first of them was emitted, in milliseconds of Unix time. Only the
   * host sets this flag. */
  BP_EVENT_GAP = 2,
  /* The emitter waits for listeners with BP_LISTEN_LOSSLESS, and this is one of them. Only the host sets this flag. */
  BP_EVENT_LOSSLESS = 4
};

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_BASE_H */
