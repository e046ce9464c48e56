/* SPDX-License-Identifier: Apache-2.0
 *
 * Built for another ABI major, and says so in its manifest.
 */
#include "testmod.h"

BP_MANIFEST("abi=2.0");
BP_MANIFEST("name=wrong_major");
BP_MANIFEST("version=1");
TM_PROVIDES("wrong_major.echo");
TM_INIT_ECHO("wrong_major.echo");
