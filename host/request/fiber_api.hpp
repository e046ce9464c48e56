// SPDX-License-Identifier: Apache-2.0
//
// The functions behind bp.fiber/1; abi/include/backplane/ext/fiber.h says what each does. `call` is the token of the
// handler that the calling thread runs.
#pragma once

#include <backplane/ext/fiber.h>

#include <cstdint>

namespace backplane::host::fiber_api {

bp_status open(bp_token call) noexcept;
bp_status close(bp_token call) noexcept;
bp_status create(bp_token call, const bp_fiber_desc* desc, std::uint64_t* id) noexcept;
bp_status switch_to(bp_token call, std::uint64_t id) noexcept;
bp_status destroy(bp_token call, std::uint64_t id) noexcept;
bp_status active(bp_token call, std::uint64_t* id) noexcept;
bp_status ended(bp_token call, std::uint64_t* id, bp_status* status) noexcept;

}  // namespace backplane::host::fiber_api
