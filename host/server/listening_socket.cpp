// SPDX-License-Identifier: Apache-2.0
//
// Locks the place of a socket against other hosts, replaces a stale socket, binds, and listens.
#include "server/listening_socket.hpp"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
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
  if (connected == 0 && peer.pid <= 0) return -1;
  if (connected == 0) {
    // A forked child may keep the socket of a host that is dead. Nobody accepts its connections.
    const bool is_dead = ::kill(peer.pid, 0) != 0 && errno == ESRCH;
    return is_dead ? 0 : peer.pid;
  }
  if (error == EAGAIN) return -1;  // its backlog is full, so a process listens
  if (error == ECONNREFUSED || error == ENOENT) return 0;
  fail("cannot determine whether a host serves the socket \"" + path + "\"", error,
       "remove the file if it is yours, or choose another path with --socket");
}

/// Refuses because another process holds the lock.
[[noreturn]] void fail_locked(const std::string& path, const LockFile::Outcome& taken) {
  if (taken.owner <= 0 || taken.rest != socket_lock_stopping) fail_taken(path, taken.owner);
  throw Failure{BP_IO, "process " + std::to_string(taken.owner) + ", which served the socket \"" + path +
                           "\", is stopping; wait for it, or choose another path with --socket"};
}

constexpr const char* lock_hint =
    "expected a folder that this user may write to, on a file system with locks; correct it, or choose another path "
    "with --socket";

}  // namespace

namespace {

// The locks of this process. One that finds no place is shared with forked children.
constinit std::array<std::atomic<SocketLock*>, 256> all_locks{};

void leave_all_to_parent() noexcept {
  for (auto& each : all_locks) {
    if (SocketLock* const lock = each.load()) lock->leave_to_parent();
  }
}

[[maybe_unused]] const int registered = ::pthread_atfork(nullptr, nullptr, leave_all_to_parent);

}  // namespace

SocketLock::SocketLock(const std::string& socket_path) : socket_path_(socket_path) {
  take();
  for (auto& each : all_locks) {
    SocketLock* none = nullptr;
    if (each.compare_exchange_strong(none, this)) break;
  }
}

SocketLock::~SocketLock() {
  for (auto& each : all_locks) {
    SocketLock* self = this;
    if (each.compare_exchange_strong(self, nullptr)) break;
  }
  file_.remove();
}

void SocketLock::take() {
  prepare_socket_dir(socket_path_);
  const LockFile::Outcome outcome = file_.try_lock(socket_lock_path(socket_path_), lock_hint);
  if (!outcome.locked) fail_locked(socket_path_, outcome);
}

// The old descriptor is kept until the new file is locked: no other host can take that one over meanwhile.
void SocketLock::renew() {
  LockFile old = std::exchange(file_, {});
  try {
    take();
  } catch (...) {
    file_ = std::move(old);
    throw;
  }
}

void SocketLock::say_stopping() noexcept {
  try {
    file_.write(socket_lock_stopping, lock_hint);
  } catch (...) {  // other processes then report that this one serves
  }
}

ListeningSocket::ListeningSocket(std::string path, std::shared_ptr<SocketLock> lock, SocketAccess access)
    : path_(std::move(path)),
      lock_(lock ? std::move(lock) : std::make_shared<SocketLock>(path_)),
      access_(std::move(access)) {
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

bool ListeningSocket::socket_in_place() const noexcept {
  struct stat info {};
  return inode_ != 0 && ::lstat(path_.c_str(), &info) == 0 && info.st_ino == inode_ && info.st_dev == device_;
}

bool ListeningSocket::in_place() const noexcept { return socket_in_place() && lock_->in_place(); }

void ListeningSocket::renew() {
  if (!lock_->in_place()) lock_->renew();
  if (socket_in_place()) return;
  try {
    clear_path();
    bind_and_listen();
  } catch (...) {
    remove();
    throw;
  }
}

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
  set_access();
  if (::listen(socket_.get(), SOMAXCONN) != 0) fail("cannot listen on \"" + path_ + "\"", errno, "try another path");
}

// The group comes first: another group must not get what the mode allows. A umask may also have taken bits away.
void ListeningSocket::set_access() const {
  if (access_.group && ::lchown(path_.c_str(), static_cast<uid_t>(-1), *access_.group) != 0) {
    fail("cannot give \"" + path_ + "\" to group " + std::to_string(*access_.group), errno,
         "expected a group that this user is a member of");
  }
  if (::chmod(path_.c_str(), access_.mode) != 0) {
    fail("cannot set the mode of \"" + path_ + "\"", errno, "try another path");
  }
}

void ListeningSocket::remove() noexcept {
  socket_.reset();
  if (socket_in_place()) ::unlink(path_.c_str());
  inode_ = 0;
}

}  // namespace backplane::host
