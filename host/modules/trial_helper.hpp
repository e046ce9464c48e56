// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/quiet_child.hpp"
#include "support/unique_fd.hpp"

namespace backplane::host {

/// The process that runs backplane-trial. It forks one more for each trial. Starting it costs more than a trial, so it
/// waits for further ones until stop(). It is started again if the environment, the working directory or the user of
/// this process have changed, and after a trial that did not end by itself. Used by one operation at a time.
class TrialHelper {
 public:
  TrialHelper() = default;
  TrialHelper(const TrialHelper&) = delete;
  TrialHelper& operator=(const TrialHelper&) = delete;
  ~TrialHelper();

  /// Has the program take these steps, in a process of their own. Throws std::system_error if it cannot be started.
  QuietChild::Ended run(int program, const std::vector<std::string>& steps, std::chrono::milliseconds timeout,
                        const std::function<bool()>& canceled);
  /// Ends the process, if there is one.
  void stop() noexcept;

 private:
  // What a process takes over when it is started.
  struct Inherited {
    std::uint64_t environment = 0;  ///< a hash
    bool is_known = false;          ///< false: the environment could not be read, so it may have changed
    ::dev_t device = 0;
    ::ino_t directory = 0;
    ::uid_t user = 0;
    ::gid_t group = 0;
    bool operator==(const Inherited&) const = default;
    bool still_true() const noexcept { return is_known && *this == now(); }
    static Inherited now() noexcept;
  };

  void start(int program);
  // Until `over`. Returns false if there is nobody to read it.
  template <class F>
  bool send(const std::string& request, F over);
  void take(std::string_view bytes);
  void take_line();

  std::unique_ptr<QuietChild> child_;
  UniqueFd requests_;
  Inherited inherited_;
  std::string line_;
  QuietChild::Ended ended_;  // of the trial that goes on
  bool over_ = false;        // it has ended
  bool goes_ = false;        // and so does the helper
};

}  // namespace backplane::host
