// SPDX-License-Identifier: Apache-2.0
//
// The place of an error inside a value: "messages[2].delay_ms".
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "error.hpp"

namespace backplane::detail {

/// One step down into a value. It lives while that part of the value is read or written. The steps are linked
/// up to the root through the stack, so a path costs nothing until an error needs it.
class Step {
 public:
  // The address of a local is kept until the destructor only; g++ does not always see that.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdangling-pointer"
#endif
  Step(const Step*& current, std::string_view key) : current_(current), up_(current) {
    go_to(key);
    current = this;
  }
  Step(const Step*& current, std::size_t index) : current_(current), up_(current), index_(index) { current = this; }
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#pragma GCC diagnostic pop
#endif
  /// A step whose part is not known yet: go_to() sets it.
  explicit Step(const Step*& current) : Step(current, std::size_t{0}) {}
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  ~Step() { current_ = up_; }

  /// Moves to another part of the same value.
  void go_to(std::string_view key) noexcept {
    key_ = key.data() != nullptr ? key.data() : "";
    index_ = key.size();
  }

  static std::string path(const Step* leaf) {
    std::vector<const Step*> steps;
    for (; leaf != nullptr; leaf = leaf->up_) steps.push_back(leaf);
    std::string out;
    for (auto i = steps.rbegin(); i != steps.rend(); ++i) (*i)->append(out);
    return out;
  }

 private:
  void append(std::string& out) const {
    const std::string_view key = key_ != nullptr ? std::string_view(key_, index_) : std::string_view();
    if (key_ == nullptr) {
      out += join('[', index_, ']');
    } else if (plain(key)) {
      if (!out.empty()) out += '.';
      out += key;
    } else {
      out += join('[', quoted(key), ']');
    }
  }

  static bool plain(std::string_view key) {
    return !key.empty() && key.size() <= 64 && std::all_of(key.begin(), key.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
  }

  const Step*& current_;
  const Step* up_;
  const char* key_ = nullptr;  // null: this step is an index
  std::size_t index_;          // the index, or the size of the key
};

/// Puts the path before an error text: "messages[2].delay_ms: expected int, got text". At the root, the text alone.
inline std::string located(const Step* leaf, std::string_view text) {
  std::string out = Step::path(leaf);
  if (!out.empty()) out += ": ";
  out += text;
  return out;
}

}  // namespace backplane::detail
