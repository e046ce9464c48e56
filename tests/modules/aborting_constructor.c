/* SPDX-License-Identifier: Apache-2.0
 *
 * A constructor that ends the process. Whoever only reads the manifest must not notice.
 */
#include <stdlib.h>

#include "testmod.h"

TM_MANIFEST("aborting_constructor");
BP_MANIFEST("summary=Ends every process that maps it");
TM_PROVIDES("aborting_constructor.echo");
BP_CDDL("aborting_constructor.echo.request = any\naborting_constructor.echo.reply = any\n");
TM_INIT_ECHO("aborting_constructor.echo");

__attribute__((constructor)) static void end_the_process(void) { abort(); }
