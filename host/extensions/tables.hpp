// SPDX-License-Identifier: Apache-2.0
//
// The tables of functions that modules find by the id of an extension: each in the file of its name. Modules written in
// C call them: no exception may leave any of these functions.
#pragma once

#include <backplane/ext/await.h>
#include <backplane/ext/config.h>
#include <backplane/ext/event.h>
#include <backplane/ext/fiber.h>
#include <backplane/ext/handle.h>
#include <backplane/ext/log.h>

namespace backplane::host {

extern const bp_await_api await_table;
extern const bp_config_api config_table;
extern const bp_event_api event_table;
extern const bp_fiber_api fiber_table;
extern const bp_handle_api handle_table;
extern const bp_log_api log_table;

}  // namespace backplane::host
