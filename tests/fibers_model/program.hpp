// SPDX-License-Identifier: Apache-2.0
//
// A program of fibers as data, and what is seen of one that runs.
#pragma once

#include <backplane/base.h>

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace fibers_model {

/// What a fiber does next. `at` of the operation says to whom, or how, where that is needed.
enum class Do : std::uint8_t {
  create,         ///< a fiber of script 1 + at % 3
  switch_to,      ///< fiber number_of(at)
  destroy,        ///< likewise
  active,         ///< asks who it is
  ended,          ///< asks who was the last to end
  open,           ///< an environment
  close,          ///< the environment
  mistake,        ///< at % 3: create without an entry, without a place for the id, with a tiny stack
  reply,          ///< answers the run's call
  check,          ///< asks whether the call is still wanted
  sleep,          ///< awaits a timer that is due at once
  call,           ///< awaits another wire name
  ask,            ///< awaits a host function that answers inline
  ask_thread,     ///< awaits one that another thread answers
  cancel,         ///< awaits one that cancels the run's call inline, and does not answer
  cancel_thread,  ///< awaits one that has another thread do so
  frame,          ///< enters a C++ frame with a destructor; what follows up to `end` runs in it
  handle,         ///< throws and catches; what follows up to `end` runs in the catch block
  unwind,         ///< throws; what follows up to `end` runs in a destructor of a frame that is unwound
  end,            ///< leaves the innermost of these
  leave,          ///< returns ending(at), through all frames
  raise,          ///< throws, through all frames, and out of the last one returns ending(at)
};

struct Op {
  Do what = Do::active;
  std::uint8_t at = 0;
};

/// What a script does when an operation comes back with BP_CANCELED.
enum class OnCancel : std::uint8_t {
  leave,    ///< returns BP_CANCELED
  raise,    ///< throws, and out of the last frame returns BP_CANCELED
  swallow,  ///< returns what it returns at its end
  go_on,    ///< with its next operation
};

struct Script {
  std::vector<Op> ops;
  bool loop = false;      ///< begins again at its end, unless it is being destroyed
  std::uint8_t last = 0;  ///< it returns ending(last)
  OnCancel on_cancel = OnCancel::leave;
};

/// Scripts[0] is main's. After `max_steps` operations of a run each fiber returns where it stands.
struct Program {
  std::vector<Script> scripts;  ///< four
};

inline constexpr int max_steps = 250;
inline constexpr std::size_t max_levels = 3;
inline constexpr std::size_t nobody = SIZE_MAX;

/// Who is meant, if the caller is `self` and `created` fibers have been made: 0 main, else the nth; or nobody.
std::size_t number_of(std::uint8_t at, std::size_t self, std::size_t created);
/// The statuses that entries end with: of success, of an error of their own, of a cancellation.
bp_status ending(std::uint8_t at);

/// The words for an operation: "switch_to 2".
std::string words(const Op& op, std::size_t self, std::size_t created);
std::ostream& operator<<(std::ostream& out, const Program& program);

/// What is seen of one run.
struct Seen {
  std::vector<std::string> trace;  ///< a line for each operation that came back, and for each beginning and end
  bp_status answer = BP_OK;        ///< what the caller got
  std::size_t returned = 0;        ///< if that is BP_ENTRY_RETURNED: the fiber that the message names

  bool operator==(const Seen&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Seen& seen);

/// The line "1: switch_to 2 -> ok". `unwinding` exceptions are on their way; exception `handled` is being handled.
std::string line(std::size_t fiber, const std::string& what, bp_status status, int unwinding, int handled);

}  // namespace fibers_model
