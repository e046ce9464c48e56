// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/plugin.h>

namespace backplane::host {

/// The core table that every module of this process gets. It leads to the extensions.
const bp_host_api& module_api() noexcept;

}  // namespace backplane::host
