// SPDX-License-Identifier: Apache-2.0
#include "cddl/tree.hpp"

namespace backplane::host::cddl {

Tree::Tree(cbor::View input, std::size_t most_items) : reader_(input), most_(most_items) {
  while (!reader_.at_end()) {
    read(0);
    if (ended_) throw cbor::Error("found a break, expected an item", reader_.offset());
  }
}

void Tree::read(std::size_t depth) {
  const std::size_t begin = reader_.offset();
  if (depth > cbor::max_depth) throw cbor::Error("nested deeper than 64 levels", begin);
  const cbor::Item head = reader_.next();
  ended_ = head.type == cbor::Type::end;
  if (ended_) return;
  if (items_.size() >= most_) throw TooManyItems{};
  const auto index = items_.size();
  TreeItem item{.type = head.type, .width = head.width, .value = head.value, .real = head.real};
  if (head.type == cbor::Type::bytes || head.type == cbor::Type::text) read_string(item, head);
  items_.push_back(item);
  if (head.type == cbor::Type::tag) {
    read(depth + 1);
    if (ended_) throw cbor::Error("found a break, expected an item", begin);
  } else if (head.type == cbor::Type::array || head.type == cbor::Type::map) {
    const bool map = head.type == cbor::Type::map;
    std::uint64_t count = 0;
    for (; head.until_end || count < (map ? head.value * 2 : head.value); ++count) {
      read(depth + 1);
      if (!ended_) continue;
      if (!head.until_end) throw cbor::Error("found a break, expected an item", begin);
      break;
    }
    if (map && count % 2 != 0) throw cbor::Error("found a map key without a value", begin);
    items_[index].value = map ? count / 2 : count;
  }
  ended_ = false;
  items_[index].end = static_cast<std::uint32_t>(items_.size());
}

void Tree::read_string(TreeItem& item, const cbor::Item& head) {
  item.text = head.text();
  if (!head.until_end) return;
  std::string& all = joined_.emplace_back();
  for (;;) {
    const cbor::Item chunk = reader_.next();
    if (chunk.type == cbor::Type::end) break;
    if (chunk.type != head.type || chunk.until_end) {
      throw cbor::Error("found a chunk of another type in a string", reader_.offset());
    }
    all += chunk.text();
  }
  item.text = all;
}

}  // namespace backplane::host::cddl
