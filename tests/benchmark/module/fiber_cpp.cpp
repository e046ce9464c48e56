// SPDX-License-Identifier: Apache-2.0
//
// bench_cpp: what bench_c does, with the SDK's classes.
#include <backplane/sdk.hpp>
#include <cstring>
#include <optional>
#include <vector>

#include "orders.h"

namespace {

using backplane::Bytes;
using backplane::Call;
using backplane::Fiber;
using backplane::Fibers;
using backplane::View;

bench_order order_of(View payload) {
  bench_order order{};
  if (payload.size() != sizeof order) throw backplane::Error(BP_BAD_PAYLOAD, "expected a bench_order");
  std::memcpy(&order, payload.data(), sizeof order);
  return order;
}

Bytes bytes_of(const bench_report& report) {
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(&report);
  return Bytes(begin, begin + sizeof report);
}

Bytes switch_pairs(Call& call, View payload) {
  const bench_order order = order_of(payload);
  bench_report report{};
  Fibers fibers(call);
  std::uint64_t switched = 0;
  Fiber other(fibers, [&] {
    for (;;) {
      ++switched;
      fibers.switch_to_main();
    }
  });
  other.resume();
  const std::uint64_t begin = bench_now();
  for (std::uint64_t i = 0; i < order.count; ++i) other.resume();
  report.nanoseconds = bench_now() - begin;
  report.done = switched - 1;
  return bytes_of(report);
}

Bytes create_and_finish(Call& call, View payload) {
  const bench_order order = order_of(payload);
  bench_report report{};
  Fibers fibers(call);
  std::uint64_t last = 0;
  const std::uint64_t begin = bench_now();
  for (std::uint64_t i = 0; i < order.count; ++i) {
    const Fiber one(fibers, [&report] { ++report.done; });
    last = one.id();
    // resume() would throw EntryReturned: then it is the exception that is measured.
    const bp_status status = fibers.try_switch_to(last);
    if (status != BP_ENTRY_RETURNED) throw backplane::Error(status, "expected a fiber that returns");
  }
  report.nanoseconds = bench_now() - begin;
  if (fibers.ended() != last) throw backplane::Error(BP_ERROR, "ended() names another fiber than the last");
  return bytes_of(report);
}

/// Counts those that are unwound.
struct Unwound {
  std::uint64_t& count;
  ~Unwound() { ++count; }
};

Bytes many(Call& call, View payload) {
  const bench_order order = order_of(payload);
  bench_report report{};
  std::uint64_t unwound = 0;
  std::optional<Fibers> fibers(std::in_place, call);
  std::vector<Fiber> all;
  all.reserve(order.count);
  report.resident_before = bench_resident();
  for (std::uint64_t i = 0; i < order.count; ++i) {
    all.emplace_back(*fibers, [&] {
      const Unwound unwound_here{unwound};
      fibers->switch_to_main();
    });
    all.back().resume();
  }
  report.resident_after = bench_resident();
  const std::uint64_t begin = bench_now();
  if (order.close != 0) {
    for (Fiber& each : all) each.detach();
    fibers.reset();
  } else {
    for (Fiber& each : all) each.destroy();
  }
  report.nanoseconds = bench_now() - begin;
  report.done = unwound;
  return bytes_of(report);
}

Bytes here(View) { return {}; }

}  // namespace

BACKPLANE_MODULE(backplane::Stateless, "bench_cpp", "1", backplane::raw<"bench_cpp.here", here>,
                 backplane::raw<"bench_cpp.switch", switch_pairs>,
                 backplane::raw<"bench_cpp.create", create_and_finish>, backplane::raw<"bench_cpp.many", many>);
