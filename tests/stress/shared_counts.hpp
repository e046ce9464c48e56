// SPDX-License-Identifier: Apache-2.0
//
// What the stress program and its module share: they live in one process, and the module writes into the
// program's counts. The program hands the addresses in, through the configuration and in the payloads.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>

namespace stress {

using Count = std::atomic<std::uint64_t>;

/// What the module did in one context; part of the program's record of that context, which outlives all
/// instances there.
struct CallStats {
  Count emit_tried{0};        ///< calls of emit with arguments in order
  Count emit_taken{0};        ///< that returned BP_OK
  Count emit_refused{0};      ///< that returned BP_OVERFLOW, BP_CLOSED or BP_OUT_OF_MEMORY
  Count emit_waited{0};       ///< of those taken: with emit_wait
  Count no_function{0};       ///< host calls that got a token, and then found no function to give it to
  Count offered{0};           ///< tokens that the module's own host function was handed
  Count offered_answered{0};  ///< replies to those that returned BP_OK
};

/// What the module did in the whole process.
struct Board {
  Count inits{0};
  Count deinits{0};
  Count instances_made{0};
  Count instances_ended{0};
  Count handles_put{0};
  Count handles_released{0};
  Count second_replies{0};   ///< replies after a terminal one that returned BP_OK
  Count corrupt{0};          ///< payloads that were not what had been sent, or changed under a handler
  Count wrong_handle{0};     ///< a handle that led to the wrong object, or a stale one that led anywhere
  Count odd_status{0};       ///< statuses that the headers do not name for the call
  Count reply_after_end{0};  ///< replies that were taken although the instance had ended
};

/// What the module told the host about one call; part of the program's record of that call.
struct Mark {
  std::atomic<std::uint32_t> said{0};  ///< terminal replies that returned BP_OK
  std::atomic<std::int32_t> said_status{0};
  std::atomic<std::uint32_t> parts{0};     ///< partial replies that returned BP_OK
  std::atomic<std::uint32_t> received{0};  ///< parts of the request that it has taken
};

/// Heads the payload of every call but the plain echoes.
struct Order {
  static constexpr std::uint64_t right_magic = 0x5354'5245'5353'0a0d;
  std::uint64_t magic = right_magic;
  CallStats* stats = nullptr;
  Mark* mark = nullptr;     ///< null in calls that the module itself makes
  std::uint32_t delay = 0;  ///< microseconds
  std::uint32_t pick = 0;
  std::uint32_t count = 0;
  std::uint32_t limit = 0;  ///< milliseconds
};

inline std::optional<Order> order_of(const std::uint8_t* data, std::size_t size) {
  Order order;
  if (size < sizeof order) return std::nullopt;
  std::memcpy(&order, data, sizeof order);
  if (order.magic != Order::right_magic) return std::nullopt;
  return order;
}

/// Heads what is emitted; behind it `size` bytes that each are the lowest byte of `number`.
struct EventHead {
  static constexpr std::uint64_t right_magic = 0x5354'5245'5353'0e0e;
  std::uint64_t magic = right_magic;
  std::uint64_t source = 0;  ///< one for each instance
  std::uint64_t number = 0;  ///< grows with each attempt of the source
  std::uint32_t size = 0;
  std::uint32_t ordered = 0;  ///< 1: emitted on the request thread, so that they must come in order
};

}  // namespace stress
