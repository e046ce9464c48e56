/* SPDX-License-Identifier: Apache-2.0
 *
 * A module name with characters that are not allowed.
 */
#include "testmod.h"

TM_MANIFEST("Bad-Name");
TM_PROVIDES("bad_name.echo");
TM_INIT_ECHO("bad_name.echo");
