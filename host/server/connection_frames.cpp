// SPDX-License-Identifier: Apache-2.0
//
// Handles the frames of a peer, except calls. Everything here runs with `poller.reading` locked (socket_poller.hpp).
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "server/call_batch.hpp"
#include "server/connection.hpp"
#include "server/frame_handler.hpp"
#include "server/peer_operations.hpp"
#include "support/log_level.hpp"
#include "support/result.hpp"
#include "support/views.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

// Beyond these, a connection whose requests all wait can still cancel operations.
constexpr std::size_t more_controls_to_cancel = 16;
constexpr std::uint32_t default_drain_ms = 5000;

std::uint32_t milliseconds(std::uint64_t v) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(v, std::numeric_limits<std::uint32_t>::max()));
}

/// Whether the path is absolute, and has no zero byte, as the C functions need it.
bool is_path(wire::View path) {
  return !path.empty() && path.front() == '/' && std::find(path.begin(), path.end(), 0) == path.end();
}
constexpr const char* path_expected =
    "found an unusable path; expected an absolute path of a module, without zero bytes";

/// Whether an operation of this kind can have the path.
bool is_usable(std::uint32_t kind, wire::View path) {
  return is_path(path) || (kind != BP_OPERATION_LOAD && path.empty());
}

}  // namespace

void Connection::take(const wire::Frame& frame) {
  if (!admission_.greeted && !std::holds_alternative<wire::Hello>(frame)) {
    throw wire::ProtocolError(wire::a_frame(frame) + " before the hello; expected a hello first");
  }
  if (const auto denial = denial_of(frame, admission_, core_->options)) {
    return reply(denial->id, denial->status, denial->message);
  }
  if (admission_.shortage != Shortage::none) admission_.last_request = Clock::now();
  std::visit(FrameHandler(*this), frame);
}

void Connection::FrameHandler::operator()(const wire::Hello& hello) {
  if (peer_.admission_.greeted) throw wire::ProtocolError("a second hello; expected one");
  const std::uint64_t oldest = hello.oldest == 0 ? hello.protocol : hello.oldest;
  if (hello.protocol < wire::oldest_protocol || oldest > wire::protocol_version) {
    throw wire::ProtocolError("the peer (Backplane " + std::string(hello.version) + ") uses version " +
                              std::to_string(hello.protocol) + " of the protocol, but this host (Backplane " +
                              bp_version() + ") uses version " + std::to_string(wire::protocol_version) +
                              "; use the same release on both sides");
  }
  if (const bp_status status = peer_.source_.open(core_.context, str(words_of(peer_.peer_))); status != BP_OK) {
    return peer_.fail(status, bp_status_text(status));
  }
  peer_.admission_.greeted = true;
  core_.connections.greeted(peer_.admission_);
  peer_.timer_.cancel();
  peer_.in_.set_max_frame(core_.options.max_frame);
  const MutexLock lock(peer_.mutex_);
  peer_.out_.set_max_frame(std::max<std::uint64_t>(std::min<std::uint64_t>(hello.max_frame, core_.options.max_frame),
                                                   wire::least_max_frame));
  wire::Hello mine;
  mine.version = bp_version();
  mine.pid = static_cast<std::uint64_t>(::getpid());
  mine.max_frame = core_.options.max_frame;
  mine.oldest = wire::oldest_protocol;
  mine.features = {true, true, true, true, true, true, true, true, true, true};
  mine.window_bytes = core_.options.request_window_bytes;
  mine.window_parts = core_.options.request_window_parts;
  peer_.out_.add(mine);
  if (!peer_.flushing_) peer_.send_soon();
}

// Zero if the call has been answered meanwhile.
bp_request Connection::FrameHandler::request_of(std::uint64_t id) {
  const MutexLock lock(peer_.mutex_);
  const OpenCalls::Entry* const entry = peer_.calls_.find(id);
  return entry == nullptr ? bp_request{} : entry->value.request;
}

// A call in an unusual form, which quick_decode() does not read.
void Connection::FrameHandler::operator()(const wire::Call& call) {
  Batch batch;
  batch.calls[0] = call;
  batch.size = 1;
  peer_.submit(batch);
}

void Connection::FrameHandler::operator()(const wire::Cancel& cancel) {
  if (const bp_request request = request_of(cancel.id); request.id != 0) bp_cancel(core_.context, request);
}

// Of a call that has ended meanwhile, both come too late, and change nothing.
void Connection::FrameHandler::operator()(const wire::Credit& credit) {
  const bp_request request = request_of(credit.id);
  if (request.id == 0) return;
  const bp_status status = bp_request_credit(core_.context, request, credit.bytes);
  if (status == BP_INVALID_ARGUMENT) {
    throw wire::ProtocolError("a credit frame for a call without flag 1; expected it in the call's flags");
  }
  if (status == BP_OUT_OF_MEMORY) throw std::bad_alloc();  // its call would wait for ever
}

void Connection::FrameHandler::operator()(const wire::Part& part) {
  const bp_request request = request_of(part.id);
  if (request.id == 0) return;
  if (part.flags > BP_PART_END || (part.flags == BP_PART_END && !part.payload.empty())) {
    throw wire::ProtocolError("a part frame with the flags " + std::to_string(part.flags) + " and " +
                              std::to_string(part.payload.size()) +
                              " bytes; expected flags 0 or 1, or flags 2 without bytes");
  }
  const std::size_t size = part.flags == BP_PART_END ? 0 : std::max<std::size_t>(part.payload.size(), 1);
  Limit limit = Limit::count;
  {
    const MutexLock lock(peer_.mutex_);
    OpenCalls::Entry* const entry = peer_.calls_.find(part.id);
    if (entry == nullptr || entry->value.answered) return;
    limit = peer_.calls_.bytes_limit_hit(size);
    if (limit == Limit::count) peer_.calls_.add_bytes(*entry, size);
  }
  if (limit != Limit::count) return end_call(part.id, OpenCalls::text_of(limit, core_.options));
  const bp_status status = bp_request_part(core_.context, request, bytes(part.payload), part.flags);
  if (status == BP_OK) return;
  {
    const MutexLock lock(peer_.mutex_);
    if (OpenCalls::Entry* const entry = peer_.calls_.find(part.id)) peer_.calls_.drop_bytes(*entry, size);
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
void Connection::FrameHandler::end_call(std::uint64_t id, const std::string& why) {
  bp_request request{};
  {
    const MutexLock lock(peer_.mutex_);
    OpenCalls::Entry* const entry = peer_.calls_.find(id);
    if (entry == nullptr || std::exchange(entry->value.answered, true)) return;
    request = entry->value.request;
  }
  reply(id, BP_OVERLOADED, why);
  bp_cancel(core_.context, request);
}

void Connection::FrameHandler::operator()(const wire::Resolve& resolve) {
  bp_method method{};
  const bp_status status = bp_method_find(core_.context, str(resolve.name), &method);
  if (status != BP_OK) return reply(resolve.id, status, bp_status_text(status));
  wire::Bytes payload;
  cbor::Writer(payload).uint(method.id);
  peer_.reply({resolve.id, BP_OK, payload, {}, {}});
}

void Connection::FrameHandler::operator()(const wire::Listen& listen) {
  if (const std::size_t most = core_.options.max_listeners; peer_.listeners_.size() >= most) {
    core_.limits.hit(Limit::listeners);
    return reply(listen.id, BP_OVERLOADED,
                 "this connection has " + std::to_string(most) +
                     " listeners, its limit (listeners_per_connection); remove some");
  }
  const bool lossless = listen.flags == BP_LISTEN_LOSSLESS;
  if (listen.flags != 0 && !lossless) {
    return reply(listen.id, BP_INVALID_ARGUMENT,
                 "found the flags " + std::to_string(listen.flags) + "; expected 0, or 2 for a lossless listener");
  }
  if (const std::size_t most = core_.options.lossless_listeners; lossless && peer_.listeners_.lossless() >= most) {
    core_.limits.hit(Limit::lossless_listeners);
    return reply(listen.id, BP_OVERLOADED,
                 most == 0 ? "lossless listeners are not allowed: set lossless_listeners in the host's configuration"
                           : "this connection has " + std::to_string(most) +
                                 " lossless listeners, its limit (lossless_listeners); remove some");
  }
  const std::string label = "process " + std::to_string(peer_.peer_.pid);
  const PeerListener fresh{&peer_, listen.listener, lossless ? core_.options.lossless_window : 0};
  const bp_status status = peer_.listeners_.add(core_.context, fresh, listen.pattern, label, Connection::on_event);
  reply(listen.id, status, status == BP_OK ? "" : bp_status_text(status));
}

void Connection::FrameHandler::operator()(const wire::Unlisten& unlisten) {
  PeerListener* const listener = peer_.listeners_.find(unlisten.listener);
  if (listener == nullptr) return reply(unlisten.id, BP_INVALID_HANDLE, bp_status_text(BP_INVALID_HANDLE));
  const bp_status status = PeerListeners::stop(core_.context, *listener);
  {
    const MutexLock lock(peer_.mutex_);
    peer_.gaps_.forget(*listener);
  }
  peer_.listeners_.erase(unlisten.listener);
  reply(unlisten.id, status);
}

// Of a listener that has ended meanwhile, it comes too late, and changes nothing.
void Connection::FrameHandler::operator()(const wire::Heard& heard) {
  PeerListener* const listener = peer_.listeners_.find(heard.listener);
  if (listener == nullptr) return;
  if (listener->window == 0) {
    throw wire::ProtocolError("a heard frame for a listener without flag 2; expected it in the flags of listen");
  }
  // While so much waits, it may be lying: it has not read yet what it says it has heard.
  std::uint64_t until = 0;
  {
    const MutexLock lock(peer_.mutex_);
    if (peer_.out_.waiting() > core_.options.max_event_output) until = peer_.out_.taken() + peer_.out_.waiting();
  }
  if (until != 0) return peer_.listeners_.hear_later(*listener, heard.bytes, until);
  bp_listener_credit(core_.context, listener->host, heard.bytes);
}

void Connection::FrameHandler::operator()(const wire::Load& load) {
  operate(load.id, {peer_.peer_, BP_OPERATION_LOAD, {}, load}, 0);
}
void Connection::FrameHandler::operator()(const wire::Unload& unload) {
  operate(unload.id, {peer_.peer_, BP_OPERATION_UNLOAD, unload.module, wire::Load()}, unload.timeout_ms);
}
void Connection::FrameHandler::operator()(const wire::Reload& reload) {
  operate(reload.id, {peer_.peer_, BP_OPERATION_RELOAD, reload.module, reload}, reload.timeout_ms);
}

void Connection::FrameHandler::operator()(const wire::List& list) { control(list.id, bp_module_list); }
void Connection::FrameHandler::operator()(const wire::Status& status) {
  control(status.id, [core = peer_.core_](bp_context, bp_result* out) { return core->status(out); });
}

void Connection::FrameHandler::operator()(const wire::Stop& stop) {
  core_.log(BP_LOG_INFO, [this] { return words_of(peer_.peer_) + " has asked this host to stop"; });
  if (!core_.on_stop_requested) {
    return reply(stop.id, BP_NOT_SUPPORTED,
                 "the host belongs to an application that does not let others end it; end the application itself");
  }
  reply(stop.id, BP_OK);
  core_.on_stop_requested();
}

// It waits for nothing, so it needs no turn: an operator can change the level while an operation hangs.
void Connection::FrameHandler::operator()(const wire::Log& log) {
  const auto level = log.level.empty() ? std::optional<int>(BP_LOG_KEEP) : log_level_of(log.level);
  if (!level) return reply(log.id, BP_INVALID_ARGUMENT, "found an unknown log level; expected trace to error, or off");
  bp_result result{};
  result.struct_size = sizeof result;
  const bp_status status = bp_log_set(core_.context, str(log.module), *level, &result);
  const std::unique_ptr<bp_result, void (*)(bp_result*)> owner(&result, bp_result_free);
  peer_.reply({log.id, status, view(result.payload), view(result.message), {}});
}

void Connection::FrameHandler::operator()(const wire::Begin& begin) {
  if (begin.kind < BP_OPERATION_LOAD || begin.kind > BP_OPERATION_RELOAD) {
    return reply(begin.id, BP_INVALID_ARGUMENT,
                 "found the kind " + std::to_string(begin.kind) + "; expected 1 (load), 2 (unload) or 3 (reload)");
  }
  if (!is_usable(begin.kind, begin.path)) return reply(begin.id, BP_INVALID_ARGUMENT, path_expected);
  control(begin.id,
          [asked = AskedOperation(peer_.peer_, begin.kind, begin.module, begin)](bp_context context, bp_result* out) {
            bp_operation operation{};
            const bp_status status = asked.begin(context, &operation, out);
            if (status != BP_OK) return status;
            wire::Bytes id;
            cbor::Writer(id).uint(operation.id);
            return set_result(out, BP_OK, id);
          });
}

void Connection::FrameHandler::operator()(const wire::Wait& wait) {
  if (!take_control(wait.id)) return;
  const auto until = ControlThread::Clock::now() + std::chrono::milliseconds(milliseconds(wait.timeout_ms));
  OperationAnswer answer(peer_.shared_from_this(), wait.id, wait.operation, std::nullopt);
  core_.control.push([core = peer_.core_, until, answer](bool run) {
    if (!run) return answer(false);
    try {
      core->control.push_after(answer.operation(), until, answer);
    } catch (const std::exception&) {
      answer(true);  // at once, as it stands
    }
  });
}

void Connection::FrameHandler::operator()(const wire::Undo& undo) {
  if (undo.operation == 0) return reply(undo.id, BP_INVALID_ARGUMENT, "found the operation 0; expected an id");
  control(
      undo.id,
      [operation = undo.operation, requester = words_of(peer_.peer_)](bp_context context, bp_result* out) {
        return bp_operation_cancel_for(context, {operation}, str(requester), out);
      },
      max_controls + more_controls_to_cancel);
}

void Connection::FrameHandler::operator()(const wire::Reconfigure& reconfigure) {
  if (!core_.options.reconfigure) {
    return reply(reconfigure.id, BP_NOT_SUPPORTED, "this host has no configuration file that it could read again");
  }
  if (reconfigure.flags > BP_RECONFIGURE_SHOW) {
    return reply(reconfigure.id, BP_INVALID_ARGUMENT,
                 "found the flags " + std::to_string(reconfigure.flags) + "; expected 0, 1 (dry run) or 2 (show)");
  }
  if (!take_control(reconfigure.id)) return;
  core_.options.reconfigure({reconfigure.flags, words_of(peer_.peer_),
                             [self = peer_.shared_from_this(), id = reconfigure.id](
                                 bp_status status, bp_result& result) { self->answer_control(id, status, result); }});
}

void Connection::FrameHandler::operator()(const wire::Reply&) {
  throw wire::ProtocolError("a reply frame from an application");
}
void Connection::FrameHandler::operator()(const wire::Event&) {
  throw wire::ProtocolError("an event frame from an application");
}
void Connection::FrameHandler::operator()(const wire::Error& error) {
  peer_.close("the peer reported an error: " + std::string(error.message));  // out of memory, take_frames() closes it
}

/// Counts one more report or operation that the peer waits for. Returns false, and answers it, if there are too many.
bool Connection::FrameHandler::take_control(std::uint64_t id, std::size_t most) {
  {
    const MutexLock lock(peer_.mutex_);
    if (peer_.controls_ < most) {
      ++peer_.controls_;
      return true;
    }
  }
  reply(id, BP_OVERLOADED,
        "this connection waits for " + std::to_string(most) +
            " reports and module operations, its limit; wait for their answers");
  return false;
}

void Connection::FrameHandler::control(std::uint64_t id, std::function<bp_status(bp_context, bp_result*)> report,
                                       std::size_t most) {
  if (!take_control(id, most)) return;
  core_.control.push([self = peer_.shared_from_this(), id, report = std::move(report)](bool run) {
    bp_result result{};
    result.struct_size = sizeof result;
    bp_status status = BP_CLOSED;
    try {
      if (run) status = report(self->core_->context, &result);
    } catch (const std::exception&) {
      status = BP_OUT_OF_MEMORY;
    }
    self->answer_control(id, status, result);
  });
}

/// Begins an operation, and answers when it has ended, or has drained for `timeout_ms`.
void Connection::FrameHandler::operate(std::uint64_t id, const AskedOperation& asked, std::uint64_t timeout_ms) {
  if (!is_usable(asked.kind(), asked.path())) return reply(id, BP_INVALID_ARGUMENT, path_expected);
  if (!take_control(id)) return;
  const std::chrono::milliseconds drain(timeout_ms == 0 ? default_drain_ms : milliseconds(timeout_ms));
  // The operation runs even if its connection ends first, because it affects the whole host.
  core_.control.push([self = peer_.shared_from_this(), id, drain, asked](bool run) {
    bp_result result{};
    result.struct_size = sizeof result;
    bp_operation operation{};
    const bp_status status = run ? asked.begin(self->core_->context, &operation, &result) : bp_status{BP_CLOSED};
    if (status != BP_OK) return self->answer_control(id, status, result);
    bp_result_free(&result);
    try {
      const OperationAnswer answer(self, id, operation.id, drain);
      self->core_->control.push_after(operation.id, ControlThread::Clock::now() + drain, answer);
    } catch (const std::exception&) {
      self->answer_without_memory(id);
    }
  });
}

void Connection::answer_without_memory(std::uint64_t id) noexcept {
  bp_result none{};
  none.struct_size = sizeof none;
  answer_control(id, BP_OUT_OF_MEMORY, none);
}

void Connection::answer_control(std::uint64_t id, bp_status status, bp_result& result) noexcept {
  const std::unique_ptr<bp_result, void (*)(bp_result*)> owner(&result, bp_result_free);
  const std::string_view message =
      status == BP_CLOSED && result.message.size == 0 ? "the host is stopping" : view(result.message);
  try {
    reply({id, status, view(result.payload), message, view(result.detail)});
  } catch (const std::exception&) {
    give_up();
  }
  const MutexLock lock(mutex_);
  --controls_;
}

}  // namespace backplane::host
