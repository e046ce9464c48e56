/* SPDX-License-Identifier: Apache-2.0
 *
 * Another file whose module is called echo: only one of the two can be loaded.
 */
#include "testmod.h"

TM_MANIFEST("echo");
TM_PROVIDES("echo.shout");
TM_INIT_ECHO("echo.shout");
