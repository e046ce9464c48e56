// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace backplane::host::cli {

struct TomlPlace {
  std::size_t line = 1;    ///< from 1
  std::size_t column = 1;  ///< from 1, in bytes
  bool not_ascii = false;  ///< what is there is no ASCII, and neither in a string nor in a comment
};

/// Where TOML nests values deeper than `most` levels: by tables, arrays, and the dots in keys, which are tables too.
/// The parser recurses for each of them, so this is looked at before. It need not be TOML. Also where a character that
/// is not ASCII stands outside of strings and comments, which TOML does not allow: some of these take toml++ 3.3 to a
/// place that it holds to be unreachable (is_non_ascii_horizontal_whitespace).
std::optional<TomlPlace> find_too_deep(std::string_view text, std::size_t most);

}  // namespace backplane::host::cli
