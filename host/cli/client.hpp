// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <cstdint>
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
  /// Never empty: the status' own text if nobody wrote one.
  std::string message(bp_status status) const;

 private:
  bp_result result_ = {.struct_size = sizeof(bp_result)};
};

/// The connection to the running host that the arguments name.
class Client {
 public:
  /// Throws CommandFailure if it cannot be had, in `within_ms` at most if that is given and shorter than usual.
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

/// Does nothing if `status` is BP_OK; else throws the failure with what `result` tells.
void check(bp_status status, const Result& result, int (*code)(bp_status));

/// The modules that are loaded, or the wire names that can be called; nothing if the host does not say.
std::vector<std::string> known_names(bp_context context, bool modules);

/// Writes a report: as it is if `args.json`, else what `human` makes of it.
void show(const Args& args, cbor::View report, std::string (*human)(const Value&));

/// Tells what the host found odd about a module it has loaded, on stderr.
void note_warnings(const Value& report);

/// 0 if not given.
inline std::uint32_t timeout_ms(const Args& args) { return static_cast<std::uint32_t>(args.timeout.value_or(0)); }

}  // namespace backplane::host::cli
