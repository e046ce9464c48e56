/* SPDX-License-Identifier: Apache-2.0
 *
 * Exports a second symbol beside its entry.
 */
#include "testmod.h"

TM_MANIFEST("two_exports");
TM_PROVIDES("two_exports.echo");
TM_INIT_ECHO("two_exports.echo");

BP_EXPORT int two_exports_second(void);
int two_exports_second(void) { return 2; }
