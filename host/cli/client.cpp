// SPDX-License-Identifier: Apache-2.0
#include "cli/client.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "wire/socket_path.hpp"

namespace backplane::host::cli {
namespace {

// The library's own timeout for the hello of a host.
constexpr std::uint64_t usual_timeout_ms = 5000;

}  // namespace

std::string Result::message(bp_status status) const {
  return result_.message.size != 0 ? std::string(view(result_.message)) : std::string(bp_status_text(status));
}

// The library replaces an empty path by the default. A script with an empty variable would then reach another host.
std::string socket_of(const Args& args) {
  std::string path = args.socket ? *args.socket : default_socket_path();
  if (path.empty()) throw usage("the socket path is empty", "give a path with --socket PATH, or leave out --socket");
  return path;
}

Client::Client(const Args& args, std::optional<std::uint64_t> within_ms) : socket_(socket_of(args)) {
  const bp_connect_options options = {
      .struct_size = sizeof options,
      .timeout_ms = static_cast<std::uint32_t>(std::min<std::uint64_t>(within_ms.value_or(0), usual_timeout_ms)),
      .socket_path = socket_.c_str()};
  Result why;
  const bp_status status = bp_context_connect(&options, &context_, why.out());
  if (status == BP_OK) return;
  CommandFailure failure{exit_code(status), status, why.message(status)};
  struct stat info;
  if (status == BP_UNREACHABLE && ::stat(socket_.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) {
    const char* const found = S_ISDIR(info.st_mode) ? "a directory" : "a file";
    throw CommandFailure{exit_unreachable,
                         status,
                         cat("\"", socket_, "\" is not a socket: found ", found, ", expected the socket of a host"),
                         {},
                         "give the path of a host's socket with --socket PATH"};
  }
  if (failure.exit == exit_error) failure.exit = status == BP_INVALID_ARGUMENT ? exit_usage : exit_unreachable;
  // A host that refused the connection, or is stopping, says itself what to do.
  const bool host_answered = failure.message.find("refused the connection") != std::string::npos ||
                             failure.message.find("is stopping") != std::string::npos;
  if (status == BP_UNREACHABLE && !host_answered && failure.message.find("backplane run") == std::string::npos) {
    failure.hint = args.socket ? cat("start a host on this socket with: backplane run --socket ", socket_)
                               : std::string("start a host with: backplane run");
  }
  throw failure;
}

std::shared_ptr<std::atomic<bool>> end_at_timeout(const Args& args) {
  auto answered = std::make_shared<std::atomic<bool>>(false);
  if (!args.timeout) return answered;
  std::thread([timeout = *args.timeout, json = args.json, answered] {
    std::this_thread::sleep_for(std::chrono::milliseconds(timeout));
    if (*answered) return;
    report({exit_timeout,
            BP_TIMEOUT,
            cat("the host has not answered within ", std::to_string(timeout), " ms"),
            {},
            "its process may be stopped, or have no time"},
           json);
    ::_exit(exit_timeout);
  }).detach();
  return answered;
}

void check(bp_status status, const Result& result, int (*code)(bp_status)) {
  if (status == BP_OK) return;
  throw CommandFailure{code(status), status, result.message(status), {result.detail().begin(), result.detail().end()}};
}

std::vector<std::string> known_names(bp_context context, bool modules) {
  Result result;
  std::vector<std::string> names;
  if (bp_module_list(context, result.out()) != BP_OK) return names;
  const Value report = Value::read(result.payload());
  for (const Value& module : report["modules"].items()) {
    if (modules) {
      names.push_back(module["name"].text());
    } else if (module["state"].text() == "running") {  // names of modules in other states are withdrawn
      for (const Value& name : module["names"].items()) names.push_back(name["name"].text());
    }
  }
  return names;
}

void show(const Args& args, cbor::View report, std::string (*human)(const Value&)) {
  write_result(args.json ? payload_json(report, false).text + '\n' : printable(human(Value::read(report))));
}

void note_warnings(const Value& report) {
  for (const Value& warning : report["warnings"].items()) {
    note(cat("warning: ", report["module"].text(), ": ", warning.text()));
  }
}

}  // namespace backplane::host::cli
