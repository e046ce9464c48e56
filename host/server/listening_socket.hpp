// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <sys/types.h>

namespace backplane {

/// The socket file of one host, and the lock beside it that makes the host its only owner. The lock
/// is what two hosts that start at once compete for; who holds it may replace a stale socket.
class ListeningSocket {
 public:
  /// Takes the lock, binds with mode 0600 and listens. Throws Failure.
  explicit ListeningSocket(std::string path);
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;
  /// Removes the socket, if the file is still the one that was bound here, and gives up the lock.
  ~ListeningSocket();

  /// The listening descriptor, which is the caller's from now on.
  int take_descriptor() noexcept;

 private:
  void lock();
  bool try_lock();
  void clear_path() const;
  void bind_and_listen();
  void remove() noexcept;

  std::string path_;
  std::string lock_path_;
  int lock_ = -1;
  int socket_ = -1;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace backplane
