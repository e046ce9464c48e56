// SPDX-License-Identifier: Apache-2.0
//
// The shapes of codec_shapes.hpp written and read by hand, with libcbor's streaming functions and nothing between.
#pragma once

#include "codec_shapes.hpp"

namespace bench {

/// Each function writes into `out`, which must be large enough, and returns the number of bytes; 0 if the value cannot
/// be sent. As the SDK, it refuses text that is not UTF-8.
std::size_t write_by_hand(const Small& value, std::uint8_t* out, std::size_t size);
std::size_t write_by_hand(const Nested& value, std::uint8_t* out, std::size_t size);
std::size_t write_by_hand(const Blob& value, std::uint8_t* out, std::size_t size);

/// Each function reads exactly one item. Returns false for anything else. Keys may come in any order, and numbers in
/// every width. As the SDK, it refuses unknown, missing and repeated keys, text that is not UTF-8, too large counts,
/// and bytes after the end. Unlike the SDK, it also refuses tags, indefinite lengths and chunks, and an error has no
/// position.
bool read_by_hand(backplane::View in, Small& out);
bool read_by_hand(backplane::View in, Nested& out);
bool read_by_hand(backplane::View in, Blob& out);

}  // namespace bench
