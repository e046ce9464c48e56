/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/interfaces.h: whether a program may use a module as it is now. Include this header beside backplane.h.
 *
 * A program is built against the interface of a module: its CDDL, and the hash of that. docs/interfaces.md says what
 * changes of an interface mean for programs.
 */
#ifndef BACKPLANE_INTERFACES_H
#define BACKPLANE_INTERFACES_H

#include "backplane.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Asks the host whether a program that was built against this interface may use the module now. `hash` is the interface
 * hash of that time, and `cddl` its text. The host compares; a text is sent to a connected host only if the hashes
 * differ. `cddl` may be empty: then another hash is BP_INTERFACE_CHANGED without a reason. A connection with
 * bp_connect_options.reconnect keeps what was accepted, the last for each module. It asks again after each reconnect
 * and each reload; see BP_CONNECTION_INTERFACE (options.h).
 *   BP_OK                 the interface is the same, or has changed in a compatible way. Then the message of `out` says
 *                         what has changed, and its payload is the compare-report
 *   BP_INTERFACE_CHANGED  callers may break. The message names rule and member, what was expected and what is there.
 *                         out->detail is the compare-report, if there was a text to compare with
 *   BP_NOT_FOUND          no such module runs
 *   BP_INVALID_ARGUMENT   `hash` or `module` is empty, or `cddl` cannot be read
 * [thread: caller] [state: context open] [suspend: no] */
BP_EXPORT bp_status bp_context_expect(bp_context ctx, bp_str module, bp_str hash, bp_str cddl, bp_result* out);

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_INTERFACES_H */
