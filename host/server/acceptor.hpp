// SPDX-License-Identifier: Apache-2.0
//
// Accepts the connections of one socket. Includes Asio, so only files of this room may include it.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "server/admitter.hpp"
#include "server/handler_memory.hpp"
#include "server/listening_socket.hpp"
#include "server/server_core.hpp"
#include "server/spare_descriptors.hpp"

namespace backplane::host {

/// The descriptors that the acceptors of a server share.
struct AcceptorDescriptors {
  SpareDescriptors spare;
  bool are_short = false;  ///< it was told that the process has none left
  std::chrono::steady_clock::time_point last_short{};
};

/// Accepts the connections of one socket, also when the process has no descriptors left. Makes the socket's file again
/// if somebody removes it. After start(), io thread only.
class Acceptor {
 public:
  /// `lock` is that of the socket; null if the socket is given to start().
  Acceptor(ServerCore& core, Admitter& admitter, AcceptorDescriptors& descriptors, ListenOptions options,
           Entrance entrance, std::shared_ptr<SocketLock> lock);

  /// Binds the socket, unless `given` listens already: that one keeps its file. Peers can connect when it returns.
  /// Throws Failure.
  void start(UniqueFd given);
  /// Removes the socket that start() has bound, and accepts no more.
  void stop() noexcept;

 private:
  void accept();
  void accept_one();
  int try_accept();
  bool let_in(bool no_descriptor);
  void accept_later();
  void tell_short(int error);
  void look_for_end_of_shortage();
  void watch();
  void add_watches();
  void await_change();
  void look_at_file();
  void renew();
  void renew_later(const std::string& why);
  void look_later();

  ServerCore& core_;
  Admitter& admitter_;
  AcceptorDescriptors& descriptors_;
  const ListenOptions options_;
  const Entrance entrance_;
  const std::shared_ptr<SocketLock> lock_;
  std::optional<ListeningSocket> listening_;  ///< none: the socket was given, and its file is not looked after
  boost::asio::local::stream_protocol::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  boost::asio::posix::stream_descriptor changes_;  ///< an inotify of the files of the socket and its lock
  boost::asio::steady_timer retry_;
  boost::asio::steady_timer shortage_;  ///< looks whether it is over
  struct {
    HandlerMemory accept, change, shortage;
  } memory_;
  int told_error_ = 0;      ///< of accept()
  std::string told_fault_;  ///< of renew()
};

}  // namespace backplane::host
