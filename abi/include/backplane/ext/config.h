/* SPDX-License-Identifier: Apache-2.0
 *
 * bp.config/1: what the operator configured, and where the module may keep files.
 */
#ifndef BACKPLANE_EXT_CONFIG_H
#define BACKPLANE_EXT_CONFIG_H

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_CONFIG "bp.config/1"

typedef struct bp_config_api {
  uint32_t struct_size;
  uint32_t reserved;

  /* The configuration, one CBOR map; the empty map (a0) if none was given. Valid until deinit.
   * [thread: any] [state: init has begun] [suspend: no] */
  bp_bytes (*get)(bp_module* module);

  /* The absolute path of a directory of the module's own, made on first use with mode 0700, the same
   * for all generations and contexts. Valid until deinit. BP_IO if it cannot be made or written;
   * `*path` is then empty and `*message`, if `message` is not NULL, says what was found.
   * [thread: any] [state: init has begun] [suspend: no] */
  bp_status (*data_dir)(bp_module* module, bp_str* path, bp_str* message);
} bp_config_api;

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_EXT_CONFIG_H */
