// SPDX-License-Identifier: Apache-2.0
#include "context/data_dir_lock.hpp"

#include <unistd.h>

#include <string>
#include <utility>

#include "support/lock_file.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

constexpr const char* hint = "give the host a directory that it may write to (data_dir, --data-dir)";

struct Held {
  std::filesystem::path dir;
  LockFile file;
};
Held& held = *new Held;  // never deleted: threads of the host may outlive main()

}  // namespace

void lock_data_dir(const std::filesystem::path& dir) {
  if (dir == held.dir && (dir.empty() || (held.file && held.file.in_place()))) return;
  Held next;
  if (!dir.empty()) {
    next.dir = dir;
    const LockFile::Outcome outcome = next.file.try_lock((dir / ".backplane.lock").string(), hint);
    if (!outcome.locked && held.file && outcome.owner == ::getpid()) return;  // another name of the same directory
    if (!outcome.locked) {
      throw Failure{BP_IO, "another host (process " + std::to_string(outcome.owner) + ") uses the data directory \"" +
                               dir.string() + "\"; stop that host, or choose another directory (data_dir, --data-dir)"};
    }
  }
  held = std::move(next);
}

void leave_data_dir_to_parent() noexcept { held.file.close(); }

}  // namespace backplane::host
