/* SPDX-License-Identifier: Apache-2.0
 *
 * A manifest key twice that may be there once only.
 */
#include "testmod.h"

TM_MANIFEST("duplicate_key");
BP_MANIFEST("name=duplicate_key_again");
TM_PROVIDES("duplicate_key.echo");
TM_INIT_ECHO("duplicate_key.echo");
