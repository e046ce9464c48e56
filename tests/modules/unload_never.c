/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks to stay mapped: its names go, its object does not.
 */
#include "testmod.h"

TM_MANIFEST("unload_never");
BP_MANIFEST("unload=never");
TM_PROVIDES("unload_never.echo");
TM_INIT_ECHO("unload_never.echo");
