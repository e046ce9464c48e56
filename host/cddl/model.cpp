// SPDX-License-Identifier: Apache-2.0
#include "cddl/model.hpp"

namespace backplane::host::cddl {

const Rule* Schema::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &rules_[found->second];
}

NodeId Schema::inside_parentheses(NodeId id) const {
  for (;;) {
    const Node& group = nodes_[id];
    if (group.kind != Kind::group || group.count != 1) return id;
    const Node& sequence = nodes_[links_[group.first]];
    if (sequence.count != 1) return id;
    const Node& entry = nodes_[links_[sequence.first]];
    if (entry.a != no_node || entry.number != 1 || entry.max != 1) return id;
    id = entry.b;
  }
}

}  // namespace backplane::host::cddl
