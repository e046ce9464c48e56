/* SPDX-License-Identifier: Apache-2.0
 *
 * A manifest, but no symbol backplane_module.
 */
#include "testmod.h"

TM_MANIFEST("no_entry");

BP_EXPORT int no_entry_answer(void);
int no_entry_answer(void) { return 42; }
