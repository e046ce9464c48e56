// SPDX-License-Identifier: Apache-2.0
//
// Tells somebody outside that the server lives. Includes Asio, so only files of this room may include it.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>

#include "server/control_thread.hpp"
#include "server/handler_memory.hpp"

namespace backplane::host {

/// Calls a function again and again, on the io thread, as long as the control thread takes jobs. So it stops when the
/// io thread or the management hangs, and it does not stop because of a handler that keeps the request thread.
class LifeSign {
 public:
  /// What management does for its peers, as a question to itself. On the control thread; must not throw.
  using Question = std::function<void()>;

  LifeSign(boost::asio::io_context& io, ControlThread& control) : timer_(io), control_(control) {}
  LifeSign(const LifeSign&) = delete;
  LifeSign& operator=(const LifeSign&) = delete;

  /// Begins: `alive` is called each `interval` if the control thread has answered the question of the interval before,
  /// or has done another job since. It must not throw and must not block. Throws std::system_error. Before the io
  /// thread runs.
  void begin(std::chrono::nanoseconds interval, Question question, std::function<void()> alive);
  /// Io thread. The control thread must have ended before this object does.
  void stop() noexcept;

 private:
  void wait();
  void ring() noexcept;

  boost::asio::posix::stream_descriptor timer_;  ///< a timerfd: to begin a wait again takes no memory
  ControlThread& control_;
  Question question_;
  std::function<void()> alive_;
  std::atomic<bool> answered_{true};
  std::uint64_t done_ = 0;  ///< jobs of the control thread, at the last sign
  HandlerMemory memory_;
};

}  // namespace backplane::host
