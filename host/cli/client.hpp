// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cli/command.hpp"
#include "cli/value.hpp"
#include "support/views.hpp"

namespace backplane::host::cli {

/// A bp_result that frees itself.
class Result {
 public:
  Result() = default;
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  ~Result() { bp_result_free(&result_); }

  bp_result* out() noexcept { return &result_; }
  cbor::View payload() const noexcept { return view(result_.payload); }
  cbor::View detail() const noexcept { return view(result_.detail); }
  /// The result's message, or the text of `status` if the result has none. Never empty.
  std::string message(bp_status status) const;

 private:
  bp_result result_ = {.struct_size = sizeof(bp_result)};
};

/// The path of the socket that the arguments name. Throws CommandFailure if it is empty.
std::string socket_of(const Args& args);

/// A connection to the running host that the arguments name.
class Client {
 public:
  /// Connects. Waits for at most `within_ms`, or for the library's timeout if that is shorter. Throws CommandFailure.
  explicit Client(const Args& args, std::optional<std::uint64_t> within_ms = {});
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { bp_context_destroy(context_); }

  bp_context context() const noexcept { return context_; }
  const std::string& socket() const noexcept { return socket_; }

 private:
  std::string socket_;
  bp_context context_ = {};
};

/// Returns if `status` is BP_OK. Otherwise throws a CommandFailure with the message and detail of `result`.
void check(bp_status status, const Result& result, int (*code)(bp_status));

/// The names of the loaded modules if `modules`, else the wire names that can be called. Empty if the host does not
/// answer.
std::vector<std::string> known_names(bp_context context, bool modules);

/// Writes a report to stdout: as JSON if `args.json`, otherwise as the text that `human` returns.
void show(const Args& args, cbor::View report, std::string (*human)(const Value&));

/// Writes the warnings of a load report to stderr.
void note_warnings(const Value& report);

/// With --timeout, ends the process with exit_timeout at that time from now, if it still runs. For commands that only
/// look, which the host answers at once. One that then does something else sets what is returned, and goes on.
std::shared_ptr<std::atomic<bool>> end_at_timeout(const Args& args);

inline const Option look_timeout_option = {"--timeout", "MS", "how long to wait for the answer; default 30000",
                                           &Args::timeout};

/// The value of --timeout, or 0 without the option.
inline std::uint32_t timeout_ms(const Args& args) { return static_cast<std::uint32_t>(args.timeout.value_or(0)); }

}  // namespace backplane::host::cli
