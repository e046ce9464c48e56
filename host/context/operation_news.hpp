// SPDX-License-Identifier: Apache-2.0
//
// What is told when a module operation has ended.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "context/operation.hpp"

namespace backplane::host {

/// "load", "unload", "reload" or "change".
const char* name_of_kind(std::uint32_t kind) noexcept;
const char* name_of(Loader::Change::Kind kind) noexcept;

/// For people: "load of ./echo.so", "unload of kv".
std::string words_of(const Operation& operation);
/// The same with its id: "operation 12 (unload of kv)".
std::string name_of(const Operation& operation);

/// How an operation ends that was canceled. `state`: what remains; empty: as it was before the operation.
OperationOutcome canceled_outcome(const Operation& operation, const std::string& state = {});

/// What is told of an operation, or of one of the changes that it has made.
struct OperationNews {
  std::uint64_t operation = 0;
  std::uint32_t kind = 0;
  std::string module;
  std::string path;
  std::string requester;
  bp_status status = BP_OK;
  std::string message;
  std::vector<std::uint8_t> report;

  /// As words_of().
  std::string words() const;
  /// The name of the event: "backplane.module_loaded", …_unloaded, …_reloaded, or …_refused after an error.
  const char* event() const noexcept;
  /// The typed event of that name, as docs/operations.md describes it.
  std::vector<std::uint8_t> payload() const;
  /// Logs who did what, and how it ended.
  void log() const;
};

/// Of an operation that has ended. `report_of`: the report of a change.
std::vector<OperationNews> news_of(const Operation& operation, const OperationOutcome& outcome,
                                   const std::function<std::vector<std::uint8_t>(const Loader::Changed&)>& report_of);

}  // namespace backplane::host
