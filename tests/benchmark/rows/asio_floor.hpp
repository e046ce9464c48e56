// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

namespace bench {

/// Boost.Asio's way of handing work to another thread: `asio::post` to an io_context that one thread runs.
class PostFloor {
 public:
  PostFloor();
  PostFloor(const PostFloor&) = delete;
  PostFloor& operator=(const PostFloor&) = delete;
  ~PostFloor();

  /// Posts so many functions from the calling thread, with at most `window` of them not completed. Nanoseconds
  /// each, until the last is.
  double post(std::uint32_t count, std::uint32_t window);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bench
