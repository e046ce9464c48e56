// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace backplane::host {

/// Locks the data directory against other processes until this one ends, in place of the directory that was locked
/// before. Empty: locks none. Locking the same one again changes nothing. Throws Failure (BP_IO), which names the
/// owner; the lock from before then stays. One thread at a time.
///
/// A child that is forked before the host exists shares the lock, because it may use the directory as its parent does.
void lock_data_dir(const std::filesystem::path& dir);

/// In a forked child that cannot use the host: leaves the lock to the parent alone. Safe in an atfork handler.
void leave_data_dir_to_parent() noexcept;

}  // namespace backplane::host
