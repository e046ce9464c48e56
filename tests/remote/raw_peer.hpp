// SPDX-License-Identifier: Apache-2.0
//
// The other end of a connection, spoken by hand: for peers that are slow, mute, broken or hostile.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "wire/frame.hpp"
#include "wire/frame_buffer.hpp"

inline sockaddr_un unix_address(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  std::memcpy(out.sun_path, path.c_str(), path.size() + 1);
  return out;
}

class RawPeer {
 public:
  explicit RawPeer(int fd) : fd_(fd) {}
  RawPeer(RawPeer&& other) noexcept : fd_(std::exchange(other.fd_, -1)), in_(std::move(other.in_)) {}
  RawPeer& operator=(RawPeer&&) = delete;
  ~RawPeer() { close(); }

  static RawPeer connect(const std::string& path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un to = unix_address(path);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      ::close(fd);
      throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
    }
    return RawPeer(fd);
  }

  int fd() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

  /// False if the peer has gone.
  bool send(backplane::host::wire::View bytes) {
    while (!bytes.empty()) {
      const ssize_t size = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size < 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(size));
    }
    return true;
  }
  bool send(std::string_view text) { return send(backplane::host::wire::as_bytes(text)); }
  template <class Frame>
  bool send_frame(const Frame& frame) {
    backplane::host::wire::Bytes out;
    backplane::host::wire::encode(out, frame);
    return send(backplane::host::wire::View(out));
  }

  /// The next frame; its views are good until the next call. None at the end of the stream, or if
  /// nothing comes within the bound.
  std::optional<backplane::host::wire::Frame> receive(std::chrono::milliseconds bound = std::chrono::seconds(10)) {
    const auto until = std::chrono::steady_clock::now() + bound;
    backplane::host::wire::View body;
    while (!in_.next(body)) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
      pollfd wait{fd_, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&wait, 1, static_cast<int>(left.count())) <= 0) return std::nullopt;
      const auto room = in_.room();
      const ssize_t size = ::recv(fd_, room.data(), room.size(), 0);
      if (size <= 0) return std::nullopt;
      in_.filled(static_cast<std::size_t>(size));
    }
    return backplane::host::wire::decode(body);
  }
  template <class Frame>
  std::optional<Frame> receive_as(std::chrono::milliseconds bound = std::chrono::seconds(10)) {
    const auto frame = receive(bound);
    if (!frame || !std::holds_alternative<Frame>(*frame)) return std::nullopt;
    return std::get<Frame>(*frame);
  }
  /// Whether the stream ends within the bound; frames before that are passed over.
  bool ends(std::chrono::milliseconds bound = std::chrono::seconds(10)) {
    const auto until = std::chrono::steady_clock::now() + bound;
    for (;;) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
      pollfd wait{fd_, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&wait, 1, static_cast<int>(left.count())) <= 0) return false;
      char sink[4096];
      if (::recv(fd_, sink, sizeof sink, 0) <= 0) return true;
    }
  }

  /// Says hello as an application does, and takes the host's.
  bool greet() {
    send_frame(backplane::host::wire::Hello{1, "0.1.0", static_cast<std::uint64_t>(::getpid())});
    return receive_as<backplane::host::wire::Hello>().has_value();
  }

 private:
  int fd_;
  backplane::host::wire::FrameBuffer in_{backplane::host::wire::default_max_frame};
};

/// A socket on which the test itself is the host.
class RawListener {
 public:
  explicit RawListener(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_un at = unix_address(path);
    if (::bind(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 || ::listen(fd_, 16) != 0) {
      throw std::runtime_error(std::string("bind: ") + std::strerror(errno));
    }
  }
  RawListener(const RawListener&) = delete;
  RawListener& operator=(const RawListener&) = delete;
  ~RawListener() { ::close(fd_); }
  RawPeer accept() { return RawPeer(::accept(fd_, nullptr, nullptr)); }

 private:
  int fd_;
};
