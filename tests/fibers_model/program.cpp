// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#include <backplane/backplane.h>

#include <array>
#include <ostream>

namespace fibers_model {
namespace {

constexpr std::array names = {"create", "switch_to",  "destroy", "active",        "ended", "open",
                              "close",  "mistake",    "reply",   "check",         "sleep", "call",
                              "ask",    "ask_thread", "cancel",  "cancel_thread", "frame", "handle",
                              "unwind", "end",        "leave",   "raise"};
constexpr std::array cancel_names = {"leaves", "raises", "swallows it", "goes on"};

// Of `at` in scripts: 0 main, 1 to 6 the nth fiber, 7 the caller, 8 nobody.
constexpr std::uint8_t self_at = 7;

const char* name(Do what) { return names[static_cast<std::size_t>(what)]; }
std::string plain(const Op& op) {
  switch (op.what) {
    case Do::switch_to:
    case Do::destroy:
      return std::string(name(op.what)) + (op.at == self_at ? " self" : " " + std::to_string(op.at));
    case Do::create:
      return "create s" + std::to_string(1 + op.at % 3);
    case Do::mistake:
      return "mistake " + std::to_string(op.at % 3);
    case Do::leave:
    case Do::raise:
    case Do::reply:
      return std::string(name(op.what)) + " " + bp_status_name(ending(op.at));
    default:
      return name(op.what);
  }
}

}  // namespace

std::size_t number_of(std::uint8_t at, std::size_t self, std::size_t created) {
  if (at == self_at) return self;
  return at <= created && at < self_at ? at : nobody;
}

bp_status ending(std::uint8_t at) {
  constexpr std::array<bp_status, 3> endings = {BP_OK, BP_STATUS_MODULE_FIRST + 7, BP_CANCELED};
  return endings[at % endings.size()];
}

std::string words(const Op& op, std::size_t self, std::size_t created) {
  if (op.what != Do::switch_to && op.what != Do::destroy) return plain(op);
  const std::size_t to = number_of(op.at, self, created);
  return name(op.what) + (to == nobody ? std::string(" nobody") : " " + std::to_string(to));
}

std::ostream& operator<<(std::ostream& out, const Program& program) {
  for (std::size_t i = 0; i < program.scripts.size(); ++i) {
    const Script& script = program.scripts[i];
    out << (i == 0 ? "\nmain:" : "\ns" + std::to_string(i) + ":");
    for (const Op& op : script.ops) out << ' ' << plain(op) << ';';
    if (script.loop) out << " again;";
    out << " return " << bp_status_name(ending(script.last)) << "; when canceled it "
        << cancel_names[static_cast<std::size_t>(script.on_cancel)];
  }
  return out << '\n';
}

std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  for (const std::string& each : seen.trace) out << each << '\n';
  out << "answer " << bp_status_name(seen.answer);
  if (seen.answer == BP_ENTRY_RETURNED) out << " of " << seen.returned;
  return out << '\n';
}

std::string line(std::size_t fiber, const std::string& what, bp_status status, int unwinding, int handled) {
  std::string text = std::to_string(fiber) + ": " + what + " -> " + bp_status_name(status);
  if (status >= BP_STATUS_MODULE_FIRST) text += " " + std::to_string(status);
  if (unwinding != 0) text += ", unwinding " + std::to_string(unwinding);
  if (handled != 0) text += ", handling " + std::to_string(handled);
  return text;
}

}  // namespace fibers_model
