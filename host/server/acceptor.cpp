// SPDX-License-Identifier: Apache-2.0
//
// Accepts connections while there are descriptors, and from spare ones when there are none. Watches the socket's file.
#include "server/acceptor.hpp"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <thread>
#include <utility>

#include "support/result.hpp"
#include "wire/socket_path.hpp"

namespace backplane::host {
namespace {

using Protocol = boost::asio::local::stream_protocol;

/// Retry interval for accepting a connection when no descriptor is left.
constexpr std::chrono::milliseconds accept_pause{20};
/// How long there must be descriptors before a shortage of them is over.
constexpr std::chrono::milliseconds shortage_pause{1000};
/// Retry interval for making a socket again that somebody has removed.
constexpr std::chrono::milliseconds renew_pause{1000};

bool lacks_descriptor(int error) { return error == EMFILE || error == ENFILE; }

}  // namespace

Acceptor::Acceptor(ServerCore& core, Admitter& admitter, AcceptorDescriptors& descriptors, ListenOptions options,
                   Entrance entrance, std::shared_ptr<SocketLock> lock)
    : core_(core),
      admitter_(admitter),
      descriptors_(descriptors),
      options_(std::move(options)),
      entrance_(entrance),
      lock_(std::move(lock)),
      acceptor_(core.io),
      pause_(core.io),
      changes_(core.io),
      retry_(core.io),
      shortage_(core.io) {}

void Acceptor::start(UniqueFd given) {
  UniqueFd socket = std::move(given);
  if (!socket) {
    listening_.emplace(options_.path, lock_, SocketAccess{options_.mode, options_.group});
    socket = listening_->take_descriptor();
  }
  acceptor_.assign(Protocol(), socket.get());
  socket.release();
  descriptors_.spare.fill();
  accept();
  if (listening_) watch();
}

void Acceptor::stop() noexcept {
  boost::system::error_code ignored;
  changes_.close(ignored);
  acceptor_.close(ignored);
  try {
    retry_.cancel();
    pause_.cancel();
    shortage_.cancel();
  } catch (const std::exception&) {
    // Their handlers find the acceptor closed.
  }
  listening_.reset();
}

// Asio only waits: its own accept takes memory, and its epoll would wake the io thread for every event of the socket.
void Acceptor::accept() {
  acceptor_.async_wait(Protocol::acceptor::wait_read,
                       KeptHandler(memory_.accept, [this](const boost::system::error_code& error) {
                         if (error != boost::asio::error::operation_aborted && acceptor_.is_open()) accept_one();
                       }));
}

void Acceptor::accept_one() {
  descriptors_.spare.fill();
  const int error = try_accept();
  if (error == 0) {
    told_error_ = 0;
    return accept();
  }
  if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED) return accept();
  if (!lacks_descriptor(error) && std::exchange(told_error_, error) != error) {
    core_.log(BP_LOG_ERROR, [error] { return std::string("cannot accept a connection: ") + std::strerror(error); });
  }
  accept_later();
}

/// Accepts a connection and lets it in. Without a free descriptor, takes a spare one, or that of a connection which
/// does nothing. Returns an errno, or 0.
int Acceptor::try_accept() {
  if (let_in(false)) return 0;
  int error = errno;
  if (!lacks_descriptor(error)) return error;
  // accept4() looks for a descriptor before it looks for a connection.
  pollfd waiting{acceptor_.native_handle(), POLLIN, 0};
  if (::poll(&waiting, 1, 0) != 1) return EAGAIN;
  tell_short(error);
  if (!descriptors_.spare.give() && !admitter_.close_one()) return error;
  if (let_in(true)) return 0;
  error = errno;
  descriptors_.spare.fill();
  return error;
}

/// Returns false and sets errno if there is no connection to accept, or no descriptor for it.
bool Acceptor::let_in(bool no_descriptor) {
  UniqueFd socket(::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) return false;
  admitter_.admit(std::move(socket), entrance_, no_descriptor);
  return true;
}

/// Told when it begins, and when it is over.
void Acceptor::tell_short(int error) {
  ++core_.descriptor_shortages;
  descriptors_.last_short = std::chrono::steady_clock::now();
  if (std::exchange(descriptors_.are_short, true)) return;
  core_.log(BP_LOG_WARN, [error] {
    return std::string("no descriptor is left for connections (") + std::strerror(error) +
           "): further ones are for management alone, as far as spare descriptors go; raise the limit of open files "
           "(ulimit -n), or close connections";
  });
  look_for_end_of_shortage();
}

/// Many connections that come and go make a shortage come and go. It is over when there was none for a while.
void Acceptor::look_for_end_of_shortage() try {
  shortage_.expires_after(shortage_pause);
  shortage_.async_wait(KeptHandler(memory_.shortage, [this](const boost::system::error_code& error) {
    if (error || !acceptor_.is_open()) return;
    const auto since = std::chrono::steady_clock::now() - descriptors_.last_short;
    if (!descriptors_.spare.fill() || since < shortage_pause) return look_for_end_of_shortage();
    descriptors_.are_short = false;
    core_.log(BP_LOG_INFO, [] { return "there are descriptors for connections again"; });
  }));
} catch (const std::exception&) {
  descriptors_.are_short = false;  // no room in the list of timers: the next shortage is told, too
}

void Acceptor::accept_later() {
  try {
    pause_.expires_after(accept_pause);
    pause_.async_wait(KeptHandler(memory_.accept, [this](const boost::system::error_code& error) {
      if (!error && acceptor_.is_open()) accept_one();
    }));
  } catch (const std::bad_alloc&) {  // no room in the list of timers
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    accept();
  }
}

// ---- The file of the socket -----------------------------------------------------------------------

void Acceptor::watch() {
  UniqueFd changes(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!changes) {
    const int error = errno;
    return core_.log(BP_LOG_WARN, [&] {
      return "cannot watch the socket \"" + options_.path + "\": " + std::strerror(error) +
             "; if somebody removes it, it is not made again";
    });
  }
  changes_.assign(changes.get());
  changes.release();
  add_watches();
  await_change();
}

/// Watches the files themselves, and not what else happens in their folder: that would wake an idle host.
void Acceptor::add_watches() {
  constexpr std::uint32_t gone = IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF;  // a removed name is a changed attribute
  const int fd = changes_.native_handle();
  const std::string folder = socket_folder(options_.path);
  ::inotify_add_watch(fd, options_.path.c_str(), gone | IN_DONT_FOLLOW);
  ::inotify_add_watch(fd, socket_lock_path(options_.path).c_str(), gone | IN_DONT_FOLLOW);
  ::inotify_add_watch(fd, folder.c_str(), IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR);
}

void Acceptor::await_change() {
  changes_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                      KeptHandler(memory_.change, [this](const boost::system::error_code& error) {
                        if (error || !changes_.is_open()) return;
                        std::array<char, 4096> events;
                        while (::read(changes_.native_handle(), events.data(), events.size()) > 0) {
                        }
                        await_change();
                        look_at_file();
                      }));
}

void Acceptor::look_at_file() {
  if (!listening_ || (listening_->in_place() && acceptor_.is_open())) return;
  try {
    renew();
    told_fault_.clear();
  } catch (const Failure& failure) {
    renew_later(failure.message);
  } catch (const std::exception& error) {  // of Asio, or without memory
    renew_later(error.what());
  }
}

void Acceptor::renew_later(const std::string& why) {
  if (std::exchange(told_fault_, why) != why) {
    core_.log(BP_LOG_ERROR, [&] {
      return "the socket \"" + options_.path + "\" or its lock was removed, and cannot be made again: " + why;
    });
  }
  look_later();
}

/// The old socket serves what has connected to it, and is then replaced.
void Acceptor::renew() {
  if (!acceptor_.is_open()) listening_->remove();  // an earlier attempt ended half-way
  listening_->renew();
  UniqueFd socket = listening_->take_descriptor();
  if (socket) {
    while (acceptor_.is_open() && let_in(false)) {
    }
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    acceptor_.assign(Protocol(), socket.get());
    socket.release();
    accept();
  }
  core_.log(BP_LOG_WARN, [&] {
    return "somebody has removed the socket \"" + options_.path + "\" or its lock file; it is made again";
  });
  add_watches();
  if (!listening_->in_place()) look_later();
}

void Acceptor::look_later() {
  retry_.expires_after(renew_pause);
  retry_.async_wait([this](const boost::system::error_code& error) {
    if (!error) look_at_file();
  });
}

}  // namespace backplane::host
