// SPDX-License-Identifier: Apache-2.0
//
// Serves a context on a Unix socket; docs/protocol.md has the frames.
#pragma once

#include <backplane/backplane.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace backplane::host {

struct ServerOptions {
  /// Empty: default_socket_path().
  std::string socket_path;
  /// A peer that announces a larger frame is told so and disconnected.
  std::size_t max_frame = std::size_t{64} << 20;
  /// Bytes that may wait for a peer that does not read. Beyond: no more of its calls are read, and an
  /// event or partial answer on top ends its connection.
  std::size_t max_output = std::size_t{64} << 20;
  /// One more connection is told so and disconnected.
  std::size_t max_connections = 1024;
  /// Open calls of one connection; one more is answered BP_OVERLOADED.
  std::size_t max_calls = std::size_t{1} << 20;
  /// How long a new connection may take for its hello.
  std::chrono::milliseconds hello_timeout{10'000};
  /// Gets one line without a line break, and its level (BP_LOG_…), from any thread; must not throw.
  /// Empty: nothing is said.
  std::function<void(int level, const std::string& line)> log;
};

/// Lets other processes of the same user, and root, use `context`. The context must live
/// until shutdown() has returned, and is neither closed nor destroyed by it.
class Server {
 public:
  /// `on_stop_requested` is called each time a peer asks for the process to end, on a thread of the
  /// server's; it must return soon and must not call shutdown().
  Server(bp_context context, ServerOptions options, std::function<void()> on_stop_requested);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  /// shutdown(0) unless that has happened.
  ~Server();

  /// Takes the place of the socket, without making it, until the server is destroyed: for those who, before
  /// and after they serve, do what two hosts must not do at once. Throws Failure, as start() does.
  void reserve();

  /// Binds the socket and begins to serve; peers can connect when it returns. Once only. Throws
  /// Failure: BP_IO with a message that says what is in the way (another live host and its pid, a file
  /// that is no socket, the directory, the length of the path) and what to do about it.
  void start();

  /// Takes no more connections and calls, lets the open calls be answered for at most `drain`, cancels
  /// the rest, sends what is to be sent, closes, and removes the socket. Returns when no thread of the
  /// server runs any more; an unload that is under way is waited for. Another
  /// host that would take its place meanwhile is told that this process is stopping. Once only; any thread but
  /// the server's own.
  void shutdown(std::chrono::milliseconds drain);

  /// Where it listens, or will.
  const std::string& socket_path() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace backplane::host
