/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifest provides a name that init does not register.
 */
#include "testmod.h"

TM_MANIFEST("manifest_says_more");
TM_PROVIDES("manifest_says_more.echo");
TM_PROVIDES("manifest_says_more.missing");
TM_INIT_ECHO("manifest_says_more.echo");
