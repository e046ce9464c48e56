# SPDX-License-Identifier: Apache-2.0
"""Names that generated Rust cannot use, or needs itself."""

KEYWORDS = frozenset("""
    abstract as async await become box break const continue crate do dyn else enum extern false final fn for if impl in
    let loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof
    union unsafe unsized use virtual where while yield Self
""".split())

# Names of the prelude and of the imports, which a type of the module must not hide.
TYPES = frozenset("""
    Self String Vec Option Some None Result Ok Err Box Default Clone Debug PartialEq Eq Hash Ord PartialOrd Copy Fn FnMut
    FnOnce From Into Iterator Send Sync Sized Drop Error Encode Encoder Decode Decoder DecodeError
""".split())

# Functions of each client.
CLIENT = frozenset("new with within client clone into from".split())

# Variables of decode() and encode().
LOCALS = frozenset("data key map out members".split())

CONSTANTS = frozenset("MODULE_NAME MODULE_VERSION INTERFACE_HASH INTERFACE_CDDL".split())
