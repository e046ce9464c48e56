// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "../embedded.hpp"
#include "in_flight.hpp"

namespace bench {

/// One thread's calls of one method, through bp_submit with a callback, a window of them in flight.
class Pipeline {
 public:
  /// One of `producers` at work at a time.
  Pipeline(const Embedded& host, const std::string& wire_name, std::uint32_t window, unsigned producers = 1)
      : context_(host.context()), method_(host.method(wire_name)), in_flight_(window, producers + 1) {}

  /// Calls `count` times, and returns when all are answered: `fill(submission, i)` before each gives it its payload;
  /// `check(answer, i)`, on the request thread, says whether the reply is right. Replies come in the order of the
  /// calls, as the method's handler answers at once. Throws std::runtime_error if one was wrong.
  template <class Fill, class Check>
  void run(std::uint32_t count, Fill fill, Check check) {
    Run<Check> run{in_flight_, check};
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.flags = BP_SUBMIT_NO_STALE;
    submission.method = method_;
    submission.on_reply = Run<Check>::on_reply;
    submission.user = &run;
    in_flight_.start(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      in_flight_.wait_for_room();
      fill(submission, i);
      submit_or_die(context_, submission);
    }
    in_flight_.wait_for_all();
    if (run.wrong != 0) throw std::runtime_error(std::to_string(run.wrong) + " replies were not what they ought to be");
  }

 private:
  template <class Check>
  struct Run {
    InFlight& in_flight;  // outlives the last callback, which this does not: it may still be waking who waits
    Check check;
    std::uint32_t answered = 0;
    std::uint32_t wrong = 0;

    static void on_reply(void* user, const bp_answer* answer) {
      auto& self = *static_cast<Run*>(user);
      if (!self.check(*answer, self.answered++)) ++self.wrong;
      self.in_flight.ended();
    }
  };

  const bp_context context_;
  const bp_method method_;
  InFlight in_flight_;
};

/// From nanoseconds each to how many a second: for rows where more is better.
inline Figure as_rate(const Figure& each, double times = 1) {
  return {times * 1e9 / each.value, each.floor ? std::optional(times * 1e9 / *each.floor) : std::nullopt};
}

}  // namespace bench
