/* SPDX-License-Identifier: Apache-2.0
 *
 * bp.log/1: log through the host. The host adds time, module and generation.
 */
#ifndef BACKPLANE_EXT_LOG_H
#define BACKPLANE_EXT_LOG_H

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_LOG "bp.log/1"

typedef struct bp_log_api {
  uint32_t struct_size;
  uint32_t reserved;

  /* Returns 0 if a line of `level` (BP_LOG_…) would not be written. Ask before you build a costly line. Not 0: it may
   * be written. If modules have levels of their own, `write` still drops the line if this module's level is higher.
   * [thread: any] [state: init has begun] [suspend: no] */
  int32_t (*enabled)(int32_t level);

  /* Queues one line for the host's log. It never waits, even if nobody reads stderr. Control characters in `text` are
   * escaped. A text of more than 16 KiB is cut.
   * [thread: any] [state: init has begun] [suspend: no] */
  void (*write)(bp_module* module, int32_t level, bp_str text);
} bp_log_api;

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_EXT_LOG_H */
