/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/log.h: the log of a process with a host. backplane.h includes it.
 *
 * Lines go into a bounded queue, and a thread of the log writes them to stderr. So neither the host nor a caller of
 * these functions waits for whoever reads stderr. When the queue is full, the oldest lines are dropped. When stderr
 * takes lines again, one of them says how many were dropped. A line that equals the one before it, within a second, is
 * only counted, and one line says how often it was repeated. docs/operations.md shows the formats.
 *
 * The thread starts with the first line. exit() waits for the rest of the lines for 100 ms at most; _exit() does not.
 */
#ifndef BACKPLANE_LOG_H
#define BACKPLANE_LOG_H

#include "backplane.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sets the lowest level (BP_LOG_…) of the lines that are written, also for modules that had a level of their own. The
 * default is BP_LOG_WARN.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT void bp_log_level(int32_t level);

enum {
  BP_LOG_FORMAT_HUMAN = 0, /* time level where: text */
  BP_LOG_FORMAT_JSON = 1   /* one object a line */
};

/* For bp_log_configure.
 *
 *   field        unit   default  bounds               meaning
 *   format              human    BP_LOG_FORMAT_…      the form of the lines
 *   queue_lines         8192     1..16777216          lines that may wait to be written; then the oldest are dropped
 *   queue_bytes  bytes  1048576  65536..1 GiB         memory for them
 */
typedef struct bp_log_options {
  uint32_t struct_size;
  uint32_t format;
  uint32_t queue_lines;
  uint32_t queue_bytes;
} bp_log_options;

/* Configures the log of this process. Lines that wait keep their place.
 *   BP_INVALID_ARGUMENT  `options` is NULL, its struct_size is 0, or a value is out of bounds
 *   BP_OUT_OF_MEMORY     no memory for the queue; nothing has changed
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_log_configure(const bp_log_options* options);

enum {
  BP_LOG_ALWAYS = 1 /* write the line whatever the level */
};

/* Queues a line of the application for the log of this process. `where` names the part of the application, and may have
 * a level of its own. Control characters are escaped. A text of more than 16 KiB is cut. An unknown level or flag drops
 * the line.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT void bp_log_write(int32_t level, uint32_t flags, bp_str where, bp_str text);

/* Waits until all lines so far are written, for `timeout_ms` milliseconds at most. Call it before _exit().
 *   BP_TIMEOUT  stderr has not taken them all
 * [thread: caller] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_log_flush(uint32_t timeout_ms);

/* One line of the log, for a bp_log_fn.
 *
 *   field        meaning
 *   level        BP_LOG_…
 *   repeats      0; or how often the line before it was repeated: then `text` is empty
 *   time_ns      Unix time in nanoseconds
 *   generation   of the module that wrote it; 0: none
 *   dropped      how many lines were lost before this one
 *   where        the module, or the part of the host or application
 *   text         as it was written, with its control characters; 16 KiB at most
 */
typedef struct bp_log_line {
  uint32_t struct_size;
  int32_t level;
  uint64_t repeats;
  int64_t time_ns;
  uint64_t generation;
  uint64_t dropped;
  bp_str where;
  bp_str text;
} bp_log_line;

/* Gets the lines of the log, one at a time. `line` is valid until the callback returns. While it blocks, lines wait in
 * the queue, and then the oldest are dropped. It may write further lines, but a line for each line never ends.
 * [thread: any] [state: registered] [suspend: no] */
typedef void (*bp_log_fn)(void* user, const bp_log_line* line);

/* Gives the lines of this process's log to `sink` instead of stderr, or to stderr again if it is NULL. It is called on
 * the thread of the log. Lines that wait now go to the new receiver. When this returns, the old sink does not run and
 * will not be called again, so its `user` may be freed. Called from the old sink, it returns at once, and the running
 * call is the last. Call it with NULL before the program's own objects are destroyed: exit() still writes lines. A
 * forked child logs to stderr.
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT void bp_log_to(bp_log_fn sink, void* user);

enum {
  BP_LOG_KEEP = -1 /* only report the levels */
};

/* Changes the level of the log of a context's process, at once. `module` empty: the level of all, also of modules that
 * had a level of their own. Otherwise the level of one module or part of the host, loaded or not. It needs no turn
 * among module operations. The report is a log-report.
 *   BP_INVALID_ARGUMENT  `result` is NULL, the level is unknown, or `module` is no module name
 *   BP_OVERLOADED        256 modules have a level of their own
 *   BP_NOT_SUPPORTED     the connected host is too old
 *   BP_REENTRANT         connected context: called on one of the host's own threads
 * [thread: any] [state: any] [suspend: no] */
BP_EXPORT bp_status bp_log_set(bp_context ctx, bp_str module, int32_t level, bp_result* result);

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_LOG_H */
