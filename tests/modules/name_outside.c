/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers a wire name that does not begin with the module's name.
 */
#include "testmod.h"

TM_MANIFEST("name_outside");
TM_PROVIDES("other.verb");
TM_INIT_ECHO("other.verb");
