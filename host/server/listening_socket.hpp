// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "support/lock_file.hpp"
#include "support/unique_fd.hpp"

namespace backplane::host {

/// The lock file beside a socket, with the process id of its host. If two hosts start at the same time, one of them
/// gets the lock. Its owner may replace a stale socket. While a host drains, it keeps the lock after the socket is
/// removed, so that no other host starts beside it.
class SocketLock {
 public:
  /// Creates the folder and takes the lock for the socket at this path. Throws Failure, which names the owner of the
  /// lock.
  explicit SocketLock(const std::string& socket_path);
  SocketLock(const SocketLock&) = delete;
  SocketLock& operator=(const SocketLock&) = delete;
  /// Removes the file.
  ~SocketLock();

  /// In a forked child: leaves the lock to the parent alone. Without this, the lock would outlive a parent that is
  /// killed, as long as the child does. Safe in an atfork handler.
  void leave_to_parent() noexcept { file_.close(); }

  /// From now on, other processes report that this one is stopping.
  void say_stopping() noexcept;
  /// Whether the lock file is still at its path.
  bool in_place() const noexcept { return file_.in_place(); }
  /// Takes the lock again, after somebody has removed its file. Throws Failure, as the constructor does.
  void renew();

 private:
  void take();

  const std::string socket_path_;
  LockFile file_;
};

/// Who may connect to a socket: the mode and the group of its file.
struct SocketAccess {
  mode_t mode = 0600;
  std::optional<gid_t> group;  ///< none: that of this process
};

/// The socket file of one host.
class ListeningSocket {
 public:
  /// Binds and listens. Takes the lock first, unless `lock` is given. Throws Failure.
  explicit ListeningSocket(std::string path, std::shared_ptr<SocketLock> lock = nullptr, SocketAccess access = {});
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;
  /// Removes the socket, if the file is still the one bound here, and releases its share of the lock.
  ~ListeningSocket();

  const std::string& path() const noexcept { return path_; }
  /// The listening descriptor, which is the caller's from now on.
  UniqueFd take_descriptor() noexcept;
  /// Whether the socket and the lock file are still at their paths.
  bool in_place() const noexcept;
  /// Makes the socket again, and the lock file if that is gone too. The caller then takes the new descriptor. Throws
  /// Failure; call it again later.
  void renew();
  /// Removes the socket, if the file is still the one bound here. renew() makes it again.
  void remove() noexcept;
  SocketLock& lock() noexcept { return *lock_; }

 private:
  bool socket_in_place() const noexcept;
  void clear_path() const;
  void bind_and_listen();
  void set_access() const;

  const std::string path_;
  const std::shared_ptr<SocketLock> lock_;
  const SocketAccess access_;
  UniqueFd socket_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace backplane::host
