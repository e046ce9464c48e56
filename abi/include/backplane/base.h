/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/base.h: what modules (plugin.h) and applications (backplane.h) share.
 *
 * COMPATIBILITY
 *   A released entity of this ABI never changes: no field moves, no meaning shifts, no value is
 *   reused. It grows in these ways only:
 *     1. a new tail field of a struct that begins with `struct_size`. The writer sets
 *        `struct_size = sizeof(the struct)` as its headers know it; the reader takes a tail that is missing
 *        as zero, and zero always means "the default" or "absent". What ABI 1.0 has is always there: a
 *        smaller struct_size is BP_INVALID_ARGUMENT (for bp_…_options of hosts, contexts and connections
 *        only 0 is, because there every field may be missing);
 *     2. a new extension with a new id ("bp.await/1", later "bp.await/2"); see ext/;
 *     3. a new status code, at the end of its block;
 *     4. a new flag bit: a host that does not know it refuses it;
 *     5. a new key of the manifest: a host that does not know it passes it over;
 *     6. a new function of the library, in backplane.h.
 *   A module built for another BP_ABI_MAJOR is refused at load. One built for a newer
 *   BP_ABI_MINOR loads: what it asks for and the host lacks, it finds to be NULL.
 *
 * THREAD TAGS
 *   Each function carries three tags in its comment:
 *     [thread: …]   where it may be called, or, for a callback, where it is called:
 *        any       any thread, also one that the host knows nothing of
 *        caller    any thread but the host's own (request, event, watchdog, worker, control)
 *        request   the context's request thread, which runs handlers and reply callbacks
 *        event     the context's event thread, which runs listeners
 *        watchdog  the host's watchdog thread, which delivers liveness events
 *        worker    a thread of the worker pool, which runs handlers declared blocking
 *        control   the thread that loads, unloads and reloads, one operation at a time
 *     [state: …]    what must be true of the object it is called on
 *     [suspend: …]  `no`, or `yes` where the calling handler may be suspended: other requests of
 *                   the same context then run before the function returns
 *
 * MEMORY
 *   A view (bp_bytes, bp_str) passed into a function is read before the function returns, and is
 *   never kept. A view passed to a callback is valid until that callback returns, unless its
 *   comment says otherwise. Text is UTF-8 and need not end in NUL.
 */
#ifndef BACKPLANE_BASE_H
#define BACKPLANE_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BP_ABI_MAJOR 1u
#define BP_ABI_MINOR 0u

#if defined(__GNUC__)
#define BP_EXPORT __attribute__((visibility("default")))
#else
#define BP_EXPORT
#endif

/* ---- Status codes ------------------------------------------------------------------------ */

/* X(name, value, text). The names become BP_<name>; bp_status_name() gives the name in lower case,
 * bp_status_text() the text. Values 0 to 3 are those that clients of nim-ffi know; 129 is set aside
 * for fibers whose entry returned (the exit code WASIX gives it). */
#define BP_STATUS_LIST(X)                                                                        \
  X(OK, 0, "ok")                                                                                 \
  X(ERROR, 1, "the handler answered an error")                                                   \
  X(MISSING_CALLBACK, 2, "no reply callback was given")                                          \
  X(STALE, 3, "not terminal: the handler still runs; payload: elapsed milliseconds as text")     \
  X(PARTIAL, 4, "not terminal: one part of an answer that comes in parts")                       \
  X(INVALID_ARGUMENT, 16, "an argument is null, too long or out of range")                       \
  X(INVALID_HANDLE, 17, "the handle is null, stale, foreign or of another type")                 \
  X(UNKNOWN_NAME, 18, "no loaded module has this wire name")                                     \
  X(NO_HOST_FUNCTION, 19, "no host function of this name is registered")                         \
  X(BAD_PAYLOAD, 20, "the payload does not fit the interface of the wire name")                  \
  X(OVERLOADED, 21, "the context's request queue is full; call again when some have ended")      \
  X(EVENT_QUEUE_STUCK, 22, "the context's event queue is full; requests are refused until half") \
  X(REENTRANT, 23, "a blocking call on the thread that would have to answer it")                 \
  X(DEADLINE, 24, "the call's deadline has passed")                                              \
  X(CANCELED, 25, "the call was canceled")                                                       \
  X(CLOSED, 26, "the context is closed")                                                         \
  X(MODULE_GONE, 27, "the module that had this wire name has been unloaded")                     \
  X(INSTANCE_FAILED, 28, "the module could not start in this context")                           \
  X(STALE_TOKEN, 29, "the token is unknown, already answered, or of another context")            \
  X(OVERFLOW, 30, "the event queue is full; the event was refused")                              \
  X(NO_REPLY, 31, "the handler ended without a terminal reply")                                  \
  X(EXCEPTION, 32, "the handler failed with an exception it did not expect")                     \
  X(NOT_SUPPORTED, 33, "not supported here")                                                     \
  X(TIMEOUT, 34, "the operation did not finish in time")                                         \
  X(LOAD_REFUSED, 35, "the module was refused")                                                  \
  X(NAME_TAKEN, 36, "the name is held by another module")                                        \
  X(NOT_LOADED, 37, "no module of this name is loaded")                                          \
  X(PINNED, 38, "the module is withdrawn, but its object cannot be unmapped yet")                \
  X(IO, 39, "an operating system call failed")                                                   \
  X(OUT_OF_MEMORY, 40, "memory could not be had")                                                \
  X(UNREACHABLE, 41, "no host answers there, or the connection to it broke")                     \
  X(PROTOCOL, 42, "the peer sent what the protocol does not allow")                              \
  X(NOT_FOUND, 43, "there is no such object")                                                    \
  X(CONFIG, 44, "the configuration is wrong")                                                    \
  X(ENTRY_RETURNED, 129, "a fiber's entry returned, which is not allowed")

/* The first status a module may use for errors of its own; all below are the host's. */
#define BP_STATUS_MODULE_FIRST 1000

typedef int32_t bp_status;

enum {
#define BP_STATUS_ENUM(name, value, text) BP_##name = value,
  BP_STATUS_LIST(BP_STATUS_ENUM)
#undef BP_STATUS_ENUM
};

/* ---- Views ------------------------------------------------------------------------------- */

/* Bytes that somebody else owns. An empty view may have any pointer. */
typedef struct bp_bytes {
  const uint8_t* data;
  size_t size;
} bp_bytes;

/* UTF-8 text that somebody else owns; not terminated. */
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

/* Memory of the host's that is handed over instead of copied. `data` is aligned to 16 bytes and
 * has room for `capacity` bytes; `size` of them are meant and may be set by the owner. Exactly one
 * party owns a buffer; a function that takes it over says so. Made by buffer_new, which alone knows
 * what lies around it: never allocate one yourself. */
typedef struct bp_buffer {
  uint8_t* data;
  size_t size;
  size_t capacity;
} bp_buffer;

/* ---- Answers ----------------------------------------------------------------------------- */

/* Names a call that awaits its answer. 0 is never valid. It carries a generation: one that has been
 * answered is never mistaken for a later one. */
typedef uint64_t bp_token;

/* What comes back from a call: from a handler to its caller, from a host function to a handler,
 * from the host to an application. */
typedef struct bp_answer {
  uint32_t struct_size; /* sizeof(bp_answer) */
  bp_status status;     /* terminal unless BP_STALE or BP_PARTIAL */
  bp_bytes payload;     /* with OK, PARTIAL and STALE: the result; otherwise empty */
  bp_str message;       /* with an error: what was found, what was expected, what to do */
  bp_bytes detail;      /* with an error: one CBOR item for programs, or empty */
  bp_buffer* buffer;    /* giving only: if not NULL it is taken over and stands for `payload`;
                           taken over when the call returns BP_OK, and only then */
} bp_answer;

/* An answer that its receiver owns. Give it back with result_free (modules) or bp_result_free
 * (applications); one that is all zero needs no freeing, and freeing it does nothing. */
typedef struct bp_result {
  uint32_t struct_size; /* sizeof(bp_result), set by the caller before the call */
  bp_status status;
  bp_bytes payload;
  bp_str message;
  bp_bytes detail;
  void* owner; /* the host's */
} bp_result;

/* ---- Limits ------------------------------------------------------------------------------ */

/* A wire name is `module.verb`: [a-z0-9_]+(\.[a-z0-9_]+)+, at most this many bytes. */
#define BP_WIRE_NAME_MAX 128
/* A module name: [a-z0-9_]+, at most this many bytes. */
#define BP_MODULE_NAME_MAX 64

/* Log levels, as in bp.log/1 and bp_log_level(). */
enum { BP_LOG_TRACE = 0, BP_LOG_DEBUG = 1, BP_LOG_INFO = 2, BP_LOG_WARN = 3, BP_LOG_ERROR = 4, BP_LOG_OFF = 5 };

/* Flags of an event. */
enum {
  /* The payload is the CBOR map {"eventType": tstr, "payload": any}. */
  BP_EVENT_TYPED = 1
};

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_BASE_H */
