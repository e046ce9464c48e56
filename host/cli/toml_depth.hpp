// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace backplane::host::cli {

struct TomlPlace {
  std::size_t line = 1;    ///< from 1
  std::size_t column = 1;  ///< from 1, in bytes
};

/// Where TOML nests values deeper than `most` levels: by tables, arrays, and the dots in keys, which are tables too.
/// The parser recurses for each of them, so this is looked at before. It need not be TOML.
std::optional<TomlPlace> find_too_deep(std::string_view text, std::size_t most);

}  // namespace backplane::host::cli
