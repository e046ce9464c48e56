// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace bench {

/// Does so often what the SDK does by itself, with a host that only takes the answer: "encode" and "decode" a small
/// struct; "typed" is a handler {a, b: int64, x: float64} -> {ok: bool}, from the C call to the C answer; "raw" is one
/// that gives the bytes back. Whether all of it was right. `what` is one that is_sdk_path() knows.
bool sdk_path(const std::string& what, std::uint64_t count);
bool is_sdk_path(const std::string& what);

}  // namespace bench
