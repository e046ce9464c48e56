/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifest lacks a key that has to be there.
 */
#include "testmod.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=no_version");
TM_PROVIDES("no_version.echo");
TM_INIT_ECHO("no_version.echo");
