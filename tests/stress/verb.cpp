// SPDX-License-Identifier: Apache-2.0
//
// What calls there are, and how random numbers become one.
#include "verb.hpp"

#include <string_view>

namespace stress {
namespace {

constexpr Verb verbs[] = {
    {"echo", 350, false, false, true, false, BP_OK},
    {"later", 100, true, false, true, false, BP_OK},
    {"twice", 70, true, false, true, false, BP_OK},
    {"forget", 20, true, false, false, false, BP_NO_REPLY},
    {"never", 20, true, true, false, false, BP_OK},
    {"parts", 50, true, false, true, false, BP_OK},
    {"stream", 30, true, false, true, false, BP_OK},
    {"input", 30, true, false, true, false, BP_OK},
    {"sleep", 50, true, false, true, false, BP_OK},
    {"call", 60, true, false, true, true, BP_NO_REPLY},
    {"ask", 80, true, false, true, true, BP_NO_HOST_FUNCTION},
    {"ask_later", 30, true, false, true, true, BP_NO_HOST_FUNCTION},
    {"fd", 15, true, false, true, false, module_error},
    {"block", 10, true, false, true, true, BP_REENTRANT},
    {"block_many", 15, true, false, true, true, BP_REENTRANT},
    {"emit", 30, true, false, true, false, BP_OK},
    {"handles", 20, true, false, true, false, BP_OK},
    {"wedge", 1, true, false, true, false, BP_OK},
    {"fail", 19, true, false, false, false, module_error},
};
constexpr Verb unknown_verb{"nobody", 0, false, false, false, false, BP_UNKNOWN_NAME};

constexpr unsigned sum_of_weights() {
  unsigned sum = 0;
  for (const Verb& verb : verbs) sum += verb.weight;
  return sum;
}
static_assert(sum_of_weights() == 1'000);

}  // namespace

const Verb& verb_at(std::uint64_t draw) {
  std::uint64_t place = draw % 1'016;
  for (const Verb& verb : verbs) {
    if (place < verb.weight) return verb;
    place -= verb.weight;
  }
  return unknown_verb;
}

// 0, small ones that travel inside the request record, and copied ones up to 256 KiB.
std::uint32_t size_at(std::uint64_t draw) {
  const std::uint64_t much = draw >> 8;
  switch (draw % 64) {
    case 0:
      return static_cast<std::uint32_t>(much % (256 * 1024 + 1));
    case 1:
    case 2:
      return 0;
    case 3:
    case 4:
    case 5:
    case 6:
      return static_cast<std::uint32_t>(much % 4'096);
    default:
      return static_cast<std::uint32_t>(much % 97);
  }
}

// A quarter of the calls has a deadline, half of those a short one. Those that nobody answers have no long one,
// which a context that ends in peace would have to wait for.
std::uint64_t timeout_at(std::uint64_t draw, bool must) {
  if (must) return 1 + (draw >> 8) % 40;
  if (draw % 8 == 0) return 1 + (draw >> 8) % 5;
  if (draw % 8 == 1) return 500 + (draw >> 8) % 1'000;
  return 0;
}

Order order_for(Call& call, const Verb& verb, std::uint64_t draw) {
  Order order;
  order.stats = &call.life->stats;
  order.mark = &call;
  order.delay = static_cast<std::uint32_t>((draw >> 4) % 4'000);
  if (std::string_view(verb.name) == "sleep") order.delay = static_cast<std::uint32_t>((draw >> 4) % 20'000);
  if (std::string_view(verb.name) == "wedge") order.delay = static_cast<std::uint32_t>(5'000 + (draw >> 4) % 55'000);
  order.pick = static_cast<std::uint32_t>(draw >> 20);
  order.count = static_cast<std::uint32_t>((draw >> 52) % 8);
  if (std::string_view(verb.name) == "emit" && draw % 128 == 0) order.count *= 60;  // a burst that may overflow
  order.limit = static_cast<std::uint32_t>(2 + (draw >> 56) % 40);
  return order;
}

bool is_unknown(const Verb& verb) noexcept { return &verb == &unknown_verb; }

std::uint64_t draw_of(const char* name) {
  std::uint64_t place = 0;
  for (const Verb& verb : verbs) {
    if (std::string_view(verb.name) == name) return place;
    place += verb.weight;
  }
  return place;
}

}  // namespace stress
