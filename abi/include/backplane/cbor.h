/* SPDX-License-Identifier: Apache-2.0
 *
 * backplane/cbor.h: a reader and a writer of CBOR (RFC 8949) in C11, for modules and applications in C. There is
 * nothing to link.
 *
 *   bp_cbor_reader in;                         {"user_id": text}
 *   bp_str user;
 *   if (!bp_cbor_find(payload, BP_STR("user_id"), &in) || !bp_cbor_get_text(&in, &user)) …
 *
 *   bp_cbor_writer out;                        {"name": text}
 *   bp_cbor_writer_init(&out, bp_buffer_new, bp_buffer_free);
 *   bp_cbor_put_map(&out, 1);
 *   bp_cbor_put_string(&out, "name");
 *   bp_cbor_put_text(&out, user);
 *   answer.buffer = bp_cbor_take(&out);        NULL if there is no memory
 *
 * The reader takes untrusted bytes: it checks every length, the nesting and UTF-8, and allocates nothing. Views that it
 * gives point into the input. The writer uses the shortest form of each number and length.
 *
 * Any thread may use a reader or a writer, one thread at a time. backplane.h does not include this header.
 */
#ifndef BACKPLANE_CBOR_H
#define BACKPLANE_CBOR_H

#include "cbor/reader.h"
#include "cbor/writer.h"

#endif /* BACKPLANE_CBOR_H */
