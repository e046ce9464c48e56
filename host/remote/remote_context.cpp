// SPDX-License-Identifier: Apache-2.0
//
// Implements the Endpoint functions with frames to the host, and waits for answers where a function must return them.
#include "remote/remote_context.hpp"

#include <algorithm>
#include <backplane/cbor/reader.hpp>
#include <exception>
#include <filesystem>
#include <string>
#include <utility>

#include "endpoint/reply_waiter.hpp"
#include "remote/connect.hpp"
#include "support/log_level.hpp"
#include "support/names.hpp"
#include "support/result.hpp"
#include "support/views.hpp"
#include "sync/clock.hpp"
#include "wire/socket_path.hpp"

namespace backplane::host {
namespace {

using std::chrono::milliseconds;
using Clock = Channel::Clock;

constexpr std::uint32_t default_connect_ms = 5000;
constexpr std::uint32_t default_stop_ms = 1500;
/// Timeout for requests that a running host answers at once.
constexpr milliseconds prompt{30'000};
/// How long canceled calls and running callbacks may take to end.
constexpr milliseconds last_words{300};

void ignore_reply(void*, const bp_answer*) {}

bp_result fresh_result() {
  bp_result result{};
  result.struct_size = sizeof result;
  return result;
}

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

}  // namespace

bp_status connect(const bp_connect_options& options, std::unique_ptr<Endpoint>& out, Failure& why) noexcept {
  try {
    const std::string path =
        options.socket_path == nullptr || *options.socket_path == 0 ? default_socket_path() : options.socket_path;
    const milliseconds timeout(options.timeout_ms == 0 ? default_connect_ms : options.timeout_ms);
    out = std::make_unique<RemoteContext>(dial(path, timeout),
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

RemoteContext::RemoteContext(Dialed dialed, std::uint64_t event_bytes)
    : events_(std::make_shared<EventThread>(event_bytes)),
      functions_(std::make_shared<RemoteFunctions>()),
      channel_(std::make_shared<Channel>(std::move(dialed), Channel::Receivers{events_, functions_})) {
  events_->start([weak = std::weak_ptr(channel_)](std::uint64_t listener, std::uint64_t bytes) {
    if (const auto channel = weak.lock()) channel->heard(listener, bytes);
  });
  try {
    channel_->start();
  } catch (...) {
    events_->finish(Clock::time_point::max());
    events_->join_or_detach();
    throw;
  }
}

RemoteContext::~RemoteContext() {
  if (!on_own_thread()) stop(1);
  channel_->join_or_detach();
  events_->join_or_detach();
}

bool RemoteContext::on_own_thread() const noexcept { return channel_->is_this_thread() || events_->is_this_thread(); }

bp_status RemoteContext::close() {
  channel_->close();
  return BP_OK;
}

bp_status RemoteContext::stop(std::uint32_t timeout_ms) {
  if (on_own_thread()) return BP_REENTRANT;
  channel_->close();
  const auto until = Clock::now() + milliseconds(timeout_ms == 0 ? default_stop_ms : timeout_ms);
  if (!channel_->wait_answered(until)) {
    channel_->cancel_all();
    channel_->wait_answered(Clock::now() + last_words);
  }
  const auto bound = [until] { return std::max(until, Clock::now() + last_words); };
  if (!channel_->finish(bound())) return BP_TIMEOUT;
  return events_->finish(bound()) ? BP_OK : BP_TIMEOUT;
}

bp_status RemoteContext::submit(const bp_submission& submission, bp_request* request) {
  if (submission.on_reply == nullptr) return BP_MISSING_CALLBACK;
  wire::Call call;
  call.target.method = submission.method.id;
  if (call.target.method == 0) {
    call.target.name = view(submission.name);
    if (call.target.name.empty() || call.target.name.size() > BP_WIRE_NAME_MAX) return BP_INVALID_ARGUMENT;
    if (!cbor::valid_utf8(call.target.name)) return BP_INVALID_ARGUMENT;  // a frame cannot carry it
  }
  bp_buffer* const buffer = submission.buffer;
  call.payload = buffer != nullptr ? wire::View(buffer->data, buffer->size) : view(submission.payload);
  constexpr std::uint32_t known_flags = BP_SUBMIT_NO_STALE | BP_SUBMIT_CREDIT | BP_SUBMIT_PARTS;
  if ((submission.flags & ~known_flags) != 0) return BP_INVALID_ARGUMENT;
  if (submission.source.id != 0) return BP_INVALID_HANDLE;
  const wire::Features& host = channel_->features();
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
    open.sent->window = channel_->window();
  }
  const std::size_t size = call.target.name.size() + call.payload.size();
  const bp_status status =
      channel_->open(call, size, open, Channel::Use::call, request == nullptr ? nullptr : &request->id);
  if (status == BP_OK) bp_buffer_free(buffer);
  return status;
}

bp_status RemoteContext::credit(bp_request request, std::uint64_t bytes) { return channel_->credit(request.id, bytes); }

bp_status RemoteContext::send_part(bp_request request, bp_bytes payload, std::uint32_t flags) {
  return channel_->send_part(request.id, payload, flags);
}

bp_status RemoteContext::cancel(bp_request request) { return channel_->cancel(request.id); }

template <class Frame>
bp_status RemoteContext::ask(const Frame& frame, std::size_t size, milliseconds bound, bp_result& result,
                             Channel::Use use) {
  if (on_own_thread()) return set_result(&result, BP_REENTRANT, bp_status_text(BP_REENTRANT));
  ReplyWaiter waiter(&result);
  std::uint64_t id = 0;
  const bp_status refused = channel_->open(frame, size, {ReplyWaiter::on_reply, &waiter, 0}, use, &id);
  if (refused != BP_OK) return set_result(&result, refused, bp_status_text(refused));
  if (bound.count() != 0 && !waiter.sleep(now() + bound.count() * nanos_per_ms) && channel_->forget(id)) {
    return set_result(
        &result, BP_TIMEOUT,
        "the host has not answered within " + std::to_string(bound.count()) + " ms; it may be stopped or stuck");
  }
  waiter.sleep();
  return waiter.status();
}

template bp_status RemoteContext::ask(const wire::Expect&, std::size_t, milliseconds, bp_result&, Channel::Use);
template bp_status RemoteContext::ask(const wire::Provide&, std::size_t, milliseconds, bp_result&, Channel::Use);

bp_status RemoteContext::find_method(bp_str name, bp_method& out) {
  const std::string_view text = view(name);
  if (text.empty() || text.size() > BP_WIRE_NAME_MAX || !cbor::valid_utf8(text)) return BP_INVALID_ARGUMENT;
  bp_result result = fresh_result();
  bp_status status = ask(wire::Resolve{0, text}, text.size(), prompt, result);
  if (status == BP_OK) {
    try {
      const cbor::Item item = cbor::Reader(view(result.payload)).next();
      if (item.type != cbor::Type::uint) throw cbor::Error("no method id", 0);
      out.id = item.value;
    } catch (const cbor::Error&) {
      status = BP_PROTOCOL;
    }
  }
  free_result(&result);
  return status;
}

/// This side chooses the id and adds the listener before it asks the host, so that the first event finds its listener.
bp_status RemoteContext::listen(const bp_subscription& subscription, bp_listener& out) {
  const std::uint32_t lossless = subscription.flags & BP_LISTEN_LOSSLESS;
  if (subscription.flags != lossless || (lossless != 0 && !channel_->features().lossless)) return BP_NOT_SUPPORTED;
  const std::string_view text = view(subscription.pattern);
  const std::uint64_t id = events_->add(std::string(text), subscription.on_event, subscription.user);
  if (text == "backplane.disconnected") {  // an event of this side; the host need not know of the listener
    out.id = id;
    return BP_OK;
  }
  const wire::Listen frame{0, id, text, lossless};
  bp_status status = BP_OK;
  if (on_own_thread()) {  // do not wait: the answer would arrive on the reader thread
    status = channel_->open(frame, text.size(), {ignore_reply, nullptr, 0}, Channel::Use::call, nullptr);
  } else {
    bp_result result = fresh_result();
    status = ask(frame, text.size(), prompt, result);
    free_result(&result);
  }
  if (status != BP_OK) {
    events_->remove(id);
    return status;
  }
  out.id = id;
  return BP_OK;
}

bp_status RemoteContext::unlisten(bp_listener listener) {
  if (!events_->remove(listener.id)) return BP_INVALID_HANDLE;
  // The callback gets no more events. The host is informed without waiting, if it still exists.
  channel_->open(wire::Unlisten{0, listener.id}, 0, {ignore_reply, nullptr, 0}, Channel::Use::service, nullptr);
  return BP_OK;
}

bp_status RemoteContext::load(const bp_load_options& options, bp_result& result) {
  if (options.path == nullptr || *options.path == 0) {
    return set_result(&result, BP_INVALID_ARGUMENT, "found no path, expected the path of a module's file");
  }
  wire::Load frame;
  std::string path;
  if (!set_load(frame, path, options, channel_->features())) return no_settings(result);
  return ask(frame, path.size() + options.config.size, milliseconds(0), result);
}

bp_status RemoteContext::unload(bp_str name, std::uint32_t timeout_ms, bp_result& result) {
  if (!valid_module(name)) return refuse_module(name, result);
  return ask(wire::Unload{0, view(name), timeout_ms}, name.size, milliseconds(0), result);
}

bp_status RemoteContext::reload(bp_str name, const bp_load_options* options, std::uint32_t timeout_ms,
                                bp_result& result) {
  if (!valid_module(name)) return refuse_module(name, result);
  wire::Reload frame{0, view(name), {}, {}, timeout_ms};
  std::string path;
  if (options != nullptr && !set_load(frame, path, *options, channel_->features())) return no_settings(result);
  return ask(frame, name.size + path.size() + frame.config.size(), milliseconds(0), result);
}

bp_status RemoteContext::begin_operation(const bp_operation_request& request, bp_operation& out, bp_result& result) {
  if (!channel_->features().operations) return no_operations(result);
  if (request.kind == BP_OPERATION_CHANGE) {
    return set_result(&result, BP_NOT_SUPPORTED, "a connection carries no change of several modules; make each alone");
  }
  if (request.kind != BP_OPERATION_LOAD && !valid_module(request.module)) return refuse_module(request.module, result);
  wire::Begin frame{0, request.kind, view(request.module), {}, {}};
  std::string path;
  if (request.load != nullptr && !set_load(frame, path, *request.load, channel_->features())) {
    return no_settings(result);
  }
  const bp_status status = ask(frame, request.module.size + path.size() + frame.config.size(), prompt, result);
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
  if (!channel_->features().operations) return no_operations(result);
  return ask(wire::Wait{0, operation.id, timeout_ms}, 0, milliseconds(timeout_ms) + prompt, result);
}

bp_status RemoteContext::cancel_operation(bp_operation operation, bp_str, bp_result& result) {
  if (!channel_->features().operations) return no_operations(result);
  if (operation.id == 0) {
    return set_result(&result, BP_NOT_SUPPORTED, "found the operation 0; over a connection, name one operation");
  }
  return ask(wire::Undo{0, operation.id}, 0, prompt, result);
}

bp_status RemoteContext::reconfigure(std::uint32_t flags, std::uint32_t timeout_ms, bp_result& result) {
  if (!channel_->features().reconfigure) {
    return set_result(&result, BP_NOT_SUPPORTED, "this host is too old to read its configuration file while it runs");
  }
  return ask(wire::Reconfigure{0, flags}, 0, milliseconds(timeout_ms), result);
}

bp_status RemoteContext::list(bp_result& result) { return ask(wire::List{}, 0, report_bound(), result); }
bp_status RemoteContext::status(bp_result& result) { return ask(wire::Status{}, 0, report_bound(), result); }

/// A host without the feature makes reports only between module operations, which have no bound.
milliseconds RemoteContext::report_bound() const { return channel_->features().operations ? prompt : milliseconds(0); }

bp_status RemoteContext::set_log_level(bp_str module, std::int32_t level, bp_result& result) {
  if (!valid_module(module)) return refuse_module(module, result);
  if (level != BP_LOG_KEEP && (level < BP_LOG_TRACE || level > BP_LOG_OFF)) {
    return set_result(&result, BP_INVALID_ARGUMENT, "found an unknown log level, expected BP_LOG_TRACE to BP_LOG_OFF");
  }
  if (!channel_->features().log) {
    return set_result(&result, BP_NOT_SUPPORTED, "this host is too old to change the level of its log while it runs");
  }
  const std::string_view name = level == BP_LOG_KEEP ? std::string_view() : log_level_name(level);
  return ask(wire::Log{0, view(module), name}, module.size, prompt, result);
}

bp_status RemoteContext::stop_host() {
  bp_result result = fresh_result();
  const bp_status status = ask(wire::Stop{}, 0, prompt, result);
  free_result(&result);
  return status;
}

}  // namespace backplane::host
