// SPDX-License-Identifier: Apache-2.0
#include "server/listening_socket.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "support/result.hpp"
#include "support/socket_path.hpp"

namespace backplane {
namespace {

[[noreturn]] void fail(const std::string& what, int error, const std::string& hint) {
  throw Failure{BP_IO, what + ": " + std::strerror(error) + "; " + hint};
}

[[noreturn]] void fail_taken(const std::string& path, long pid) {
  const std::string who = pid > 0 ? "another host (process " + std::to_string(pid) + ")" : "another host";
  throw Failure{BP_IO, who + " serves the socket \"" + path +
                           "\" already; stop that one with `backplane stop --socket " + path +
                           "`, or choose another path with --socket"};
}

sockaddr_un address(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  std::memcpy(out.sun_path, path.c_str(), path.size() + 1);  // prepare_socket_dir has checked the length
  return out;
}

/// The process that listens there; 0 if nobody does, and the socket is a stale one.
long listening_process(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) fail("cannot make a socket", errno, "raise the limit of open files (ulimit -n)");
  const sockaddr_un to = address(path);
  const int connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  const int error = errno;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (connected == 0) ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
  ::close(fd);
  if (connected == 0) return peer.pid > 0 ? peer.pid : -1;
  if (error == EAGAIN) return -1;  // its backlog is full: it lives
  if (error == ECONNREFUSED || error == ENOENT) return 0;
  fail("cannot tell whether a host serves the socket \"" + path + "\"", error,
       "remove the file if it is yours, or choose another path with --socket");
}

long pid_in(int file) {
  char text[32] = {};
  if (::pread(file, text, sizeof text - 1, 0) <= 0) return 0;
  return std::strtol(text, nullptr, 10);
}

}  // namespace

ListeningSocket::ListeningSocket(std::string path) : path_(std::move(path)), lock_path_(path_ + ".lock") {
  prepare_socket_dir(path_);
  try {
    lock();
    clear_path();
    bind_and_listen();
  } catch (...) {
    remove();
    throw;
  }
}

ListeningSocket::~ListeningSocket() { remove(); }

int ListeningSocket::take_descriptor() noexcept { return std::exchange(socket_, -1); }

void ListeningSocket::lock() {
  while (!try_lock()) {
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock_, 0) != 0 || ::pwrite(lock_, pid.data(), pid.size(), 0) < 0) {
    fail("cannot write to \"" + lock_path_ + "\"", errno, "make room there, or choose another path with --socket");
  }
}

/// False if the file was removed by its last owner between open and lock: then it locks nothing.
bool ListeningSocket::try_lock() {
  lock_ = ::open(lock_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock_ < 0) {
    fail("cannot open the lock file \"" + lock_path_ + "\" of the socket", errno,
         "expected a folder that this user may write to; correct it, or choose another path with --socket");
  }
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    const long pid = pid_in(lock_);
    ::close(std::exchange(lock_, -1));
    if (error == EWOULDBLOCK) fail_taken(path_, pid);
    fail("cannot lock \"" + lock_path_ + "\"", error, "choose a path on another file system with --socket");
  }
  struct stat held {};
  struct stat there {};
  if (::fstat(lock_, &held) == 0 && ::lstat(lock_path_.c_str(), &there) == 0 && held.st_ino == there.st_ino &&
      held.st_dev == there.st_dev) {
    return true;
  }
  ::close(std::exchange(lock_, -1));
  return false;
}

/// With the lock held: a socket that nobody listens on is left from a host that died.
void ListeningSocket::clear_path() const {
  struct stat info {};
  if (::lstat(path_.c_str(), &info) != 0) {
    if (errno == ENOENT) return;
    fail("cannot look at \"" + path_ + "\"", errno, "choose another path with --socket");
  }
  if (!S_ISSOCK(info.st_mode)) {
    throw Failure{BP_IO, "\"" + path_ +
                             "\" is there and is no socket; it is left alone: remove it yourself, or choose another "
                             "path with --socket"};
  }
  if (const long pid = listening_process(path_); pid != 0) fail_taken(path_, pid);
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
    fail("cannot remove the stale socket \"" + path_ + "\"", errno, "remove it, or choose another path with --socket");
  }
}

void ListeningSocket::bind_and_listen() {
  socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_ < 0) fail("cannot make a socket", errno, "raise the limit of open files (ulimit -n)");
  // On Linux the file gets the mode of the descriptor, less the umask: it is private from its first moment on.
  ::fchmod(socket_, 0600);
  const sockaddr_un at = address(path_);
  if (::bind(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
    fail("cannot bind the socket \"" + path_ + "\"", errno,
         "expected a folder that this user may write to; correct it, or choose another path with --socket");
  }
  struct stat info {};
  if (::lstat(path_.c_str(), &info) == 0) {
    device_ = info.st_dev;
    inode_ = info.st_ino;
  }
  // A umask may have taken bits away that we need; nothing is added for others.
  if (::chmod(path_.c_str(), 0600) != 0) fail("cannot set the mode of \"" + path_ + "\"", errno, "try another path");
  if (::listen(socket_, SOMAXCONN) != 0) fail("cannot listen on \"" + path_ + "\"", errno, "try another path");
}

void ListeningSocket::remove() noexcept {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  struct stat info {};
  if (inode_ != 0 && ::lstat(path_.c_str(), &info) == 0 && info.st_ino == inode_ && info.st_dev == device_) {
    ::unlink(path_.c_str());
  }
  inode_ = 0;
  if (lock_ < 0) return;
  ::unlink(lock_path_.c_str());  // while it is held: who opened it in the meantime sees that it is gone
  ::close(std::exchange(lock_, -1));
}

}  // namespace backplane
