/* SPDX-License-Identifier: Apache-2.0
 *
 * Built for a newer ABI minor: no fault, it has to load.
 */
#include "testmod.h"

BP_MANIFEST("abi=1.9");
BP_MANIFEST("name=newer_minor");
BP_MANIFEST("version=1");
TM_PROVIDES("newer_minor.echo");
TM_INIT_ECHO("newer_minor.echo");
