// SPDX-License-Identifier: Apache-2.0
//
// Sets of values without parts: numbers, texts, byte strings, and what major type 7 has.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace backplane::host::cddl {

/// Has all integers of CBOR: -2^64 to 2^64 - 1.
__extension__ using Wide = __int128;

/// A set of integers.
class Intervals {
 public:
  /// Adds `from` to `to`; nothing if that is empty.
  void add(Wide from, Wide to);
  void add(const Intervals& others);
  /// Leaves only what is between these.
  void clip(Wide from, Wide to);
  bool empty() const noexcept { return ranges_.empty(); }
  bool has(Wide value) const noexcept;
  bool within(const Intervals& others) const;
  bool meets(const Intervals& others) const;

 private:
  std::vector<std::pair<Wide, Wide>> ranges_;  // sorted, with gaps between them
};

/// A set of texts or of byte strings.
struct Strings {
  std::set<std::string> literals;
  Intervals sizes;  ///< in bytes: with any content
};

/// Reals, or floats of a width. A long double has each integer of CBOR, too.
struct RealRange {
  long double from = 0;
  long double to = 0;
  bool open_from = false;  ///< without `from`
  bool open_to = false;    ///< without `to`
  unsigned bytes = 8;      ///< of the widest float
};

struct Scalars {
  Intervals integers;
  unsigned float_bytes = 0;  ///< of the widest float that it has as a whole; 0: none
  std::set<double> reals;
  std::vector<RealRange> real_ranges;
  Strings texts;
  Strings bytes;
  std::set<std::uint64_t> simples;  ///< arguments of major type 7

  bool empty() const noexcept;
  /// Adds `others`.
  void add(const Scalars& others);
};

/// What one set has beyond another one.
struct Beyond {
  bool more = false;                  ///< other things than these texts
  std::vector<std::string> literals;  ///< texts
};
Beyond beyond(const Scalars& set, const Scalars& other);

/// Whether a reader may take a value of one set for one of the other. May say so if it is not sure.
bool may_meet(const Scalars& one, const Scalars& other);

}  // namespace backplane::host::cddl
