// SPDX-License-Identifier: Apache-2.0
//
// Serves a context on a Unix socket. docs/protocol.md describes the frames.
#pragma once

#include <backplane/backplane.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/unique_fd.hpp"

namespace backplane::host {

/// What the connections of a socket may do. Roles do not include each other.
using Roles = std::uint8_t;
inline constexpr Roles role_call = 1;     ///< calls
inline constexpr Roles role_observe = 2;  ///< events; also reports, as the next
inline constexpr Roles role_manage = 4;   ///< loads, unloads, reloads, the level of the log, and the end of the host
inline constexpr Roles all_roles = role_call | role_observe | role_manage;

/// A further socket of a server. The mode and the group of its file say who may connect.
struct ListenOptions {
  std::string path;
  mode_t mode = 0600;
  std::optional<gid_t> group;  ///< none: that of this process
  Roles may = all_roles;
};

/// A socket that somebody else has bound and listens on, such as a service manager.
struct GivenSocket {
  std::string path;
  UniqueFd descriptor;  ///< does not block
};

/// A peer asks the application to read its configuration again.
struct ReconfigureRequest {
  std::uint32_t flags = 0;  ///< BP_RECONFIGURE_…
  std::string requester;    ///< for people: "process 4711 (user 1000, backplane)"
  /// Answers the peer; it frees `result`. Call it once, on any thread, also after the end of the server.
  std::function<void(bp_status status, bp_result& result)> answer;
};

/// What a connection may provide.
struct ProvideLimits {
  /// Maximum of host functions. Beyond it, `provide` is answered BP_OVERLOADED. 0: no connection provides any.
  std::size_t functions_per_connection = 256;
  /// Maximum of their calls that it has not answered. Further ones are answered BP_OVERLOADED.
  std::size_t asks_per_connection = 4096;
};

struct ServerOptions : ProvideLimits {
  /// Empty: default_socket_path().
  std::string socket_path;
  /// Sockets beside that one. Only this process's user and root may use that one.
  std::vector<ListenOptions> listen;
  /// A peer that sends a larger frame gets an error frame and is disconnected.
  std::size_t max_frame = std::size_t{64} << 20;
  /// Maximum of unsent bytes for a peer that does not read. Above it, the server reads no more of the peer's calls.
  std::size_t max_output = std::size_t{64} << 20;
  /// With more unsent bytes than this, and an answer to add, the peer is disconnected. 0: 16 times max_output.
  std::size_t max_answer_output = 0;
  /// While more bytes than this wait for a peer, its calls get no partial answers. Their handlers wait, or are told.
  std::size_t max_part_output = std::size_t{1} << 20;
  /// A peer whose socket has taken nothing for so long, while an answer waits for it, is disconnected.
  std::chrono::milliseconds stalled_client{60'000};
  /// While more bytes than this wait for a peer, its listeners lose events, and get a gap in their place later.
  std::size_t max_event_output = std::size_t{8} << 20;
  /// Maximum of lossless listeners of one connection; 0: it may have none.
  std::size_t lossless_listeners = 0;
  /// Names and payloads of the events that are on their way to one of them.
  std::uint64_t lossless_window = std::uint64_t{1} << 20;
  /// Maximum of listeners of one connection. Beyond it, `listen` is answered BP_OVERLOADED.
  std::size_t max_listeners = 4096;
  /// What the context takes of a request in parts, as bp_context_options has it, for the hello. 0: the default.
  std::uint64_t request_window_bytes = 0;
  std::uint32_t request_window_parts = 0;
  /// Further connections are for management alone, as many as the next says. The others get an error frame and are
  /// disconnected.
  std::size_t max_connections = 1024;
  std::size_t management_connections = 16;
  /// A connection for management that has made no request for so long, and waits for no answer, is disconnected.
  std::chrono::milliseconds management_idle{5'000};
  /// Maximum of open calls, of one connection and of all; and of the bytes of their payloads. Beyond them a call is
  /// answered BP_OVERLOADED. A single call may be larger, up to max_frame.
  std::size_t calls_per_connection = std::size_t{1} << 15;
  std::size_t calls_of_connections = std::size_t{1} << 20;
  std::size_t bytes_per_connection = std::size_t{256} << 20;
  std::size_t bytes_of_connections = std::size_t{1} << 30;
  /// The deadline of calls that have none. 0: none.
  std::chrono::milliseconds default_deadline{0};
  /// Maximum of bytes that one connection may hold: input that is not a whole frame yet, payloads of open calls, and
  /// unsent output. Beyond it, the peer gets an error frame and is disconnected. 0: a quarter of the host's memory
  /// limit. max_frame is lowered to half of it; max_output and bytes_per_connection to a quarter.
  std::size_t max_memory = 0;
  /// How long a new connection may take for its hello.
  std::chrono::milliseconds hello_timeout{10'000};
  /// Asks the application to read its configuration again. Called on the request thread or the server's own, so it must
  /// return soon. It may throw std::bad_alloc. Empty: peers are answered BP_NOT_SUPPORTED.
  std::function<void(ReconfigureRequest)> reconfigure;
  /// Gets a log line without a line break, and its level (BP_LOG_…). Called on any thread. Must not throw. Empty: no
  /// log.
  std::function<void(int level, const std::string& line)> log;
};

/// How the host of an application is served, which has other uses for its context.
struct ServingMode {
  Roles may = all_roles;    ///< what connections of ServerOptions::socket_path may do
  bool own_thread = false;  ///< only a thread of the server serves the sockets, and the context's poller stays free
};

/// Lets other processes of the same user, and root, use `context`. The context must exist until shutdown() has
/// returned. The server neither closes nor destroys it.
class Server {
 public:
  /// `on_stop_requested` is called, on a thread of the server, each time a peer asks the process to end. It must return
  /// soon and must not call shutdown(). Empty: such a peer is answered BP_NOT_SUPPORTED.
  Server(bp_context context, ServerOptions options, std::function<void()> on_stop_requested, ServingMode mode = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  /// Calls shutdown(0) if that was not called.
  ~Server();

  /// Serves these instead of binding the sockets with the same paths in the options. Their files belong to whoever has
  /// made them: the server does not lock, change, watch or remove them. Call this before reserve() and start().
  void adopt(std::vector<GivenSocket> sockets);

  /// Locks the places of the sockets until the server is destroyed, without creating them. Use this to exclude
  /// other hosts also before start() and after shutdown(). Throws Failure, as start() does.
  void reserve();

  /// Calls `alive` on the server's thread, once in each `interval`, as long as that thread and the management of the
  /// host answer. Handlers cannot delay it. `alive` must not throw and must not block. Call this before start().
  void show_life(std::chrono::microseconds interval, std::function<void()> alive);

  /// Binds the socket and begins to serve. Peers can connect when it returns. Call it once. Throws Failure (BP_IO) if
  /// another host serves the socket, a file is in the way, or the folder or path is unusable.
  void start();

  /// Refuses new connections and calls, waits at most `drain` for open calls, cancels the rest, sends all output,
  /// closes the connections, and removes the socket. Returns when all threads of the server have ended, also waiting
  /// for a running unload. Another host that starts on the socket meanwhile reports that this process is stopping. Call
  /// it once, on any thread except the server's own.
  void shutdown(std::chrono::milliseconds drain);

  /// Ends the drain of shutdown() at once, now or when it comes. Any thread, until shutdown() has returned.
  void hurry() noexcept;

  /// The path of the socket, before and after start().
  const std::string& socket_path() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace backplane::host
