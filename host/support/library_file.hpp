// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace backplane::host {

/// The file that this code was loaded from: the library, or an executable that contains it. The first call takes the
/// lock of the dynamic loader, and code of a module may keep that lock. So make it before such code runs.
const std::string& library_file();

/// Whether there is another file at that path by now, or none. An upgrade does that.
bool is_library_file_replaced() noexcept;

}  // namespace backplane::host
