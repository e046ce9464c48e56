// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cddl/model.hpp"
#include "cddl/verdicts.hpp"

namespace backplane::host::cddl {

/// What a module's file says of its interface. What the views point to must outlive it.
struct Interface {
  std::string_view module;
  std::string_view text;  ///< CDDL
  std::span<const std::string> provides;
  std::span<const std::string> offers;
  std::span<const std::string> emits;
  std::span<const std::string> calls;
  std::span<const std::string> listens;
};

struct Change {
  What what = What::unknown;
  Flow flow = Flow::none;
  Judgement verdict = Judgement::compatible;
  std::string where;               ///< a wire name, or a type or member in it: EchoRequest.delay_ms
  std::string text;                ///< a sentence for people
  std::vector<std::string> names;  ///< wire rules that it reaches; at most 8
  std::size_t more_names = 0;
};

struct Comparison {
  Judgement verdict = Judgement::compatible;  ///< the worst
  std::vector<Change> changes;                ///< the worst first; at most `most_changes`
  std::size_t left_out = 0;                   ///< changes beyond these
};

inline constexpr std::size_t most_changes = 200;
/// Of the search; a step takes less than 0.5 us.
inline constexpr std::size_t most_compare_steps = 1'000'000;

/// What has changed between two interfaces of a module, and what that means. Both texts may come from an untrusted
/// source: time, memory and depth are bounded, and what is beyond the bounds is What::unknown. Throws ParseError.
Comparison compare(const Interface& before, const Interface& after, std::size_t steps = most_compare_steps);

/// The interface in a form without comments, and without the order and the spelling of what may be written in several
/// ways. Equal forms mean the same interface; names of types count. Throws ParseError.
std::string canonical(const Interface& interface);
/// The same, of rules that are read already.
std::string canonical(const Interface& interface, const Schema& schema);

/// What identifies an interface: 16 hexadecimal digits, of its canonical form.
std::string interface_hash(const Interface& interface, const Schema& schema);

/// Writes the members "verdict", "changes" and "left_out" of a compare-report; see docs/protocol.md.
inline constexpr std::size_t comparison_members = 3;
void write(cbor::Writer& out, const Comparison& comparison);

/// For example: 2 changes break callers: …. …
/// Names the first three of the worst, and says how many there are.
std::string summary(const Comparison& comparison);

}  // namespace backplane::host::cddl
