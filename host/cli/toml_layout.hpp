// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host::cli {

/// A header or a key with its value, and where it stands in a text of TOML.
struct TomlStatement {
  std::vector<std::string> path;  ///< of a header: its own; of a key: with the header above it
  std::size_t above = 0;          ///< of a key: how many of these come from the header
  bool header = false;            ///< [a.b], or [[a.b]]
  std::size_t begin = 0;          ///< the beginning of its line
  std::size_t value = 0;          ///< of a key: where the value begins
  std::size_t value_end = 0;
  std::size_t end = 0;  ///< behind its line break
};

/// The statements of a text that is TOML, in order. Of other texts, anything.
std::vector<TomlStatement> toml_layout(std::string_view text);

}  // namespace backplane::host::cli
