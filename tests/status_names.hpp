// SPDX-License-Identifier: Apache-2.0
//
// Failures read as names: CHECK(status == BP_OK) says "canceled == ok", not "25 == 0". The header of a fixture includes
// this, so that all files of a test see the same.
#pragma once

#include <backplane/base.h>

#include <catch2/catch.hpp>
#include <string>

/// "canceled"; "module 1001"; "status 7" for what base.h has no name for.
inline std::string name_of(bp_status status) {
  std::string name;
  switch (status) {
#define BP_NAME_CASE(name_, value, text) \
  case value:                            \
    name = #name_;                       \
    break;
    BP_STATUS_LIST(BP_NAME_CASE)
#undef BP_NAME_CASE
    default:
      return (status >= BP_STATUS_MODULE_FIRST ? "module " : "status ") + std::to_string(status);
  }
  for (char& letter : name) letter = static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter);
  return name;
}

namespace Catch {

/// What CHECK makes of a comparison with a BP_… constant; bp_status itself is an int like any other.
template <class Lhs>
class BinaryExpr<Lhs, const decltype(BP_OK)&> : public ITransientExpression {
 public:
  BinaryExpr(bool result, Lhs lhs, StringRef op, const decltype(BP_OK)& rhs)
      : ITransientExpression{true, result}, lhs_(lhs), op_(op), rhs_(rhs) {}

 private:
  void streamReconstructedExpression(std::ostream& out) const override {
    formatReconstructedExpression(out, name_of(static_cast<bp_status>(lhs_)), op_, name_of(rhs_));
  }
  Lhs lhs_;
  StringRef op_;
  bp_status rhs_;
};

}  // namespace Catch
