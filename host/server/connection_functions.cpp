// SPDX-License-Identifier: Apache-2.0
//
// What a peer provides: its host functions, the calls that it is to answer, and the check of what it expects.
#include <backplane/interfaces.h>
#include <backplane/providing.h>
#include <sys/socket.h>

#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "server/asking.hpp"
#include "server/frame_handler.hpp"
#include "support/result.hpp"
#include "support/views.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

/// The largest interface text that a peer may have compared. The text of a module's file has the same bound.
constexpr std::size_t most_cddl = std::size_t{1} << 20;

void complete(bp_context context, bp_token token, bp_status status, std::string_view message) noexcept {
  bp_answer answer{};
  answer.struct_size = sizeof answer;
  answer.status = status;
  answer.message = str(message);
  bp_complete(context, token, &answer);
}

}  // namespace

void Connection::Asking::on_ask(void* user, bp_context context, const bp_ask* ask) {
  try {
    Asking(*static_cast<PeerFunction*>(user)->connection).send(*ask);
  } catch (const std::exception&) {
    complete(context, ask->token, BP_OUT_OF_MEMORY, "the host has no memory to ask the application that provides this");
  }
}

/// Sends a call of a host function to the peer, or answers it.
void Connection::Asking::send(const bp_ask& ask) {
  std::string why;
  bp_status refused = BP_OK;
  {
    const MutexLock lock(peer_.mutex_);
    refused = refusal(ask, why);
    if (refused == BP_OK) {
      const std::uint64_t token = peer_.provides_.asks.open(ask.token);
      try {
        peer_.out_.add_awaited(wire::Ask{token, view(ask.name), view(ask.payload), ask.timeout_ms, 0});
      } catch (...) {
        peer_.provides_.asks.take(token);
        throw;
      }
      if (!peer_.flushing_) peer_.send_soon();
    }
  }
  if (refused != BP_OK) complete(peer_.core_->context, ask.token, refused, why);
}

/// BP_OK if the peer can be asked now.
bp_status Connection::Asking::refusal(const bp_ask& ask, std::string& why) {
  const std::string who = "the application that provides \"" + std::string(view(ask.name)) + "\" ";
  const ServerOptions& most = peer_.core_->options;
  const std::size_t size = ask.name.size + ask.payload.size + wire::frame_overhead;
  if (peer_.closed_) {
    why = who + "has just gone; it has not seen the call";
    return BP_NO_HOST_FUNCTION;
  }
  if (size > peer_.out_.max_frame()) {
    why = "the call needs a frame of " + std::to_string(size) + " bytes, but " + who + "takes at most " +
          std::to_string(peer_.out_.max_frame());
    return BP_NOT_SUPPORTED;
  }
  if (peer_.provides_.asks.size() >= most.asks_per_connection) {
    peer_.core_->limits.hit(Limit::asks);
    why = who + "has " + std::to_string(most.asks_per_connection) +
          " calls to answer, the limit (asks_per_connection); call again later";
    return BP_OVERLOADED;
  }
  if (peer_.out_.waiting() > most.max_event_output) {
    peer_.core_->limits.hit(Limit::event_output);
    why = who + "does not read: " + std::to_string(peer_.out_.waiting()) + " bytes wait (event_output_bytes)";
    return BP_OVERLOADED;
  }
  if (!peer_.out_.holds_event(size)) {
    why = who + "finds no memory here: " + peer_.memory_.why();
    return BP_OVERLOADED;
  }
  return BP_OK;
}

void Connection::Asking::on_unask(void* user, bp_context, bp_token token) {
  Connection& peer = *static_cast<PeerFunction*>(user)->connection;
  const std::uint64_t id = peer.provides_.asks.take_by_token(token);
  if (id == 0) return;
  try {
    const MutexLock lock(peer.mutex_);
    if (peer.closed_) return;
    peer.out_.add(wire::Unask{id});
    if (!peer.flushing_) peer.send_soon();
  } catch (const std::exception&) {
    // The peer answers in vain.
  }
}

void Connection::Asking::end_all() noexcept {
  std::size_t bucket = 0;
  while (const bp_token token = peer_.provides_.asks.take_any(bucket)) {
    complete(peer_.core_->context, token, BP_PROVIDER_LOST,
             "the application that was asked has gone before it answered; the call may have run");
  }
}

/// An application that was started again may be faster than the news of its old connection.
bool Connection::Asking::has_left() noexcept {
  char byte = 0;
  if (!peer_.closed_ && ::recv(peer_.socket_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
    peer_.close("the peer has closed the connection");
  }
  return peer_.closed_;
}

void Connection::FrameHandler::operator()(const wire::Provide& provide) {
  if (provide.kind == 1) {
    return reply(provide.id, BP_NOT_SUPPORTED,
                 "found the kind 1, a wire name, which only modules can provide; expected 0, a host function");
  }
  if (provide.kind != 0 || provide.flags != 0) {
    return reply(provide.id, BP_INVALID_ARGUMENT,
                 "found the kind " + std::to_string(provide.kind) + " and the flags " + std::to_string(provide.flags) +
                     "; expected 0 and 0");
  }
  PeerFunctions& functions = peer_.provides_.functions;
  if (functions.has(provide.name)) return reply(provide.id, BP_OK);
  if (const std::size_t most = core_.options.functions_per_connection; functions.size() >= most) {
    core_.limits.hit(Limit::functions);
    return reply(provide.id, BP_OVERLOADED,
                 most == 0 ? "no connection may provide host functions (functions_per_connection)"
                           : "this connection provides " + std::to_string(most) +
                                 " host functions, its limit (functions_per_connection); withdraw some");
  }
  const auto holder = core_.providers.find(provide.name);
  const auto other = holder == core_.providers.end() ? nullptr : holder->second.lock();
  const std::uint32_t flags = other != nullptr && Asking(*other).has_left() ? 0 : BP_PROVIDE_NEW;
  const bp_status status =
      functions.add(core_.context, {&peer_, std::string(provide.name)}, flags, Asking::on_ask, Asking::on_unask);
  if (status == BP_OUT_OF_MEMORY) throw std::bad_alloc();
  peer_.provides_.any |= status == BP_OK;
  if (status == BP_OK) core_.providers.insert_or_assign(std::string(provide.name), peer_.weak_from_this());
  const std::string name = "\"" + std::string(provide.name) + "\"";
  reply(provide.id, status,
        status == BP_OK                 ? ""
        : status == BP_NAME_TAKEN       ? name + " is provided already, by the host itself or by another connection"
        : status == BP_INVALID_ARGUMENT ? "found the name " + name + "; expected a wire name, module.verb"
                                        : bp_status_text(status));
}

void Connection::FrameHandler::operator()(const wire::Withdraw& withdraw) {
  const bp_status status = peer_.provides_.functions.remove(core_.context, withdraw.name);
  reply(withdraw.id, status,
        status == BP_OK ? "" : "this connection provides no \"" + std::string(withdraw.name) + "\"");
}

// Of a call that has ended meanwhile, it comes too late, and changes nothing.
void Connection::FrameHandler::operator()(const wire::Answer& answer) {
  if (!wire::is_terminal(answer.status)) {
    throw wire::ProtocolError("an answer frame with the status " + std::to_string(answer.status) +
                              "; expected a terminal status, so neither 3 nor 4");
  }
  const bp_token token = peer_.provides_.asks.take(answer.token);
  if (token == 0) return;
  bp_answer whole{};
  whole.struct_size = sizeof whole;
  whole.status = answer.status;
  whole.payload = bytes(answer.payload);
  whole.message = str(answer.message);
  whole.detail = bytes(answer.detail);
  bp_complete(core_.context, token, &whole);
}

void Connection::FrameHandler::operator()(const wire::Expect& expect) {
  if (expect.cddl.size() > most_cddl) {
    return reply(expect.id, BP_INVALID_ARGUMENT,
                 "found an interface of " + std::to_string(expect.cddl.size()) + " bytes; expected at most " +
                     std::to_string(most_cddl));
  }
  control(expect.id, [module = std::string(expect.module), hash = std::string(expect.hash),
                      cddl = std::string(expect.cddl)](bp_context context, bp_result* out) {
    const bp_status status = bp_context_expect(context, str(module), str(hash), str(cddl), out);
    const bool equal = status == BP_OK && out->payload.size == 0;
    const bool wants_text = status == BP_INTERFACE_CHANGED && cddl.empty();
    if (!equal && !wants_text) return status;
    bp_result_free(out);
    wire::Bytes payload;
    cbor::Writer writer(payload);
    if (equal) {
      writer.null();
    } else {
      writer.map(1);
      writer.text("cddl");
      writer.text("wanted");
    }
    return set_result(out, BP_OK, payload);
  });
}

void Connection::FrameHandler::operator()(const wire::Ask&) {
  throw wire::ProtocolError("an ask frame from an application");
}
void Connection::FrameHandler::operator()(const wire::Unask&) {
  throw wire::ProtocolError("an unask frame from an application");
}

}  // namespace backplane::host
