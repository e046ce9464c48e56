// SPDX-License-Identifier: Apache-2.0
//
// Reads items, each behind four bytes of its length, and writes for each: a byte that says whether it could be read, and
// what it becomes when it is written again.
import { readFileSync, writeFileSync } from "node:fs";
import { decode, encode, Fault } from "@backplane/client";

const [, , from, to] = process.argv;
const input = readFileSync(from);
const out = [];
for (let at = 0; at < input.length; ) {
  const end = at + 4 + input.readUInt32BE(at);
  const head = Buffer.alloc(5);
  let bytes;
  try {
    bytes = encode(decode(new Uint8Array(input.subarray(at + 4, end)), { exact: true }));
    head[0] = 1;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    bytes = Buffer.from(error.message);
  }
  head.writeUInt32BE(bytes.length, 1);
  out.push(head, bytes);
  at = end;
}
writeFileSync(to, Buffer.concat(out));
