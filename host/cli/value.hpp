// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/reader.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backplane::host::cli {

/// A report of the host, with its members by name. A missing member reads as empty text, 0 or an empty list, so that
/// reports of older hosts can be shown too.
class Value {
 public:
  /// Throws CommandFailure if `item` is not well-formed CBOR. `item` must outlive the value.
  static Value read(cbor::View item);

  /// The member of a map, or an empty value if the map has no such member.
  const Value& operator[](std::string_view key) const;
  /// The elements of an array.
  const std::vector<Value>& items() const noexcept { return items_; }
  /// A text or bytes as one line, with escapes for all that could disturb a terminal or look like another line; a
  /// number in digits; a boolean as "yes" or "no".
  const std::string& text() const noexcept { return text_; }
  /// A text of several lines, as the CDDL of a module. Only what could disturb a terminal is escaped.
  std::string lines() const;
  std::uint64_t number() const noexcept { return number_; }
  /// A text or bytes as they are.
  std::string raw() const;
  /// The encoded item.
  cbor::View bytes() const noexcept { return bytes_; }
  bool truth() const noexcept { return number_ != 0; }
  /// The texts of an array, separated by ", ".
  std::string joined() const;

 private:
  static Value read(cbor::Reader& reader, std::size_t depth);

  cbor::View bytes_;
  std::string text_;
  std::uint64_t number_ = 0;
  std::vector<Value> items_;
  std::vector<std::pair<std::string, Value>> members_;
};

}  // namespace backplane::host::cli
