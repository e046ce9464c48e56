#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Another implementation of CBOR, to check the SDK's against.

Reads lines of hexadecimal CBOR from a file; writes for each what it understood as a line of JSON, then the
same value encoded anew with the keys of maps in reverse order, as hexadecimal.
"""
import json
import sys

import cbor2


def plain(value):
    if isinstance(value, bytes):
        return "h'" + value.hex() + "'"
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def turned(value):
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(list(value))}
    if isinstance(value, list):
        return [turned(item) for item in value]
    return value


with open(sys.argv[1], encoding="ascii") as lines:
    for line in lines:
        value = cbor2.loads(bytes.fromhex(line))
        print(json.dumps(plain(value), ensure_ascii=False, sort_keys=True))
        print(cbor2.dumps(turned(value)).hex())
