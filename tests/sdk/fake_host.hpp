// SPDX-License-Identifier: Apache-2.0
//
// A small host for one module and one instance, on the test's own thread: it loads the shared object,
// runs handlers, and keeps what they answer. It knows the rules of plugin.h as far as the SDK can break
// them: one terminal answer a token, buffers given back or handed over, never both.
#pragma once

#include <backplane/ext/await.h>
#include <backplane/ext/config.h>
#include <backplane/ext/event.h>
#include <backplane/ext/handle.h>
#include <backplane/ext/log.h>
#include <backplane/plugin.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace fake {

using Bytes = std::vector<std::uint8_t>;

struct Answer {
  bp_status status = BP_OK;
  Bytes payload;
  std::string message;
  Bytes detail;
  bool in_buffer = false;  // handed over, not copied
};

struct Emitted {
  std::string name;
  Bytes payload;
  std::uint32_t flags;
};

/// One request: what the handler returned, and all its answers so far.
struct Request {
  bp_token token = 0;
  bp_handled handled = BP_DONE;
  std::vector<Answer> partial;
  std::vector<Answer> terminal;
};

class Host {
 public:
  /// Loads a module and runs its init; throws std::runtime_error with what the module said.
  explicit Host(const std::string& path, Bytes config = {0xa0});
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  /// instance_create; the text given to host->fail, or "" if it worked.
  std::string start();
  void stop();

  Request call(const std::string& name, const Bytes& payload);
  /// The one terminal answer of a call; throws std::runtime_error if there is none or more than one.
  Answer ask(const std::string& name, const Bytes& payload);
  /// Calls a host function that the module offers.
  Answer ask_function(const std::string& name, const Bytes& payload);
  Answer wait_terminal(bp_token token);

  std::set<std::string> names() const;
  const bp_handler_desc& handler(const std::string& name) const { return handlers_.at(name); }
  std::size_t buffers_alive() const { return buffers_; }
  std::size_t results_alive() const { return results_; }

  // What the extensions do and saw; set and read by the test.
  std::vector<std::uint64_t> slept;
  std::vector<Emitted> emitted;
  std::vector<std::pair<int, std::string>> logged;
  bp_status emit_status = BP_OK;
  bp_status state = BP_OK;  // BP_CANCELED, BP_DEADLINE: what awaits and check() answer
  bp_status fd_status = BP_OK;
  bp_status part_status = BP_OK;          // what `part` answers, unless it takes the part
  std::vector<std::uint64_t> part_waits;  // the bounds that it got
  std::deque<Bytes> input_parts;          // what next_part gives
  bool refuse_answers = false;            // every token is stale
  std::uint64_t remaining_ms = UINT64_MAX;
  std::string data_dir;
  std::function<Answer(std::string_view name, const Bytes&payload, std::uint64_t timeout_ms)> on_call, on_host_call;

 private:
  friend struct Table;

  void* object_ = nullptr;
  const bp_module_entry* entry_ = nullptr;
  void* module_data_ = nullptr;
  void* state_ = nullptr;
  bool started_ = false;
  Bytes config_;
  std::string failure_;
  std::map<std::string, bp_handler_desc> handlers_;
  std::map<std::string, bp_function_desc> functions_;
  std::mutex mutex_;
  std::map<bp_token, Request> requests_;
  std::map<std::uint64_t, std::tuple<const void*, void*, bp_release_fn>> handles_;
  std::uint64_t next_ = 1;
  std::atomic<std::size_t> buffers_{0};
  std::atomic<std::size_t> results_{0};
};

}  // namespace fake
