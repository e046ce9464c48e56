/* SPDX-License-Identifier: Apache-2.0
 *
 * Linked with -z nodelete.
 */
#include "../../modules/testmod.h"

TM_MANIFEST("no_delete");
TM_PROVIDES("no_delete.echo");
TM_INIT_ECHO("no_delete.echo");
