// SPDX-License-Identifier: Apache-2.0
#include "operation.hpp"

namespace stress {
namespace {

// The frequency of each operation, in 10000. Calls make most of the load. Changing modules or ending a context takes
// tens of milliseconds, and a synchronous call a few. These are so rare that each kind takes about a fifth of the
// actors' time, measured on two cores.
constexpr struct {
  Kind kind;
  const char* name;
  unsigned weight;
} all[] = {
    {Kind::submit, "submit", 7'531},
    {Kind::submit_wrongly, "submit_wrongly", 200},
    {Kind::call_sync, "call_sync", 20},
    {Kind::cancel, "cancel", 800},
    {Kind::complete_wrongly, "complete_wrongly", 300},
    {Kind::listen, "listen", 300},
    {Kind::unlisten, "unlisten", 250},
    {Kind::set_function, "set_function", 300},
    {Kind::unset_function, "unset_function", 80},
    {Kind::find_method, "find_method", 100},
    {Kind::look_at_modules, "look_at_modules", 10},
    {Kind::change_module, "change_module", 4},
    {Kind::end_context, "end_context", 5},
    {Kind::pause, "pause", 100},
};
constexpr unsigned whole = 10'000;

constexpr bool sums_up() {
  unsigned sum = 0;
  for (const auto& each : all) sum += each.weight;
  return sum == whole && std::size(all) == static_cast<std::size_t>(Kind::count);
}
static_assert(sums_up());

Kind kind_at(std::uint64_t place) {
  for (const auto& each : all) {
    if (place < each.weight) return each.kind;
    place -= each.weight;
  }
  return Kind::pause;
}

}  // namespace

const char* name(Kind kind) noexcept {
  for (const auto& each : all) {
    if (each.kind == kind) return each.name;
  }
  return "";
}

// The multiplier keeps the sequences of neighbouring seeds and threads apart.
Operations::Operations(std::uint64_t seed, unsigned thread) : random_(seed * 0xd1342543de82ef95u + thread) {}

Operation Operations::next() {
  Operation operation;
  operation.kind = kind_at(random_.next() % whole);
  for (auto& draw : operation.draws) draw = random_.next();
  if (drawn_++ < hashed_) {
    const auto mix = [this](std::uint64_t value) { hash_ = (hash_ ^ value) * 1099511628211u; };
    mix(static_cast<std::uint64_t>(operation.kind));
    for (const auto draw : operation.draws) mix(draw);
  }
  return operation;
}

}  // namespace stress
