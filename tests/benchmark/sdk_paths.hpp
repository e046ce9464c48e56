// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace bench {

/// Repeats one operation of the SDK `count` times, with a host that only takes the answer. Returns whether all results
/// were right. `what` must be known to is_sdk_path():
///   - "encode" and "decode": a small struct;
///   - "typed": a handler {a, b: int64, x: float64} -> {ok: bool}, from the C call to the C answer;
///   - "raw": a handler that returns the bytes.
bool sdk_path(const std::string& what, std::uint64_t count);
bool is_sdk_path(const std::string& what);

}  // namespace bench
