// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "support/unique_fd.hpp"

namespace backplane::host {

/// Descriptors that are kept open, so that the process has some for operators when it has no others left. One thread.
class SpareDescriptors {
 public:
  /// Takes what is missing, as far as the process has it. Returns whether all are there.
  bool fill() noexcept {
    while (count_ < wanted()) {
      UniqueFd fd(::open("/dev/null", O_PATH | O_CLOEXEC));
      if (!fd) return false;
      kept_[count_++] = std::move(fd);
    }
    return true;
  }
  /// Closes one, which leaves a descriptor for something else. Returns false if there is none.
  bool give() noexcept {
    if (count_ == 0) return false;
    kept_[--count_].reset();
    return true;
  }

 private:
  static constexpr std::size_t most = 16;

  /// An eighth of the limit, so that a small limit leaves room for what the host is for.
  static std::size_t wanted() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return most;
    return std::clamp<std::size_t>(limit.rlim_cur / 8, 4, most);
  }

  std::array<UniqueFd, most> kept_;
  std::size_t count_ = 0;
};

}  // namespace backplane::host
