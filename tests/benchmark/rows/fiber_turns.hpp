// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../host.hpp"
#include "../rounds.hpp"

namespace bench {

/// Has `module` do `verb`, in turns with `floor` on the same thread.
inline Figure fiber_against(const char* module, const char* verb, double (*floor)(std::uint64_t), Rounds rounds) {
  Host host(module);
  const auto ours = [&](std::uint64_t count) {
    return static_cast<double>(host.order(verb, {count, 0, 0}).nanoseconds) / static_cast<double>(count);
  };
  const auto theirs = [&](std::uint64_t count) {
    double each = 0;
    host.on_request_thread([&] { each = floor(count); });
    return each;
  };
  return interleaved(rounds, ours, theirs);
}

}  // namespace bench
