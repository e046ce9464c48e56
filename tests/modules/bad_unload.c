/* SPDX-License-Identifier: Apache-2.0
 *
 * An unload policy that does not exist.
 */
#include "testmod.h"

TM_MANIFEST("bad_unload");
BP_MANIFEST("unload=sometimes");
TM_PROVIDES("bad_unload.echo");
TM_INIT_ECHO("bad_unload.echo");
