// SPDX-License-Identifier: Apache-2.0
//
// The shapes of codec_shapes.hpp written and read by hand, with libcbor's streaming functions and nothing between.
#pragma once

#include "codec_shapes.hpp"

namespace bench {

/// Each writes into `out`, which the caller has made large enough, and returns the bytes that it took; 0 if the
/// value cannot be sent. Like the SDK, they send no text that is not UTF-8.
std::size_t write_by_hand(const Small& value, std::uint8_t* out, std::size_t size);
std::size_t write_by_hand(const Nested& value, std::uint8_t* out, std::size_t size);
std::size_t write_by_hand(const Blob& value, std::uint8_t* out, std::size_t size);

/// Each reads exactly one item; false if it is not what was expected. Keys may come in any order. Like the SDK,
/// they refuse keys that are unknown, missing or given twice, text that is not UTF-8, counts that the rest of the
/// bytes cannot hold, and bytes after the end, and take numbers in every width. They do less than the SDK where an
/// author may: tags, lengths told by a break and strings in chunks are refused, and an error does not say where.
bool read_by_hand(backplane::View in, Small& out);
bool read_by_hand(backplane::View in, Nested& out);
bool read_by_hand(backplane::View in, Blob& out);

}  // namespace bench
