// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/reader.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host::cddl {

/// An item of a tree. Items inside of it follow it.
struct TreeItem {
  cbor::Type type = cbor::Type::null;
  std::uint8_t width = 0;   ///< real: its bytes in the input
  std::uint32_t end = 0;    ///< the index behind the last item inside
  std::uint64_t value = 0;  ///< as in cbor::Item; of an array or a map, the number of elements or pairs
  double real = 0;
  std::string_view text;  ///< text or bytes; points into the input or the tree
};

/// The input has more items than the reader of it allows.
struct TooManyItems {};

/// CBOR items in the order of their bytes, so that each can be looked at several times. The bytes must outlive it.
class Tree {
 public:
  /// Reads all items that `input` has, one after another. Throws cbor::Error if they are not well-formed, TooManyItems
  /// if they have more than `most_items` parts.
  Tree(cbor::View input, std::size_t most_items);
  /// Has a number.
  explicit Tree(std::uint64_t number) : reader_({}), most_(1) {
    items_.push_back({.type = cbor::Type::uint, .end = 1, .value = number});
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  const TreeItem& operator[](std::uint32_t index) const { return items_[index]; }
  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(items_.size()); }

 private:
  void read(std::size_t depth);
  void read_string(TreeItem& item, const cbor::Item& head);

  cbor::Reader reader_;
  std::size_t most_;
  bool ended_ = false;  // the last item was a break
  std::vector<TreeItem> items_;
  std::deque<std::string> joined_;  // strings that came in chunks
};

/// An item and the tree that has it.
struct At {
  const Tree* tree = nullptr;
  std::uint32_t index = 0;

  const TreeItem& operator*() const { return (*tree)[index]; }
  const TreeItem* operator->() const { return &(*tree)[index]; }
  At first() const { return {tree, index + 1}; }
  At next() const { return {tree, (*tree)[index].end}; }
};

}  // namespace backplane::host::cddl
