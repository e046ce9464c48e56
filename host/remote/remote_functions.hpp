// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "endpoint/endpoint.hpp"
#include "sync/mutex.hpp"
#include "wire/frame.hpp"
#include "wire/id_table.hpp"

namespace backplane::host {

/// The host functions that a connected context provides, and the calls of them that await their answer. A call ends
/// once: by complete(), by the host, or with its connection. Connections may follow each other.
///
/// A host chooses its tokens for one connection. The application gets other ones, which are never reused: an answer
/// that comes late must not become that of a call of the next connection.
class RemoteFunctions {
 public:
  /// Sends an answer to the host. Any status but BP_OK: it was not sent.
  using Send = std::function<bp_status(const wire::Answer&)>;

  RemoteFunctions() = default;
  RemoteFunctions(const RemoteFunctions&) = delete;
  RemoteFunctions& operator=(const RemoteFunctions&) = delete;

  /// The handle that functions are given; before any of them exists.
  void set_context(bp_context context) noexcept { context_ = context; }

  // ---- Any thread ----
  enum class Next : std::uint8_t {
    nothing,
    provide,   ///< the host must be told of the name
    withdraw,  ///< the host must be told that it is gone
  };
  /// Changes what this side knows. Returns BP_OK, or what bp_function_provide() returns. When it returns, the old
  /// function does not run, unless `on_reader`: this is the thread that runs functions. Throws std::bad_alloc.
  bp_status change(const FunctionChange& change, bool on_reader, Next& next);
  /// The host has refused the name.
  void refused(std::string_view name);
  /// Answers a call. As bp_complete(), without its buffer.
  bp_status complete(bp_token token, const wire::Answer& answer);
  std::vector<std::string> names();
  /// Calls `f` if there is no function of that name, and none can come meanwhile. `f` must not call this object.
  void unless_there(std::string_view name, const std::function<void()>& f);

  // ---- Reader thread ----
  /// A connection begins. It takes answers until lost().
  void begin(Send send) noexcept;
  /// Runs the function. Throws wire::ProtocolError and std::bad_alloc.
  void ask(const wire::Ask& ask);
  void unask(std::uint64_t token);
  /// The connection has ended, so nobody waits for any answer.
  void lost() noexcept;

 private:
  struct Function {
    bp_host_function_fn call = nullptr;
    bp_ask_fn ask = nullptr;
    bp_unask_fn unask = nullptr;
    void* user = nullptr;
    std::uint64_t serial = 0;
  };
  struct Asked {
    std::uint64_t serial = 0;      ///< of the function
    std::uint64_t token = 0;       ///< the application's
    std::uint64_t host_token = 0;  ///< the host's
  };
  class Run;

  void tell_unasked(std::uint64_t serial, bp_token token);

  bp_context context_{};
  Mutex mutex_;
  Condition returned_;
  std::map<std::string, Function, std::less<>> all_ BP_GUARDED_BY(mutex_);
  Send send_ BP_GUARDED_BY(mutex_);
  IdTable<Asked> asks_ BP_GUARDED_BY(mutex_);             ///< by the application's token
  IdTable<std::uint64_t> by_host_ BP_GUARDED_BY(mutex_);  ///< the application's token by the host's
  std::uint64_t last_token_ BP_GUARDED_BY(mutex_) = 0;
  std::uint64_t running_ BP_GUARDED_BY(mutex_) = 0;  ///< the serial of the function that runs
  std::uint64_t last_serial_ BP_GUARDED_BY(mutex_) = 0;
};

}  // namespace backplane::host
