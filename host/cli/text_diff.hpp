// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace backplane::host::cli {

/// The lines in which two texts differ: "- old", "+ new", in order.
std::vector<std::string> changed_lines(const std::string& before, const std::string& after);

/// The difference of two texts of TOML as `diff -u` writes it: with three lines around each change, and with the header
/// of the table in which it begins. `patch` takes it. Empty if they are the same. `old_file`, `new_file`: their names.
std::string unified_diff(const std::string& old_file, const std::string& before, const std::string& new_file,
                         const std::string& after);

}  // namespace backplane::host::cli
