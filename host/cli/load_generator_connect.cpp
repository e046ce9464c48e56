// SPDX-License-Identifier: Apache-2.0
#include "cli/load_generator_connect.hpp"

#include <backplane/backplane.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "support/unique_fd.hpp"
#include "wire/frame_buffer.hpp"

namespace backplane::host::cli {
namespace {

constexpr int hello_seconds = 5;

CommandFailure failed(const std::string& socket, const std::string& what) {
  return {exit_unreachable, BP_UNREACHABLE, cat("cannot connect to \"", socket, "\": ", what)};
}

void say_hello(int fd, const std::string& socket) {
  wire::Bytes out;
  wire::Hello hello;
  hello.version = bp_version();
  hello.pid = static_cast<std::uint64_t>(::getpid());
  wire::encode(out, hello);
  if (::send(fd, out.data(), out.size(), MSG_NOSIGNAL) < 0 && errno != EPIPE)
    throw failed(socket, std::strerror(errno));
  wire::FrameBuffer in(wire::max_hello);
  try {
    wire::View body;
    while (!in.next(body)) {
      const auto room = in.room();
      const ssize_t size = ::recv(fd, room.data(), room.size(), 0);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) {
        throw failed(socket, size == 0 ? "it closed the connection without a hello; expected the socket of a host"
                                       : "it sent no hello in time; expected the socket of a host");
      }
      in.filled(static_cast<std::size_t>(size));
    }
    const wire::Frame frame = wire::decode(body);
    if (const auto* error = std::get_if<wire::Error>(&frame)) throw failed(socket, std::string(error->message));
  } catch (const wire::ProtocolError& error) {
    throw failed(socket, cat("found ", error.what(), ", expected the hello of a host"));
  }
}

}  // namespace

UniqueFd connect_to(const std::string& socket, bool says_hello) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw failed(socket, std::strerror(errno));
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (socket.size() >= sizeof to.sun_path) {
    throw usage(cat("the socket path has ", std::to_string(socket.size()), " bytes, expected at most ",
                    std::to_string(sizeof to.sun_path - 1)));
  }
  std::memcpy(to.sun_path, socket.c_str(), socket.size());
  const timeval bound{hello_seconds, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    throw failed(socket, std::strerror(errno));
  }
  if (says_hello) say_hello(fd.get(), socket);
  return fd;
}

}  // namespace backplane::host::cli
