// SPDX-License-Identifier: Apache-2.0
//
// Handles the frames of a peer, except calls. Everything here runs with `poller.reading` locked (socket_poller.hpp).
#include "server/connection.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "support/views.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

constexpr std::size_t max_listeners = 4096;
constexpr std::size_t max_controls = 64;

std::uint32_t milliseconds(std::uint64_t v) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(v, std::numeric_limits<std::uint32_t>::max()));
}

/// Whether the path is absolute, and has no zero byte, as the C functions need it.
bool is_path(wire::View path) {
  return !path.empty() && path.front() == '/' && std::find(path.begin(), path.end(), 0) == path.end();
}
constexpr const char* path_expected =
    "found an unusable path; expected an absolute path of a module, without zero bytes";

wire::Bytes encoded(wire::View v) { return {v.begin(), v.end()}; }

}  // namespace

Connection::Connection(std::shared_ptr<ServerCore> core, UniqueFd socket, long peer)
    : core_(std::move(core)),
      socket_(std::move(socket)),
      peer_(peer),
      timer_(core_->io),
      memory_(core_->options.max_memory),
      in_(wire::max_hello, &memory_) {}

void Connection::start() {
  timer_.expires_after(core_->options.hello_timeout);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || self == nullptr) return;
    const MutexLock reading(self->core_->poller.reading);
    if (self->greeted_) return;
    try {
      self->fail(BP_TIMEOUT, "no hello arrived within " + std::to_string(self->core_->options.hello_timeout.count()) +
                                 " ms; expected a hello first");
    } catch (const std::bad_alloc&) {
      self->fail(BP_TIMEOUT, "no hello arrived in time");
    }
  });
  if (!core_->poller.add(socket_.get(), EPOLLIN, *this)) return close("the server cannot wait for its socket");
  added_ = true;
  wanted_ = EPOLLIN;
}

void Connection::take(const wire::Frame& frame) {
  if (!greeted_ && !std::holds_alternative<wire::Hello>(frame)) {
    throw wire::ProtocolError(wire::a_frame(frame) + " before the hello; expected a hello first");
  }
  std::visit([this](const auto& f) { on_frame(f); }, frame);
}

void Connection::on_frame(const wire::Hello& hello) {
  if (greeted_) throw wire::ProtocolError("a second hello; expected one");
  const std::uint64_t oldest = hello.oldest == 0 ? hello.protocol : hello.oldest;
  if (hello.protocol < wire::oldest_protocol || oldest > wire::protocol_version) {
    throw wire::ProtocolError("the peer (Backplane " + std::string(hello.version) + ") uses version " +
                              std::to_string(hello.protocol) + " of the protocol, but this host (Backplane " +
                              bp_version() + ") uses version " + std::to_string(wire::protocol_version) +
                              "; use the same release on both sides");
  }
  if (const bp_status status = bp_source_open(core_->context, &source_); status != BP_OK) {
    return fail(status, bp_status_text(status));
  }
  greeted_ = true;
  timer_.cancel();
  in_.set_max_frame(core_->options.max_frame);
  const MutexLock lock(mutex_);
  max_frame_out_ = std::max<std::uint64_t>(std::min<std::uint64_t>(hello.max_frame, core_->options.max_frame),
                                           wire::least_max_frame);
  wire::Hello mine;
  mine.version = bp_version();
  mine.pid = static_cast<std::uint64_t>(::getpid());
  mine.max_frame = core_->options.max_frame;
  mine.oldest = wire::oldest_protocol;
  mine.features = {true, true};
  wire::encode(out_, mine);
  if (!flushing_) send_soon();
}

// Zero if the call has been answered meanwhile.
bp_request Connection::request_of(std::uint64_t id) {
  const MutexLock lock(mutex_);
  const Calls::Entry* const entry = calls_.find(id);
  return entry == nullptr ? bp_request{} : entry->value.request;
}

void Connection::on_frame(const wire::Cancel& cancel) {
  if (const bp_request request = request_of(cancel.id); request.id != 0) bp_cancel(core_->context, request);
}

// Of a call that has ended meanwhile, both come too late, and change nothing.
void Connection::on_frame(const wire::Credit& credit) {
  const bp_request request = request_of(credit.id);
  if (request.id == 0) return;
  const bp_status status = bp_request_credit(core_->context, request, credit.bytes);
  if (status == BP_INVALID_ARGUMENT) {
    throw wire::ProtocolError("a credit frame for a call without flag 1; expected it in the call's flags");
  }
  if (status == BP_OUT_OF_MEMORY) throw std::bad_alloc();  // its call would wait for ever
}

void Connection::on_frame(const wire::Part& part) {
  const bp_request request = request_of(part.id);
  if (request.id == 0) return;
  if (part.flags > BP_PART_END || (part.flags == BP_PART_END && !part.payload.empty())) {
    throw wire::ProtocolError("a part frame with the flags " + std::to_string(part.flags) + " and " +
                              std::to_string(part.payload.size()) +
                              " bytes; expected flags 0 or 1, or flags 2 without bytes");
  }
  const std::size_t size = part.flags == BP_PART_END ? 0 : std::max<std::size_t>(part.payload.size(), 1);
  std::string limit;
  {
    const MutexLock lock(mutex_);
    Calls::Entry* const entry = calls_.find(part.id);
    if (entry == nullptr || entry->value.answered) return;
    limit = bytes_limit_hit(size);
    if (limit.empty()) add_bytes(*entry, size);
  }
  if (!limit.empty()) return end_call(part.id, limit);
  const bp_status status = bp_request_part(core_->context, request, bytes(part.payload), part.flags);
  if (status == BP_OK) return;
  {
    const MutexLock lock(mutex_);
    if (Calls::Entry* const entry = calls_.find(part.id)) drop_bytes(*entry, size);
  }
  if (status == BP_INVALID_ARGUMENT) {
    throw wire::ProtocolError("a part frame for a call without flag 2, or after its last part");
  }
  if (status == BP_WOULD_BLOCK) {
    throw wire::ProtocolError("a part frame beyond the call's window; expected to wait for credit");
  }
  if (status == BP_OUT_OF_MEMORY) end_call(part.id, ConnectionMemory::overloaded());
}

/// Answers a call before its handler does.
void Connection::end_call(std::uint64_t id, const std::string& why) {
  bp_request request{};
  {
    const MutexLock lock(mutex_);
    Calls::Entry* const entry = calls_.find(id);
    if (entry == nullptr || std::exchange(entry->value.answered, true)) return;
    request = entry->value.request;
  }
  reply(id, BP_OVERLOADED, why);
  bp_cancel(core_->context, request);
}

/// What a call holds of the connection's bytes.
void Connection::add_bytes(Calls::Entry& entry, std::size_t size) {
  entry.value.size += size;
  memory_.add_payload(size);
  core_->open_bytes.fetch_add(size, std::memory_order_relaxed);
}
void Connection::drop_bytes(Calls::Entry& entry, std::size_t size) {
  size = std::min(size, entry.value.size);
  entry.value.size -= size;
  memory_.drop_payload(size);
  core_->open_bytes.fetch_sub(size, std::memory_order_relaxed);
}

void Connection::on_frame(const wire::Resolve& resolve) {
  bp_method method{};
  const bp_status status = bp_method_find(core_->context, str(resolve.name), &method);
  if (status != BP_OK) return reply(resolve.id, status, bp_status_text(status));
  wire::Bytes payload;
  cbor::Writer(payload).uint(method.id);
  reply({resolve.id, BP_OK, payload, {}, {}});
}

void Connection::on_frame(const wire::Listen& listen) {
  if (listeners_.size() >= max_listeners) {
    return reply(listen.id, BP_OVERLOADED,
                 "this connection has " + std::to_string(max_listeners) + " listeners, its limit; remove some");
  }
  auto fresh = std::make_unique<Listener>(Listener{this, listen.listener});
  const auto [at, is_new] = listeners_.try_emplace(listen.listener, std::move(fresh));
  if (!is_new) {
    throw wire::ProtocolError("a listener whose id " + std::to_string(listen.listener) +
                              " is in use; expected a new id");
  }
  Listener& listener = *at->second;
  const std::string label = "process " + std::to_string(peer_);
  bp_subscription subscription{};
  subscription.struct_size = sizeof subscription;
  subscription.pattern = str(listen.pattern);
  subscription.on_event = on_event;
  subscription.user = &listener;
  subscription.label = str(label);
  const bp_status status = bp_subscribe(core_->context, &subscription, &listener.host);
  if (status != BP_OK) listeners_.erase(at);
  reply(listen.id, status, status == BP_OK ? "" : bp_status_text(status));
}

void Connection::on_frame(const wire::Unlisten& unlisten) {
  const auto at = listeners_.find(unlisten.listener);
  if (at == listeners_.end()) return reply(unlisten.id, BP_INVALID_HANDLE, bp_status_text(BP_INVALID_HANDLE));
  const bp_status status = bp_unlisten(core_->context, at->second->host);
  {
    const MutexLock lock(mutex_);
    behind_.erase(at->second.get());
  }
  listeners_.erase(at);
  reply(unlisten.id, status);
}

void Connection::on_frame(const wire::Load& load) {
  if (!is_path(load.path)) return reply(load.id, BP_INVALID_ARGUMENT, path_expected);
  control(load.id, [path = std::string(wire::as_text(load.path)), config = encoded(load.config)](bp_context context,
                                                                                                 bp_result* out) {
    bp_load_options options{};
    options.struct_size = sizeof options;
    options.path = path.c_str();
    options.config = bytes(config);
    return bp_module_load(context, &options, out);
  });
}

void Connection::on_frame(const wire::Unload& unload) {
  control(unload.id,
          [module = std::string(unload.module), bound = milliseconds(unload.timeout_ms)](
              bp_context context, bp_result* out) { return bp_module_unload(context, str(module), bound, out); });
}

void Connection::on_frame(const wire::Reload& reload) {
  if (!reload.path.empty() && !is_path(reload.path)) return reply(reload.id, BP_INVALID_ARGUMENT, path_expected);
  control(reload.id, [module = std::string(reload.module), path = std::string(wire::as_text(reload.path)),
                      config = encoded(reload.config),
                      bound = milliseconds(reload.timeout_ms)](bp_context context, bp_result* out) {
    bp_load_options options{};
    options.struct_size = sizeof options;
    options.path = path.empty() ? nullptr : path.c_str();
    options.config = bytes(config);
    return bp_module_reload(context, str(module), &options, bound, out);
  });
}

void Connection::on_frame(const wire::List& list) { control(list.id, bp_module_list); }
void Connection::on_frame(const wire::Status& status) { control(status.id, bp_host_status); }

void Connection::on_frame(const wire::Stop& stop) {
  core_->log(BP_LOG_INFO, [this] { return "process " + std::to_string(peer_) + " has asked this host to stop"; });
  reply(stop.id, BP_OK);
  if (core_->on_stop_requested) core_->on_stop_requested();
}

void Connection::on_frame(const wire::Reply&) { throw wire::ProtocolError("a reply frame from an application"); }
void Connection::on_frame(const wire::Event&) { throw wire::ProtocolError("an event frame from an application"); }
void Connection::on_frame(const wire::Error& error) {
  close("the peer reported an error: " + std::string(error.message));  // out of memory, take_frames() closes it
}

void Connection::control(std::uint64_t id, std::function<bp_status(bp_context, bp_result*)> operation) {
  bool accepted = false;
  {
    const MutexLock lock(mutex_);
    accepted = controls_ < max_controls;
    if (accepted) ++controls_;
  }
  if (!accepted) {
    return reply(id, BP_OVERLOADED,
                 "this connection has " + std::to_string(max_controls) +
                     " waiting module operations, its limit; wait for their answers");
  }
  // The operation runs even if its connection ends first, because it affects the whole host.
  core_->control.push([self = shared_from_this(), id, operation = std::move(operation)](bool run) {
    bp_result result{};
    result.struct_size = sizeof result;
    const bp_status status = run ? operation(self->core_->context, &result) : BP_CLOSED;
    const std::string_view message = run ? view(result.message) : "the host is stopping";
    try {
      self->reply({id, status, view(result.payload), message, view(result.detail)});
    } catch (const std::exception&) {
      self->give_up();
    }
    bp_result_free(&result);
    const MutexLock lock(self->mutex_);
    --self->controls_;
  });
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
      calls_.for_each([this](const Calls::Entry& entry) { bp_cancel(core_->context, entry.value.request); });
      return;
    }
    calls_.for_each([&open](const Calls::Entry& entry) { open.push_back(entry.value.request); });
  }
  for (const bp_request request : open) bp_cancel(core_->context, request);
}

void Connection::fail(bp_status status, std::string_view message) noexcept {
  {
    const MutexLock lock(mutex_);
    if (closed_) return;
    try {
      wire::encode(out_, wire::Error{status, message});
      send_last_words();
    } catch (const std::exception&) {
      // Then the end of the stream alone says it.
    }
  }
  core_->log(BP_LOG_WARN, [&] {
    return "the connection of process " + std::to_string(peer_) + " is ended by the host: " + std::string(message);
  });
  close({});
}

void Connection::close(std::string_view reason) noexcept {
  const auto self = shared_from_this();
  {
    const MutexLock lock(mutex_);
    if (closed_) return;
    closed_ = ended_ = true;
    if (added_) core_->poller.remove(socket_.get(), *this);
    socket_.reset();
    wire::Bytes().swap(out_);
    sent_ = border_ = 0;
    memory_.shrink_output(0);
    idle_.notify_all();
  }
  timer_.cancel();
  for (const auto& [id, listener] : listeners_) bp_unlisten(core_->context, listener->host);
  {
    const MutexLock lock(mutex_);
    behind_.clear();
  }
  listeners_.clear();
  cancel_calls();
  if (source_.id != 0) bp_source_close(core_->context, source_);
  const auto line = [this](const char* how, std::string_view why) {
    return "the connection of process " + std::to_string(peer_) + how + std::string(why);
  };
  if (!reason_.empty()) {  // constant after closed_ is set, so it needs no lock
    core_->log(BP_LOG_WARN, [&] { return line(" is closed: ", reason_); });
  } else if (!reason.empty()) {
    core_->log(BP_LOG_DEBUG, [&] { return line(" has ended: ", reason); });
  }
  core_->poller.release_later(self);
  const MutexLock lock(core_->mutex);
  core_->connections.erase(self);
}

}  // namespace backplane::host
