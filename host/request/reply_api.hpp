// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <cstdint>

namespace backplane::host::reply_api {

/// Behind bp_host_api.reply: answers the request or the host function call that `token` names. Any thread.
bp_status answer(bp_token token, const bp_answer& answer);

/// How many answers were refused as stale in this process. The contexts that they came from are not known.
std::uint64_t stale_answers() noexcept;

}  // namespace backplane::host::reply_api
