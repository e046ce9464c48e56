// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

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

  /// From now on, other hosts report that this process is stopping.
  void say_stopping() noexcept;

 private:
  void write(const std::string& text);
  bool try_lock(const std::string& socket_path);
  void remove() noexcept;

  const std::string path_;
  UniqueFd file_;
};

/// The socket file of one host.
class ListeningSocket {
 public:
  /// Binds with mode 0600 and listens. Takes the lock first, unless `lock` is given. Throws Failure.
  explicit ListeningSocket(std::string path, std::shared_ptr<SocketLock> lock = nullptr);
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;
  /// Removes the socket, if the file is still the one bound here, and releases its share of the lock.
  ~ListeningSocket();

  /// The listening descriptor, which is the caller's from now on.
  UniqueFd take_descriptor() noexcept;

 private:
  void clear_path() const;
  void bind_and_listen();
  void remove() noexcept;

  std::string path_;
  std::shared_ptr<SocketLock> lock_;
  UniqueFd socket_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace backplane::host
