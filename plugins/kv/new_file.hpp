// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace backplane::kv {

/// Creates `file` with the tables of `schema` (SQL), in write-ahead-log mode, if it does not exist. The complete file
/// appears in one step, synced to the disk. A file that another process creates meanwhile is kept. This needs two
/// syncs; SQLite needs seven. On a failure there is no new file; SQLite then creates it or reports the error.
void make_new_file(const std::filesystem::path& file, const char* schema) noexcept;

}  // namespace backplane::kv
