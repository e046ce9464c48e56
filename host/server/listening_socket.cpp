// SPDX-License-Identifier: Apache-2.0
//
// Locks the place of a socket against other hosts, replaces a stale socket, binds, and listens.
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
#include "wire/socket_path.hpp"

namespace backplane::host {
namespace {

[[noreturn]] void fail(const std::string& what, int error, const std::string& hint) {
  throw Failure{BP_IO, what + ": " + std::strerror(error) + "; " + hint};
}

[[noreturn]] void fail_taken(const std::string& path, long pid) {
  const std::string who = pid > 0 ? "another host (process " + std::to_string(pid) + ")" : "another host";
  throw Failure{BP_IO, who + " serves the socket \"" + path +
                           "\" already; stop that host with `backplane stop --socket " + path +
                           "`, or choose another path with --socket"};
}

sockaddr_un address(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  std::memcpy(out.sun_path, path.c_str(), path.size() + 1);  // prepare_socket_dir has checked the length
  return out;
}

/// The process that listens on the socket; 0 if the socket is stale; -1 if the process is unknown.
long listening_process(const std::string& path) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) fail("cannot make a socket", errno, "raise the limit of open files (ulimit -n)");
  const sockaddr_un to = address(path);
  const int connected = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
  const int error = errno;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (connected == 0) ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
  if (connected == 0) return peer.pid > 0 ? peer.pid : -1;
  if (error == EAGAIN) return -1;  // its backlog is full, so a process listens
  if (error == ECONNREFUSED || error == ENOENT) return 0;
  fail("cannot determine whether a host serves the socket \"" + path + "\"", error,
       "remove the file if it is yours, or choose another path with --socket");
}

constexpr const char* stopping = " stopping\n";

/// Refuses because another process holds the lock. The lock file contains its process id.
[[noreturn]] void fail_locked(const std::string& path, int file) {
  char text[64] = {};
  char* rest = text;
  const long pid = ::pread(file, text, sizeof text - 1, 0) > 0 ? std::strtol(text, &rest, 10) : 0;
  if (pid <= 0 || std::strcmp(rest, stopping) != 0) fail_taken(path, pid);
  throw Failure{BP_IO, "process " + std::to_string(pid) + ", which served the socket \"" + path +
                           "\", is stopping; wait for it, or choose another path with --socket"};
}

}  // namespace

SocketLock::SocketLock(const std::string& socket_path) : path_(socket_path + ".lock") {
  prepare_socket_dir(socket_path);
  while (!try_lock(socket_path)) {
  }
  try {
    write(std::to_string(::getpid()) + "\n");
  } catch (...) {
    remove();
    throw;
  }
}

SocketLock::~SocketLock() { remove(); }

void SocketLock::say_stopping() noexcept {
  try {
    write(std::to_string(::getpid()) + stopping);
  } catch (...) {  // other hosts then report that this one serves
  }
}

void SocketLock::write(const std::string& text) {
  if (::ftruncate(file_.get(), 0) != 0 || ::pwrite(file_.get(), text.data(), text.size(), 0) < 0) {
    fail("cannot write to \"" + path_ + "\"", errno, "make room there, or choose another path with --socket");
  }
}

/// Returns false if the last owner removed the file between open() and flock(). The lock is then useless.
bool SocketLock::try_lock(const std::string& socket_path) {
  UniqueFd file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) {
    fail("cannot open the lock file \"" + path_ + "\" of the socket", errno,
         "expected a folder that this user may write to; correct it, or choose another path with --socket");
  }
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) fail_locked(socket_path, file.get());
    fail("cannot lock \"" + path_ + "\"", errno, "choose a path on another file system with --socket");
  }
  struct stat held {};
  struct stat there {};
  if (::fstat(file.get(), &held) != 0 || ::lstat(path_.c_str(), &there) != 0 || held.st_ino != there.st_ino ||
      held.st_dev != there.st_dev) {
    return false;
  }
  file_ = std::move(file);
  return true;
}

void SocketLock::remove() noexcept {
  if (!file_) return;
  ::unlink(path_.c_str());  // while it is held: who opened it in the meantime sees that it is gone
  file_.reset();
}

ListeningSocket::ListeningSocket(std::string path, std::shared_ptr<SocketLock> lock)
    : path_(std::move(path)), lock_(lock ? std::move(lock) : std::make_shared<SocketLock>(path_)) {
  try {
    clear_path();
    bind_and_listen();
  } catch (...) {
    remove();
    throw;
  }
}

ListeningSocket::~ListeningSocket() { remove(); }

UniqueFd ListeningSocket::take_descriptor() noexcept { return std::move(socket_); }

/// Removes a stale socket of a host that died. The lock must be held.
void ListeningSocket::clear_path() const {
  struct stat info {};
  if (::lstat(path_.c_str(), &info) != 0) {
    if (errno == ENOENT) return;
    fail("cannot examine \"" + path_ + "\"", errno, "choose another path with --socket");
  }
  if (!S_ISSOCK(info.st_mode)) {
    throw Failure{BP_IO, "\"" + path_ +
                             "\" exists and is not a socket, so the host does not replace it; remove it, or choose "
                             "another path with --socket"};
  }
  if (const long pid = listening_process(path_); pid != 0) fail_taken(path_, pid);
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
    fail("cannot remove the stale socket \"" + path_ + "\"", errno, "remove it, or choose another path with --socket");
  }
}

void ListeningSocket::bind_and_listen() {
  socket_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_) fail("cannot make a socket", errno, "raise the limit of open files (ulimit -n)");
  // On Linux the file gets the mode of the descriptor, less the umask: it is private from its first moment on.
  ::fchmod(socket_.get(), 0600);
  const sockaddr_un at = address(path_);
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
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
  if (::listen(socket_.get(), SOMAXCONN) != 0) fail("cannot listen on \"" + path_ + "\"", errno, "try another path");
}

void ListeningSocket::remove() noexcept {
  socket_.reset();
  struct stat info {};
  if (inode_ != 0 && ::lstat(path_.c_str(), &info) == 0 && info.st_ino == inode_ && info.st_dev == device_) {
    ::unlink(path_.c_str());
  }
  inode_ = 0;
}

}  // namespace backplane::host
