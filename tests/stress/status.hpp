// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace stress {

/// The numbers of one map of a status report (docs/protocol.md), those of maps in it as "events.emitted".
class Numbers {
 public:
  /// 0 if there is none of that name.
  std::uint64_t operator[](const std::string& name) const;
  void set(const std::string& name, std::uint64_t value) { values_[name] = value; }
  const std::map<std::string, std::uint64_t>& all() const noexcept { return values_; }

 private:
  std::map<std::string, std::uint64_t> values_;
};

struct StatusReport {
  bp_status status = BP_OK;  ///< what bp_host_status returned; unless it is BP_OK the rest is empty
  Numbers host;
  std::vector<Numbers> contexts;

  /// The context with that id, or nullptr.
  const Numbers* context(std::uint64_t id) const;
};

/// Throws backplane::cbor::Error if the report is no CBOR, or not of the shape that is documented.
StatusReport read_status(bp_context context);

}  // namespace stress
