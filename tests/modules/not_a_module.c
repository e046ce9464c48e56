/* SPDX-License-Identifier: Apache-2.0
 *
 * A shared object like any other: no manifest, no entry.
 */
#include "backplane/base.h"

BP_EXPORT int not_a_module_answer(void);
int not_a_module_answer(void) { return 42; }
