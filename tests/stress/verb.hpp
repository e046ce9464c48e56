// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <cstdint>

#include "life.hpp"

namespace stress {

/// A wire name without its module, and what a call of it may end with besides BP_CANCELED.
struct Verb {
  const char* name;
  unsigned weight;  ///< in 1000
  bool order;       ///< takes one; the others may also come without
  bool must_time;   ///< nobody would answer it
  bool good;        ///< BP_OK, with the payload again
  bool nested;      ///< passes on what a nested call or a host function ended with
  bp_status other;  ///< what else it may end with; BP_OK for nothing
};

inline constexpr bp_status module_error = BP_STATUS_MODULE_FIRST + 7;  // as the module has it
inline constexpr bp_status app_error = BP_STATUS_MODULE_FIRST + 8;     // what host functions here may answer

/// Which one a random number stands for; now and then one that no module has.
const Verb& verb_at(std::uint64_t draw);
bool is_unknown(const Verb& verb) noexcept;
/// A number for which verb_at gives the verb of that name.
std::uint64_t draw_of(const char* name);

/// The size of a payload in bytes.
std::uint32_t size_at(std::uint64_t draw);
/// A deadline in milliseconds, or 0 for none.
std::uint64_t timeout_at(std::uint64_t draw, bool must);
/// How the module is to do it.
Order order_for(Call& call, const Verb& verb, std::uint64_t draw);

}  // namespace stress
