// SPDX-License-Identifier: Apache-2.0
//
// The example of docs/sdk.md for a module that owns a port. The page has all between the first brace of the namespace
// and the end as it is here.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
#include <backplane/sdk.hpp>
#include <cerrno>
#include <system_error>

namespace {

struct Config {
  std::uint16_t port;
};
BOOST_DESCRIBE_STRUCT(Config, (), (port))

struct Visit {
  std::uint32_t ms;
};
BOOST_DESCRIBE_STRUCT(Visit, (), (ms))

struct Socket {
  Socket() = default;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { ::close(fd); }
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

class Door {
 public:
  explicit Door(backplane::Instance& self) {
    const int yes = 1;
    ::setsockopt(socket_.fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(self.config<Config>().port);
    if (::bind(socket_.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(socket_.fd, 16) != 0) {
      throw std::system_error(errno, std::generic_category(), "cannot listen");
    }
  }

  // Whether a client has come within this time. The old generation ends only when this has returned.
  bool wait(backplane::Call& call, const Visit& in) {
    return call.wait_fd(socket_.fd, BP_FD_READABLE, backplane::Milliseconds(in.ms));
  }

 private:
  Socket socket_;  // closed with the instance: from then on the next generation can have the port
};

}  // namespace

BACKPLANE_MODULE(Door, "door", "1", backplane::reload_old_first, backplane::configuration<Config>,
                 backplane::handler<"door.wait", &Door::wait>);
