/* SPDX-License-Identifier: Apache-2.0
 *
 * The entry lacks the one function that has to be there.
 */
#include "testmod.h"

TM_MANIFEST("entry_without_init");

BP_MODULE_ENTRY = {sizeof(bp_module_entry), BP_ABI_MAJOR, BP_ABI_MINOR, 0, NULL, NULL, NULL, NULL, NULL};
