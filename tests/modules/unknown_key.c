/* SPDX-License-Identifier: Apache-2.0
 *
 * A manifest key that no host knows yet: no fault, it has to load.
 */
#include "testmod.h"

TM_MANIFEST("unknown_key");
BP_MANIFEST("colour=blue");
TM_PROVIDES("unknown_key.echo");
TM_INIT_ECHO("unknown_key.echo");
