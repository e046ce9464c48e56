/* SPDX-License-Identifier: Apache-2.0
 *
 * Requires an extension that no host has.
 */
#include "testmod.h"

TM_MANIFEST("requires_missing");
BP_MANIFEST("requires=bp.nope/9");
TM_PROVIDES("requires_missing.echo");
TM_INIT_ECHO("requires_missing.echo");
