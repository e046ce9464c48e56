// SPDX-License-Identifier: Apache-2.0
//
// The functions behind bp.await/1; abi/include/backplane/ext/await.h says what each does. `call` is the token of the
// handler that the calling thread runs.
#pragma once

#include <backplane/ext/await.h>

#include <cstdint>
#include <string_view>

namespace backplane::host {
struct Request;
}

namespace backplane::host::await_api {

/// The request whose handler runs on the calling thread, if its token is `call` and it may wait; else null.
Request* request_of(bp_token call) noexcept;

bp_status sleep(bp_token call, std::uint64_t ms);
bp_status call(bp_token call, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms, bp_result* out);
bp_status host_call(bp_token call, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms, bp_result* out);
bp_status fd(bp_token call, int fd, std::uint32_t events, std::uint64_t timeout_ms);
bp_status check(bp_token call, std::uint64_t* remaining_ms);
bp_status start_host_call(bp_token call, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms,
                          bp_host_answer_fn on_answer, void* user);
bp_status part(bp_token call, const bp_answer& answer, std::uint64_t timeout_ms);
bp_status next_part(bp_token call, std::uint64_t timeout_ms, bp_result* out);
/// BP_NOT_SUPPORTED if the calling thread does not run the handler.
bp_status stack(bp_token call, const void*& low, const void*& high) noexcept;
/// Of bp.event/1.
bp_status emit_wait(bp_token call, std::string_view name, bp_bytes payload, std::uint32_t flags,
                    std::uint64_t timeout_ms);

}  // namespace backplane::host::await_api
