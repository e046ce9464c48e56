// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/plugin.h>

namespace backplane::host {

/// What every module of this process gets: the core table, through which it finds the extensions.
const bp_host_api& module_api() noexcept;

}  // namespace backplane::host
