// SPDX-License-Identifier: Apache-2.0
#include "server/roles.hpp"

#include <sys/resource.h>

#include <type_traits>
#include <variant>

namespace backplane::host {
namespace {

/// What a request needs: one of these roles, and all of those.
struct Need {
  Roles any = 0;
  Roles also = 0;
  bool is_management = false;  ///< it is served beyond max_connections too
};

constexpr Roles look = role_observe | role_manage;

// A frame that is not listed here manages the host. Those without an answer are not asked for.
template <class T>
Need need_of(const T&) {
  return {role_manage, 0, true};
}
Need need_of(const wire::Call&) { return {role_call, 0, false}; }
Need need_of(const wire::Resolve&) { return {role_call, 0, false}; }
Need need_of(const wire::Expect&) { return {role_call, 0, false}; }
Need need_of(const wire::Provide&) { return {role_call, 0, false}; }
Need need_of(const wire::Withdraw&) { return {role_call, 0, false}; }
Need need_of(const wire::Listen& listen) {
  // Handlers wait for a lossless listener, so it takes part in what the host does.
  return {role_observe, (listen.flags & BP_LISTEN_LOSSLESS) != 0 ? role_manage : Roles{0}, false};
}
Need need_of(const wire::Unlisten&) { return {role_observe, 0, false}; }
Need need_of(const wire::List&) { return {look, 0, true}; }
Need need_of(const wire::Status&) { return {look, 0, true}; }
Need need_of(const wire::Log& log) { return {log.level.empty() ? look : role_manage, 0, true}; }

template <class T>
inline constexpr bool has_answer =
    !std::is_same_v<T, wire::Hello> && !std::is_same_v<T, wire::Cancel> && !std::is_same_v<T, wire::Credit> &&
    !std::is_same_v<T, wire::Part> && !std::is_same_v<T, wire::Heard> && !std::is_same_v<T, wire::Reply> &&
    !std::is_same_v<T, wire::Event> && !std::is_same_v<T, wire::Error> && !std::is_same_v<T, wire::Answer> &&
    !std::is_same_v<T, wire::Ask> && !std::is_same_v<T, wire::Unask>;

// What the peer has asked for, in the words of the command line.
std::string asked_name(const wire::Frame& frame) {
  if (std::holds_alternative<wire::Undo>(frame)) return "cancel";
  const auto* const reconfigure = std::get_if<wire::Reconfigure>(&frame);
  if (reconfigure != nullptr && reconfigure->flags == BP_RECONFIGURE_SHOW) return "save";
  const auto* const begin = std::get_if<wire::Begin>(&frame);
  if (begin == nullptr) return std::string(wire::name(frame));
  return begin->kind == BP_OPERATION_LOAD ? "load" : begin->kind == BP_OPERATION_UNLOAD ? "unload" : "reload";
}

std::string names_of(Roles roles, const char* between) {
  std::string out;
  const auto add = [&](Roles role, const char* name) {
    if ((roles & role) != 0) out += (out.empty() ? "" : between) + std::string(name);
  };
  add(role_call, "call");
  add(role_observe, "observe");
  add(role_manage, "manage");
  return out;
}

std::string connections_text(const ServerOptions& options) {
  return "this host already serves " + std::to_string(options.max_connections) +
         " connections, its limit (max_connections)";
}

std::string descriptors_text() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return "this host has no descriptor left for another connection; its limit of open files is " +
         std::to_string(limit.rlim_cur) + " (ulimit -n)";
}

}  // namespace

std::optional<Denial> denial_of(const wire::Frame& frame, const Admission& admission, const ServerOptions& options) {
  return std::visit(
      [&]<class T>(const T& request) -> std::optional<Denial> {
        if constexpr (!has_answer<T>) {
          return std::nullopt;
        } else {
          const Need need = need_of(request);
          const bool has_one = (admission.roles & need.any) != 0;
          if (!has_one || (admission.roles & need.also) != need.also) {
            const Roles missing = has_one ? need.also : need.any;
            return Denial{request.id, BP_NOT_PERMITTED,
                          "\"" + asked_name(frame) + "\" needs the role " + names_of(missing, " or ") +
                              "; this socket has " + names_of(admission.roles, ", ") +
                              "; use another socket of this host"};
          }
          if (admission.shortage != Shortage::none && !need.is_management) {
            return Denial{
                request.id, BP_OVERLOADED,
                (admission.shortage == Shortage::descriptors ? descriptors_text() : connections_text(options)) +
                    "; this connection is for management alone: close others, and connect again"};
          }
          return std::nullopt;
        }
      },
      frame);
}

std::string no_place_text(bool no_descriptor, const ServerOptions& options) {
  return (no_descriptor ? descriptors_text() : connections_text(options)) + ", and " +
         std::to_string(options.management_connections) + " more for management (management_connections); close some";
}

}  // namespace backplane::host
