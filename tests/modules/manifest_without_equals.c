/* SPDX-License-Identifier: Apache-2.0
 *
 * A manifest entry that is no key=value.
 */
#include "testmod.h"

TM_MANIFEST("manifest_without_equals");
BP_MANIFEST("hello");
TM_PROVIDES("manifest_without_equals.echo");
TM_INIT_ECHO("manifest_without_equals.echo");
