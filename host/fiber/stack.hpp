// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace backplane {

/// The stack of a fiber: anonymous memory, so that only touched pages cost anything, with a page
/// below it that nothing may touch, so that an overflow faults at once.
class Stack {
 public:
  /// `size` is rounded up to pages. Throws std::bad_alloc.
  explicit Stack(std::size_t size);
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack();

  /// One past the highest byte: stacks grow down from here.
  void* top() const noexcept { return static_cast<char*>(bottom_) + size_; }
  void* bottom() const noexcept { return bottom_; }
  std::size_t size() const noexcept { return size_; }

 private:
  void* bottom_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace backplane
