// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cddl/model.hpp"

namespace backplane::host::cddl {

/// One way in which an item does not fit its rule.
struct Finding {
  enum class Kind : std::uint8_t { wrong, missing, unknown };

  Kind kind = Kind::wrong;
  std::string path;      ///< of the item, as in messages[2].delay_ms; empty: the whole item
  std::string found;     ///< of a wrong item
  std::string expected;  ///< CDDL; of an unknown key, the keys that are known
  std::string hint;      ///< of an unknown key: "did you mean …?", or empty
  std::string rule;      ///< that has the type
  std::uint32_t line = 0;

  /// For example: "max_keys" is "many", expected uint (kv.config in the module's CDDL, line 12)
  std::string message() const;
};

struct Verdict {
  std::vector<Finding> findings;  ///< none: the item fits, unless `unchecked` is set
  /// Why the item could not be checked to its end: a limit was reached, or the rules are faulty. Then there are no
  /// findings.
  std::string unchecked;
};

struct Options {
  /// Reads as the decoder of the SDK does: tags that the rule does not have are skipped, undefined is null, and a float
  /// may have any width.
  bool lenient = false;
  std::size_t most_steps = 10'000'000;  ///< of the search; a step takes about 20 ns
  std::size_t most_items = 1 << 18;     ///< of the CBOR; each takes 48 bytes while it is checked
  std::size_t most_findings = 16;
};

/// Compares one CBOR item with a rule of the schema, which must exist. Both may come from an untrusted source: time,
/// memory and depth are bounded. As in RFC 8610, appendix A, choices are ordered and occurrences greedy: an alternative
/// that fits is not given up later. Only the choice directly in a map or an array is tried until all of that fits.
Verdict validate(const Schema& schema, std::string_view rule, cbor::View item, const Options& options = {});

}  // namespace backplane::host::cddl
