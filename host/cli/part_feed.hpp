// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <backplane/cbor/writer.hpp>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "cli/wait.hpp"
#include "support/unique_fd.hpp"

namespace backplane::host::cli {

/// Reads lines, and sends each as a part of a request, as fast as the host takes them. A thread of its own, because
/// the lines may come slowly.
class PartFeed {
 public:
  /// `operand`: a file, or "-" for stdin. `raw`: the bytes of a line are the part; else it is JSON. `on_fault` is
  /// called on the feed's thread with why it ended early; empty: there was no memory. It must not throw. Throws
  /// CommandFailure (usage) if the file cannot be opened.
  PartFeed(const std::string& operand, bool raw, std::function<void(std::string)> on_fault);
  PartFeed(const PartFeed&) = delete;
  PartFeed& operator=(const PartFeed&) = delete;
  /// Ends at once, also while it waits for a line.
  ~PartFeed();

  void start(bp_context context, bp_request request);
  /// There may be room for more. Any thread.
  void has_room();

 private:
  void run() noexcept;
  bool read();
  bool take_lines(bool at_end);
  bool send(std::string_view line);
  bool send(cbor::View part, std::uint32_t flags);
  bool fault(std::string why);

  const std::string name_;  // for messages
  const bool raw_;
  const std::function<void(std::string)> on_fault_;
  UniqueFd opened_;
  int fd_ = -1;
  Bell stop_;
  bp_context context_{};
  bp_request request_{};
  std::string text_;  // read, and not sent
  std::uint64_t line_ = 0;
  std::uint64_t part_ = 1;  // of the request, whose first part is the payload

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t room_ = 0;  // how often it was told
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace backplane::host::cli
