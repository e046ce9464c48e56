// SPDX-License-Identifier: Apache-2.0
#include "server/admitter.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "server/connection.hpp"

namespace backplane::host {
namespace {

/// How long a connection for management is kept in any case.
constexpr std::chrono::milliseconds first_request{20};

}  // namespace

/// Out of memory, closes the socket: its peer sees the end of the stream.
void Admitter::admit(UniqueFd socket, const Entrance& entrance, bool no_descriptor) noexcept {
  try {
    welcome(std::move(socket), entrance, no_descriptor);
  } catch (const std::exception& error) {
    core_.log(BP_LOG_ERROR, [&] { return std::string("a connection is refused: ") + error.what(); });
  }
}

void Admitter::welcome(UniqueFd socket, const Entrance& entrance, bool no_descriptor) {
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known = ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  const MutexLock reading(core_.poller.reading);
  const auto connection = std::make_shared<Connection>(core_.shared_from_this(), std::move(socket),
                                                       known ? Peer{peer.pid, peer.uid} : Peer{});
  Admission& admission = connection->admission();
  try {
    admission.roles = entrance.roles;
    if (!known || (entrance.own_user_only && peer.uid != ::geteuid() && peer.uid != 0)) {
      return connection->fail(BP_UNREACHABLE, "found user " + std::to_string(peer.uid) +
                                                  " as the peer; expected user " + std::to_string(::geteuid()) +
                                                  " or root");
    }
    const std::optional<Shortage> shortage = place_for_new(no_descriptor);
    if (!shortage) {
      core_.connections.count_refused();
      return connection->fail(BP_OVERLOADED, no_place_text(no_descriptor, core_.options));
    }
    admission.shortage = *shortage;
    core_.connections.add(connection, admission);
    if (*shortage != Shortage::none) watch_idle();
    connection->start();
  } catch (const std::exception&) {
    connection->fail(BP_OUT_OF_MEMORY, "the host has no memory for a connection");
  }
}

std::optional<Shortage> Admitter::place_for_new(bool no_descriptor) {
  const ServerOptions& options = core_.options;
  const auto has_place = [&] {
    const ConnectionTable::Counts counts = core_.connections.counts();
    return counts.ordinary() < options.max_connections;
  };
  if (!no_descriptor && has_place()) return Shortage::none;
  if (!no_descriptor) core_.limits.hit(Limit::connections);
  // The one that is closed leaves both a place and a descriptor.
  if (close_without_hello(false) && has_place()) return Shortage::none;
  const auto has_management_place = [&] {
    return core_.connections.counts().management < options.management_connections;
  };
  if (has_management_place() || close_without_hello(true) || close_idle_for_management()) {
    return no_descriptor ? Shortage::descriptors : Shortage::connections;
  }
  core_.limits.hit(Limit::management);
  return std::nullopt;
}

/// Closes a connection without a hello. If its hello has come meanwhile, it stays.
bool Admitter::close_without_hello(bool for_management) {
  while (const auto oldest = core_.connections.oldest_without_hello(for_management)) {
    if (oldest->says_hello()) continue;
    oldest->fail(BP_OVERLOADED, "it has sent no hello, and another connection needs its place; send a hello at once");
    core_.connections.count_replaced();
    return true;
  }
  return false;
}

/// Closes the connection for management that has made no request for longest. An operator has some time for the first.
bool Admitter::close_idle_for_management() {
  std::shared_ptr<Connection> idlest;
  std::shared_ptr<Connection> each;
  while ((each = core_.connections.after(each)) != nullptr) {
    const Admission& admission = each->admission();
    if (admission.shortage == Shortage::none || !each->says_hello() || !each->is_idle()) continue;
    if (idlest == nullptr || admission.last_request < idlest->admission().last_request) idlest = each;
  }
  if (idlest == nullptr || Admission::Clock::now() - idlest->admission().last_request < first_request) return false;
  idlest->fail(BP_OVERLOADED, "it is for management alone and idle, and another connection needs its place");
  core_.connections.count_replaced();
  return true;
}

bool Admitter::close_one() noexcept {
  try {
    const MutexLock reading(core_.poller.reading);
    return close_without_hello(false) || close_without_hello(true) || close_idle_for_management();
  } catch (const std::exception&) {
    return false;  // out of memory for what had come from one of them; the next try is soon
  }
}

void Admitter::watch_idle() {
  if (watches_idle_) return;
  using std::chrono::milliseconds;
  timer_.expires_after(std::clamp(core_.options.management_idle / 5, milliseconds(5), milliseconds(1000)));
  timer_.async_wait([this](const boost::system::error_code& error) {
    watches_idle_ = false;
    if (!error) end_idle();
  });
  watches_idle_ = true;
}

void Admitter::end_idle() {
  const auto before = Admission::Clock::now() - core_.options.management_idle;
  std::shared_ptr<Connection> connection;
  {
    const MutexLock reading(core_.poller.reading);
    while ((connection = core_.connections.after(connection)) != nullptr) connection->end_if_idle_since(before);
  }
  if (core_.connections.counts().management != 0) watch_idle();
}

void Admitter::stop() { timer_.cancel(); }

}  // namespace backplane::host
