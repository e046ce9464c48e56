// SPDX-License-Identifier: Apache-2.0
//
// What the names of rules mean, and what types are called.
#pragma once

#include <backplane/base.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace backplane::host::cddl {

enum class Role : std::uint8_t { type, request, part, reply, partial, error, event, constant, config };

struct WireRule {
  Role role = Role::type;
  std::string_view name;  ///< the wire name, or that of the constant with its module
  bp_status status = 0;   ///< of an error
};

/// What the rule of this name says, in the interface of this module.
WireRule wire_rule(std::string_view rule, std::string_view module);

/// A name of CDDL as the name of a type: my-type, my.type and MyType are MyType.
std::string type_name(std::string_view name);

/// Names that differ.
class UniqueNames {
 public:
  /// `name`, or `name` with the first number behind it that makes it new: Point_2.
  std::string add(const std::string& name);

 private:
  std::set<std::string, std::less<>> taken_;
  std::map<std::string, std::size_t, std::less<>> more_;  // the highest number behind a name
};

}  // namespace backplane::host::cddl
