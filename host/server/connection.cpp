// SPDX-License-Identifier: Apache-2.0
//
// The life of a connection: how it begins, and how it ends.
#include "server/connection.hpp"

#include <boost/asio/post.hpp>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include "server/asking.hpp"

namespace backplane::host {
namespace {

/// Listeners or functions of a closed connection that are removed before the io thread does something else.
constexpr int removed_at_once = 64;

}  // namespace

Connection::Connection(std::shared_ptr<ServerCore> core, UniqueFd socket, const Peer& peer)
    : core_(std::move(core)),
      socket_(core_->poller, std::move(socket)),
      peer_(peer),
      timer_(core_->io),
      memory_(core_->options.max_memory, core_->limits),
      in_(wire::max_hello, &memory_),
      calls_(*core_, memory_),
      out_(memory_) {}

void Connection::start() {
  timer_.expires_after(core_->options.hello_timeout);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || self == nullptr) return;
    const MutexLock reading(self->core_->poller.reading);
    if (self->admission_.greeted) return;
    try {
      self->fail(BP_TIMEOUT, "no hello arrived within " + std::to_string(self->core_->options.hello_timeout.count()) +
                                 " ms; expected a hello first");
    } catch (const std::bad_alloc&) {
      self->fail(BP_TIMEOUT, "no hello arrived in time");
    }
  });
  if (!socket_.add(*this)) close("the server cannot wait for its socket");
}

bool Connection::says_hello() {
  if (!closed_) read();
  return admission_.greeted && !closed_;
}

void Connection::end_if_idle_since(Clock::time_point before) {
  if (admission_.shortage == Shortage::none || admission_.last_request > before) return;
  if (is_idle())
    fail(BP_TIMEOUT, "it is for management alone, and has made no request for " +
                         std::to_string(core_->options.management_idle.count()) + " ms (management_idle_ms)");
}

bool Connection::is_idle() noexcept {
  const MutexLock lock(mutex_);
  return controls_ == 0;
}

void Connection::cancel_calls() noexcept {
  std::vector<bp_request> open;
  {
    const MutexLock lock(mutex_);
    canceled_ = true;
    try {
      open.reserve(calls_.size());
    } catch (const std::bad_alloc&) {
      // A cancel runs no callback of this connection, so the lock may be held for once.
      calls_.for_each([this](const OpenCalls::Entry& entry) { bp_cancel(core_->context, entry.value.request); });
      return;
    }
    calls_.for_each([&open](const OpenCalls::Entry& entry) { open.push_back(entry.value.request); });
  }
  for (const bp_request request : open) bp_cancel(core_->context, request);
}

void Connection::fail(bp_status status, std::string_view message) noexcept {
  {
    const MutexLock lock(mutex_);
    if (closed_) return;
    try {
      out_.add(wire::Error{status, message});
      out_.send(socket_.fd());
    } catch (const std::exception&) {
      // Then the end of the stream alone says it.
    }
  }
  core_->log(BP_LOG_WARN, [&] {
    return "the connection of process " + std::to_string(peer_.pid) + " is ended by the host: " + std::string(message);
  });
  close({});
}

void Connection::close(std::string_view reason) noexcept {
  const auto self = shared_from_this();
  {
    const MutexLock lock(mutex_);
    if (closed_) return;
    closed_ = true;
    socket_.close(*this);
    out_.close();
    idle_.notify_all();
  }
  timer_.cancel();
  cancel_calls();
  source_.close(core_->context);
  const auto line = [this](const char* how, std::string_view why) {
    return "the connection of process " + std::to_string(peer_.pid) + how + std::string(why);
  };
  if (!reason_.empty()) {  // constant after closed_ is set, so it needs no lock
    core_->log(BP_LOG_WARN, [&] { return line(" is closed: ", reason_); });
  } else if (!reason.empty()) {
    core_->log(BP_LOG_DEBUG, [&] { return line(" has ended: ", reason); });
  }
  core_->poller.release_later(self);
  Asking(*this).end_all();
  if (listeners_.empty() && provides_.functions.empty()) return forget();
  remove_all_soon();
}

/// A connection counts in max_connections until its listeners and functions are removed: so that peers which come and
/// go cannot make them faster than the host removes them.
void Connection::forget() noexcept {
  if (provides_.any) {
    std::erase_if(core_->providers, [this](const auto& each) {
      const auto provider = each.second.lock();
      return provider == nullptr || provider.get() == this;
    });
  }
  core_->connections.remove(shared_from_this(), admission_);
}

void Connection::remove_all_soon() noexcept {
  boost::asio::post(core_->io, KeptHandler(removal_, [self = shared_from_this()] { self->remove_all(); }));
}

/// On the io thread, because removing one may wait for its callback. In batches, so that the thread's other work waits
/// for few of them.
void Connection::remove_all() noexcept {
  PeerFunctions& functions = provides_.functions;
  for (int i = 0; i < removed_at_once && !functions.empty(); ++i) {
    if (functions.remove_any(core_->context) != BP_OK) break;  // no memory; later
  }
  for (int i = 0; i < removed_at_once && !listeners_.empty(); ++i) {
    PeerListener& listener = listeners_.any();
    PeerListeners::stop(core_->context, listener);
    {
      const MutexLock lock(mutex_);
      gaps_.forget(listener);
    }
    listeners_.erase(listener.id);
  }
  if (!listeners_.empty() || !functions.empty()) return remove_all_soon();
  const MutexLock reading(core_->poller.reading);
  forget();
}

}  // namespace backplane::host
