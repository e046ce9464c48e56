// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace backplane::kv {

/// Makes `file` with what `schema` (SQL) says, in the mode of a write-ahead log, if nothing is there: the whole file
/// comes to be at once, on the disk, and one that another process makes meanwhile is left alone. It takes two syncs,
/// where SQLite takes seven for its steps of which each can be undone. Where this cannot be done there is no file
/// afterwards, or that other one: SQLite makes it then, or says what is wrong.
void make_new_file(const std::filesystem::path& file, const char* schema) noexcept;

}  // namespace backplane::kv
