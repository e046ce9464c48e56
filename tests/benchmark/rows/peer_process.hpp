// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace bench {

/// A directory of its own below the temporary one, which goes with all that is in it.
class ScratchDir {
 public:
  ScratchDir();
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  ~ScratchDir();

  std::string path(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// A server that runs beside the row, and ends with it, however that ends. What it says goes to `log`.
class PeerProcess {
 public:
  /// Waits until `socket` takes connections. Throws std::runtime_error with the end of the log.
  PeerProcess(const std::vector<std::string>& command, const std::string& socket, const std::string& log);
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;
  ~PeerProcess();

 private:
  bool ended();

  pid_t process_ = -1;
};

/// Runs a command to its end and returns its stdout. Throws std::runtime_error with its stderr if it fails.
std::string output_of(const std::vector<std::string>& command);

}  // namespace bench
