/* SPDX-License-Identifier: Apache-2.0
 *
 * bp.config/1: the configuration of a module, and a directory for its files.
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

  /* Returns what the operator configured for the module: one CBOR map. It is the empty map (a0) if nothing was
   * configured. Valid until deinit.
   * [thread: any] [state: init has begun] [suspend: no] */
  bp_bytes (*get)(bp_module* module);

  /* Sets `*path` to the absolute path of the module's own directory. It is made on first use, with mode 0700, and is
   * the same for all generations and contexts. `*path` is valid until deinit.
   *   BP_INVALID_ARGUMENT  `module` or `path` is NULL
   *   BP_IO                the directory cannot be made or written. `*path` is empty, and `*message`, if `message` is
   *                        not NULL, says what was found
   *   BP_OUT_OF_MEMORY     no memory
   * [thread: any] [state: init has begun] [suspend: no] */
  bp_status (*data_dir)(bp_module* module, bp_str* path, bp_str* message);
} bp_config_api;

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_EXT_CONFIG_H */
