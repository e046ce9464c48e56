// SPDX-License-Identifier: Apache-2.0
//
// Connects to a host's socket, checks the peer's user, and exchanges hellos.
#include "remote/dial.hpp"

#include <backplane/backplane.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "support/result.hpp"
#include "wire/socket_path.hpp"

namespace backplane::host {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void unreachable(const std::string& path, int error) {
  const long stopping = error == ENOENT || error == ECONNREFUSED ? stopping_host(path) : 0;
  if (stopping > 0) {
    throw Failure{BP_UNREACHABLE, "the host that served \"" + path + "\" (process " + std::to_string(stopping) +
                                      ") is stopping; wait for its end"};
  }
  const std::string start = "; start one with `backplane run --socket " + path + "`";
  if (error == ENOENT)
    throw Failure{BP_UNREACHABLE, "no host serves \"" + path + "\": the socket does not exist" + start};
  if (error == ECONNREFUSED) {
    throw Failure{BP_UNREACHABLE,
                  "no host serves \"" + path + "\": the socket exists, but no process listens on it" + start};
  }
  if (error == EACCES) {
    throw Failure{BP_UNREACHABLE,
                  "user " + std::to_string(::geteuid()) + " may not open the socket \"" + path +
                      "\"; expected a user whom its mode and its group, or those of a folder above it, let in"};
  }
  throw Failure{BP_UNREACHABLE, "cannot connect to \"" + path + "\": " + std::strerror(error)};
}

[[noreturn]] void timed_out(const std::string& path, std::chrono::milliseconds timeout) {
  throw Failure{BP_TIMEOUT, "the process that listens on \"" + path + "\" did not answer within " +
                                std::to_string(timeout.count()) + " ms; it may be stopped or stuck"};
}

[[noreturn]] void no_host(const std::string& path, const std::string& what) {
  throw Failure{BP_PROTOCOL, "the process that listens on \"" + path + "\" is not a usable Backplane host: " + what};
}

/// Whether nobody but this user and root can have put the socket at its place.
bool is_place_of(uid_t user, const std::string& path) {
  struct stat folder {};
  return ::stat(socket_folder(path).c_str(), &folder) == 0 && (folder.st_uid == user || folder.st_uid == 0) &&
         (folder.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/// Refuses a peer of another user, because it could read everything that is sent to it. Except for the host that
/// somebody has named by its path, if nobody else can have put another one there.
void check_peer(int fd, const std::string& path) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) unreachable(path, errno);
  const uid_t me = ::geteuid();
  if (peer.uid == me || peer.uid == 0 || me == 0 || is_place_of(peer.uid, path)) return;
  throw Failure{BP_UNREACHABLE, "user " + std::to_string(peer.uid) + " serves the socket \"" + path +
                                    "\"; expected user " + std::to_string(me) +
                                    " or root, or a folder where only that user may write"};
}

/// Waits for `fd`, or, if it is -1, for the time to pass. Returns false if the time has passed. Throws Failure
/// (BP_CANCELED) if `stop` is readable.
bool wait_for(int fd, int stop, Clock::time_point until) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd waits[2] = {{fd, POLLIN, 0}, {stop, POLLIN, 0}};  // poll() ignores those below 0
    const int ready = ::poll(waits, 2, left > 0 ? static_cast<int>(left) : 0);
    if (ready < 0 && errno == EINTR) continue;
    if (waits[1].revents != 0) throw Failure{BP_CANCELED, "this application is ending the connection"};
    return ready > 0;
  }
}

UniqueFd connect_socket(const std::string& path, std::chrono::milliseconds timeout, int stop) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) {
    throw Failure{BP_UNREACHABLE, std::string("cannot create a socket: ") + std::strerror(errno) +
                                      "; raise the limit of open files (ulimit -n)"};
  }
  // connect() only waits for room in the listener's backlog. poll() cannot wait for that, so set a timeout. With `stop`
  // it is tried anew now and then, because nothing else would end the wait.
  constexpr std::chrono::milliseconds turn{100};
  const Clock::time_point until = Clock::now() + timeout;
  if (stop >= 0) timeout = std::min(timeout, turn);
  timeval bound{};
  bound.tv_sec = static_cast<time_t>(timeout.count() / 1000);
  bound.tv_usec = static_cast<suseconds_t>(timeout.count() % 1000 * 1000);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, path.c_str(), path.size() + 1);  // check_socket_dir has checked the length
  int result = 0;
  do {
    if (stop >= 0) wait_for(-1, stop, Clock::now());
    result = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
  } while (result != 0 && (errno == EINTR || (errno == EAGAIN && stop >= 0 && Clock::now() < until)));
  if (result != 0 && errno == EAGAIN) throw Failure{BP_TIMEOUT, {}};
  if (result != 0) unreachable(path, errno);
  check_peer(fd.get(), path);
  return fd;
}

void send_hello(int fd, const std::string& path) {
  wire::Bytes out;
  wire::Hello hello;
  hello.version = bp_version();
  hello.pid = static_cast<std::uint64_t>(::getpid());
  hello.oldest = wire::oldest_protocol;
  hello.features = {true, true, true};
  wire::encode(out, hello);
  // A new socket has room for a hello. If the host has already closed it, an error frame may still wait to be read.
  if (::send(fd, out.data(), out.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET) {
    unreachable(path, errno);
  }
}

/// Waits for bytes and reads them. Returns false at the end of the stream.
bool receive(int fd, wire::FrameBuffer& in, Clock::time_point until, int stop) {
  for (;;) {
    if (!wait_for(fd, stop, until)) throw Failure{BP_TIMEOUT, {}};
    const auto room = in.room();
    const ssize_t size = ::recv(fd, room.data(), room.size(), MSG_DONTWAIT);
    if (size > 0) in.filled(static_cast<std::size_t>(size));
    if (size >= 0) return size > 0;
    if (errno != EINTR && errno != EAGAIN) return false;
  }
}

wire::Hello answer_of_host(const wire::Frame& frame, const std::string& path) {
  if (const auto* error = std::get_if<wire::Error>(&frame)) {
    throw Failure{error->status == BP_PROTOCOL ? BP_PROTOCOL : BP_UNREACHABLE,
                  "the host at \"" + path + "\" refused the connection: " + std::string(error->message)};
  }
  const auto* hello = std::get_if<wire::Hello>(&frame);
  if (hello == nullptr) {
    no_host(path, "it answered with a " + std::string(wire::name(frame)) + " frame, expected a hello");
  }
  const std::uint64_t oldest = hello->oldest == 0 ? hello->protocol : hello->oldest;
  if (hello->protocol < wire::oldest_protocol || oldest > wire::protocol_version) {
    no_host(path, "it uses version " + std::to_string(hello->protocol) + " of the protocol, but this library (" +
                      bp_version() + ") uses version " + std::to_string(wire::protocol_version) +
                      "; use the same release on both sides");
  }
  return *hello;
}

}  // namespace

Dialed dial(const std::string& path, std::chrono::milliseconds timeout, int stop) {
  try {
    check_socket_dir(path);
  } catch (Failure& failure) {
    if (failure.status == BP_IO) failure.status = BP_UNREACHABLE;
    throw;
  }
  const Clock::time_point until = Clock::now() + timeout;
  Dialed out;
  UniqueFd fd;
  try {
    fd = connect_socket(path, timeout, stop);
    send_hello(fd.get(), path);
    wire::View body;
    while (!out.in.next(body)) {
      if (!receive(fd.get(), out.in, until, stop))
        no_host(path, "it closed the connection without a hello, as a host that is ending does");
    }
    const wire::Hello hello = answer_of_host(wire::decode(body), path);
    out.max_frame = hello.max_frame;
    out.pid = hello.pid;
    out.features = hello.features;
    if (hello.window_bytes != 0) out.window.most_bytes = hello.window_bytes;
    if (hello.window_parts != 0) out.window.most_parts = hello.window_parts;
  } catch (const wire::ProtocolError& error) {
    no_host(path, std::string("it sent ") + error.what());
  } catch (const Failure& failure) {
    if (failure.status == BP_TIMEOUT) timed_out(path, timeout);
    throw;
  }
  out.socket = std::move(fd);
  return out;
}

}  // namespace backplane::host
