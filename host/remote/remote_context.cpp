// SPDX-License-Identifier: Apache-2.0
//
// Implements the Endpoint functions with frames to the host, and waits for answers where a function must return them.
#include "remote/remote_context.hpp"

#include <sys/un.h>

#include <algorithm>
#include <backplane/cbor/reader.hpp>
#include <exception>
#include <filesystem>
#include <string>
#include <utility>

#include "remote/connect.hpp"
#include "remote/questions.hpp"
#include "support/log_level.hpp"
#include "support/names.hpp"
#include "support/result.hpp"
#include "support/views.hpp"
#include "wire/socket_path.hpp"

namespace backplane::host {
namespace {

using std::chrono::milliseconds;
using Clock = Channel::Clock;

constexpr std::uint32_t default_connect_ms = 5000;
constexpr std::uint32_t default_stop_ms = 1500;
/// How long canceled calls and running callbacks may take to end.
constexpr milliseconds last_words{300};

/// Makes a path absolute, because the host has another working directory. If that fails, the host refuses the path.
std::string absolute(const char* path) {
  std::error_code error;
  const auto whole = std::filesystem::absolute(path, error);
  return error ? std::string(path) : whole.string();
}

// A frame cannot carry text that is not UTF-8.
bool valid_module(bp_str name) { return name.size <= BP_MODULE_NAME_MAX && cbor::valid_utf8(view(name)); }
bp_status refuse_module(bp_str name, bp_result& result) {
  return set_result(&result, BP_INVALID_ARGUMENT,
                    "found a module name of " + std::to_string(name.size) +
                        " bytes; expected [a-z_][a-z0-9_]*, at most " + std::to_string(BP_MODULE_NAME_MAX) + " bytes");
}

bool is_sendable(std::string_view name) {
  return !name.empty() && name.size() <= BP_WIRE_NAME_MAX && cbor::valid_utf8(name);
}

bp_status no_operations(bp_result& result) {
  return set_result(&result, BP_NOT_SUPPORTED, "this host is too old for module operations that go on by themselves");
}

/// Fills in what is to be loaded; `path` keeps it. Returns false if the host does not know the settings.
template <class Frame>
bool set_load(Frame& frame, std::string& path, const bp_load_options& options, const wire::Features& host) {
  if (options.path != nullptr && *options.path != 0) path = absolute(options.path);
  frame.path = wire::as_bytes(path);
  frame.config = view(options.config);
  frame.flags = options.flags;
  frame.stack_size = options.stack_size;
  frame.workers = options.workers;
  frame.drain_ms = options.drain_ms;
  constexpr std::uint32_t comparing = BP_LOAD_STRICT | BP_LOAD_COMPARE;
  if ((frame.flags & comparing) != 0 && !host.compare) return false;
  return host.settings || (frame.flags == 0 && frame.stack_size == 0 && frame.workers == 0 && frame.drain_ms == 0);
}
bp_status no_settings(bp_result& result) {
  return set_result(&result, BP_NOT_SUPPORTED,
                    "this host is too old for the settings of a module: found flags, stack_size or workers that it "
                    "does not know; set them to 0, or use a newer host");
}

/// A path for later attempts: it must not depend on the working folder, unless it gets too long for a socket.
std::string kept_path(const std::string& path) {
  std::string full = absolute(path.c_str());
  return full.size() < sizeof(sockaddr_un::sun_path) ? full : path;
}

BackOff back_off_of(const bp_connect_options& options) noexcept {
  BackOff out;
  const milliseconds least(options.reconnect_min_ms);
  const milliseconds most(options.reconnect_max_ms);
  out.most = most.count() != 0 ? most : std::max(out.most, least);
  out.least = least.count() != 0 ? least : std::min(out.least, out.most);
  out.attempts = options.reconnect_attempts;
  return out;
}

}  // namespace

bp_status connect(const bp_connect_options& options, std::unique_ptr<Endpoint>& out, Failure& why) noexcept {
  try {
    const std::string path =
        options.socket_path == nullptr || *options.socket_path == 0 ? default_socket_path() : options.socket_path;
    LinkOptions link{path, milliseconds(options.timeout_ms == 0 ? default_connect_ms : options.timeout_ms)};
    link.reconnects = options.reconnect != 0;
    if (link.reconnects) link.path = kept_path(path);
    link.back_off = back_off_of(options);
    link.on_state = options.on_state;
    link.user = options.user;
    Dialed dialed = dial(path, link.timeout);
    out = std::make_unique<RemoteContext>(std::move(dialed), std::move(link),
                                          options.event_bytes == 0 ? EventThread::usual_waiting : options.event_bytes);
    return BP_OK;
  } catch (Failure& failure) {
    why = std::move(failure);
  } catch (const std::bad_alloc&) {
    why = {BP_OUT_OF_MEMORY, {}};
  } catch (const std::exception& error) {
    why = {BP_UNREACHABLE, {}};
    try {
      why.message = std::string("cannot start the threads of a connection: ") + error.what();
    } catch (const std::bad_alloc&) {
      // The status says enough.
    }
  }
  return why.status;
}

RemoteContext::RemoteContext(Dialed dialed, LinkOptions options, std::uint64_t event_bytes)
    : kept_{std::make_shared<EventThread>(event_bytes), std::make_shared<RemoteFunctions>()},
      link_(std::make_shared<Link>(std::move(options), kept_)) {
  kept_.events->start(
      [weak = std::weak_ptr(link_)](std::uint64_t listener, std::uint64_t bytes, std::uint32_t connection) {
        const auto link = weak.lock();
        const auto channel = link == nullptr ? nullptr : link->channel();
        if (channel != nullptr && channel->number() == connection) channel->heard(listener, bytes);
      });
  try {
    link_->start(std::move(dialed));
  } catch (...) {
    kept_.events->finish(Clock::time_point::max());
    kept_.events->join_or_detach();
    throw;
  }
}

RemoteContext::~RemoteContext() {
  if (!on_own_thread()) stop(1);
  kept_.events->remove(watch_);  // it uses the link
  link_->join_or_detach();
  kept_.events->join_or_detach();
}

bool RemoteContext::on_own_thread() const noexcept { return link_->is_this_thread() || kept_.events->is_this_thread(); }

bp_status RemoteContext::close() {
  link_->close();
  return BP_OK;
}

bp_status RemoteContext::stop(std::uint32_t timeout_ms) {
  if (on_own_thread()) return BP_REENTRANT;
  link_->close();
  const auto until = Clock::now() + milliseconds(timeout_ms == 0 ? default_stop_ms : timeout_ms);
  const auto channel = link_->channel();
  if (!channel->wait_answered(until)) {
    channel->cancel_all();
    channel->wait_answered(Clock::now() + last_words);
  }
  const auto bound = [until] { return std::max(until, Clock::now() + last_words); };
  if (!link_->finish(bound())) return BP_TIMEOUT;
  return kept_.events->finish(bound()) ? BP_OK : BP_TIMEOUT;
}

bp_status RemoteContext::submit(const bp_submission& submission, bp_request* request) {
  if (submission.on_reply == nullptr) return BP_MISSING_CALLBACK;
  const auto channel = link_->channel();
  wire::Call call;
  std::string_view name = view(submission.name);
  if (submission.method.id != 0 && !link_->may_reconnect()) {
    call.target.method = submission.method.id;  // the host's own, right on all connections to it
    name = {};
  } else if (submission.method.id != 0) {
    const auto target = kept_.methods->find(submission.method, channel->number());
    if (!target) return BP_INVALID_HANDLE;
    name = target->name;
    call.target.method = target->id;
  } else if (!is_sendable(name)) {
    return BP_INVALID_ARGUMENT;
  }
  if (call.target.method == 0) call.target.name = name;
  if (kept_.expected->refuses(name)) return BP_INTERFACE_CHANGED;
  bp_buffer* const buffer = submission.buffer;
  call.payload = buffer != nullptr ? wire::View(buffer->data, buffer->size) : view(submission.payload);
  constexpr std::uint32_t known_flags = BP_SUBMIT_NO_STALE | BP_SUBMIT_CREDIT | BP_SUBMIT_PARTS;
  if ((submission.flags & ~known_flags) != 0) return BP_INVALID_ARGUMENT;
  if (submission.source.id != 0) return BP_INVALID_HANDLE;
  const wire::Features& host = channel->features();
  const bool in_parts = (submission.flags & BP_SUBMIT_PARTS) != 0;
  if (in_parts && !host.parts) return BP_NOT_SUPPORTED;
  call.timeout_ms = submission.timeout_ms;
  call.flags = submission.flags & ~std::uint32_t{BP_SUBMIT_CREDIT};
  Channel::Open open{submission.on_reply, submission.user, submission.timeout_ms};
  open.by_hand = (submission.flags & BP_SUBMIT_CREDIT) != 0;
  if (host.credit) {  // an older host sends what the socket takes
    open.credited = true;
    call.flags |= BP_SUBMIT_CREDIT;
    call.window_bytes = submission.window_bytes;
    call.window_parts = submission.window_parts;
  }
  if (in_parts) {
    open.sent = std::make_shared<SentParts>();
    open.sent->on_credit = submission.on_credit;
    open.sent->window = channel->window();
  }
  const std::size_t size = call.target.name.size() + call.payload.size();
  const bp_status status =
      channel->open(call, size, open, Channel::Use::call, request == nullptr ? nullptr : &request->id);
  if (status == BP_OK) bp_buffer_free(buffer);
  return status;
}

bp_status RemoteContext::credit(bp_request request, std::uint64_t bytes) {
  return link_->channel()->credit(request.id, bytes);
}

bp_status RemoteContext::send_part(bp_request request, bp_bytes payload, std::uint32_t flags) {
  return link_->channel()->send_part(request.id, payload, flags);
}

bp_status RemoteContext::cancel(bp_request request) { return link_->channel()->cancel(request.id); }

template <class Frame>
bp_status RemoteContext::ask(Channel& channel, const Frame& frame, std::size_t size, milliseconds bound,
                             bp_result& result, Channel::Use use) {
  if (on_own_thread()) return set_result(&result, BP_REENTRANT, bp_status_text(BP_REENTRANT));
  return ask_host(channel, frame, size, bound, result, use);
}

template bp_status RemoteContext::ask(Channel&, const wire::Provide&, std::size_t, milliseconds, bp_result&,
                                      Channel::Use);

bp_status RemoteContext::find_method(bp_str name, bp_method& out) {
  if (!is_sendable(view(name))) return BP_INVALID_ARGUMENT;
  if (on_own_thread()) return BP_REENTRANT;
  const auto channel = link_->channel();
  std::uint64_t id = 0;
  const bp_status status = ask_for_method(*channel, view(name), Channel::Use::call, id);
  if (status != BP_OK) return status;
  out = link_->may_reconnect() ? kept_.methods->add(view(name), id, channel->number()) : bp_method{id};
  return status;
}

/// This side chooses the id and adds the listener before it asks the host, so that the first event finds its listener.
bp_status RemoteContext::listen(const bp_subscription& subscription, bp_listener& out) {
  const std::uint32_t lossless = subscription.flags & BP_LISTEN_LOSSLESS;
  if (subscription.flags != lossless) return BP_NOT_SUPPORTED;
  if (lossless != 0 && !link_->channel()->features().lossless) return BP_NOT_SUPPORTED;
  const std::string_view text = view(subscription.pattern);
  const std::uint64_t id =
      kept_.events->add(std::string(text), subscription.on_event, subscription.user, subscription.flags);
  const auto channel = link_->channel();  // after the listener is there; see the rules of Link
  bp_status status = BP_OK;
  if (EventThread::is_local(text) || !kept_.events->claim(id, channel->number())) {
    out.id = id;
    return BP_OK;
  }
  const wire::Listen frame{0, id, text, lossless};
  if (on_own_thread()) {  // do not wait: the answer would arrive on the reader thread
    status = channel->open(frame, text.size(), {ignore_reply, nullptr, 0}, Channel::Use::attach, nullptr);
  } else {
    OwnedResult result;
    status = ask(*channel, frame, text.size(), prompt, result.raw, Channel::Use::attach);
  }
  if (status == BP_UNREACHABLE && link_->reconnects()) status = BP_OK;  // the next connection is told
  if (status != BP_OK) {
    kept_.events->remove(id);
    return status;
  }
  out.id = id;
  return BP_OK;
}

bp_status RemoteContext::unlisten(bp_listener listener) {
  if (!kept_.events->remove(listener.id)) return BP_INVALID_HANDLE;
  // The callback gets no more events. The host is informed without waiting, if it still exists.
  link_->channel()->open(wire::Unlisten{0, listener.id}, 0, {ignore_reply, nullptr, 0}, Channel::Use::service, nullptr);
  return BP_OK;
}

bp_status RemoteContext::load(const bp_load_options& options, bp_result& result) {
  const auto channel = link_->channel();
  if (options.path == nullptr || *options.path == 0) {
    return set_result(&result, BP_INVALID_ARGUMENT, "found no path, expected the path of a module's file");
  }
  wire::Load frame;
  std::string path;
  if (!set_load(frame, path, options, channel->features())) return no_settings(result);
  return ask(*channel, frame, path.size() + options.config.size, milliseconds(0), result);
}

bp_status RemoteContext::unload(bp_str name, std::uint32_t timeout_ms, bp_result& result) {
  const auto channel = link_->channel();
  if (!valid_module(name)) return refuse_module(name, result);
  return ask(*channel, wire::Unload{0, view(name), timeout_ms}, name.size, milliseconds(0), result);
}

bp_status RemoteContext::reload(bp_str name, const bp_load_options* options, std::uint32_t timeout_ms,
                                bp_result& result) {
  const auto channel = link_->channel();
  if (!valid_module(name)) return refuse_module(name, result);
  wire::Reload frame{0, view(name), {}, {}, timeout_ms};
  std::string path;
  if (options != nullptr && !set_load(frame, path, *options, channel->features())) return no_settings(result);
  return ask(*channel, frame, name.size + path.size() + frame.config.size(), milliseconds(0), result);
}

bp_status RemoteContext::begin_operation(const bp_operation_request& request, bp_operation& out, bp_result& result) {
  const auto channel = link_->channel();
  if (!channel->features().operations) return no_operations(result);
  if (request.kind == BP_OPERATION_CHANGE) {
    return set_result(&result, BP_NOT_SUPPORTED, "a connection carries no change of several modules; make each alone");
  }
  if (request.kind != BP_OPERATION_LOAD && !valid_module(request.module)) return refuse_module(request.module, result);
  wire::Begin frame{0, request.kind, view(request.module), {}, {}};
  std::string path;
  if (request.load != nullptr && !set_load(frame, path, *request.load, channel->features())) {
    return no_settings(result);
  }
  const bp_status status =
      ask(*channel, frame, request.module.size + path.size() + frame.config.size(), prompt, result);
  if (status != BP_OK) return status;
  try {
    const cbor::Item item = cbor::Reader(view(result.payload)).next();
    if (item.type != cbor::Type::uint) throw cbor::Error("no id of an operation", 0);
    out.id = item.value;
  } catch (const cbor::Error&) {
    free_result(&result);
    return set_result(&result, BP_PROTOCOL, "the host's answer has no id of an operation");
  }
  free_result(&result);
  return BP_OK;
}

bp_status RemoteContext::wait_operation(bp_operation operation, std::uint32_t timeout_ms, bp_result& result) {
  const auto channel = link_->channel();
  if (!channel->features().operations) return no_operations(result);
  return ask(*channel, wire::Wait{0, operation.id, timeout_ms}, 0, milliseconds(timeout_ms) + prompt, result);
}

bp_status RemoteContext::cancel_operation(bp_operation operation, bp_str, bp_result& result) {
  const auto channel = link_->channel();
  if (!channel->features().operations) return no_operations(result);
  if (operation.id == 0) {
    return set_result(&result, BP_NOT_SUPPORTED, "found the operation 0; over a connection, name one operation");
  }
  return ask(*channel, wire::Undo{0, operation.id}, 0, prompt, result);
}

bp_status RemoteContext::reconfigure(std::uint32_t flags, std::uint32_t timeout_ms, bp_result& result) {
  const auto channel = link_->channel();
  if (!channel->features().reconfigure) {
    return set_result(&result, BP_NOT_SUPPORTED, "this host is too old to read its configuration file while it runs");
  }
  return ask(*channel, wire::Reconfigure{0, flags}, 0, milliseconds(timeout_ms), result);
}

bp_status RemoteContext::list(bp_result& result) {
  const auto channel = link_->channel();
  return ask(*channel, wire::List{}, 0, report_bound(*channel), result);
}

bp_status RemoteContext::status(bp_result& result) {
  const auto channel = link_->channel();
  return ask(*channel, wire::Status{}, 0, report_bound(*channel), result);
}

bp_status RemoteContext::set_log_level(bp_str module, std::int32_t level, bp_result& result) {
  const auto channel = link_->channel();
  if (!valid_module(module)) return refuse_module(module, result);
  if (level != BP_LOG_KEEP && (level < BP_LOG_TRACE || level > BP_LOG_OFF)) {
    return set_result(&result, BP_INVALID_ARGUMENT, "found an unknown log level, expected BP_LOG_TRACE to BP_LOG_OFF");
  }
  if (!channel->features().log) {
    return set_result(&result, BP_NOT_SUPPORTED, "this host is too old to change the level of its log while it runs");
  }
  const std::string_view name = level == BP_LOG_KEEP ? std::string_view() : log_level_name(level);
  return ask(*channel, wire::Log{0, view(module), name}, module.size, prompt, result);
}

bp_status RemoteContext::stop_host() {
  const auto channel = link_->channel();
  OwnedResult result;
  return ask(*channel, wire::Stop{}, 0, prompt, result.raw);
}

}  // namespace backplane::host
