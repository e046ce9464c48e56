// SPDX-License-Identifier: Apache-2.0
//
// Plays programs for real: as handlers of the module `matrix` in a context of this process.
#pragma once

#include <backplane/ext/fiber.h>

#include <deque>
#include <exception>

#include "api/matrix_fixture.hpp"
#include "program.hpp"

namespace fibers_model {

class ModelFixture;

/// One run: what it has at hand, and what has been seen of it. The request thread's until it has been answered.
struct Run {
  ModelFixture* fixture = nullptr;
  const Program* program = nullptr;
  const bp_host_api* host = nullptr;
  const bp_await_api* await = nullptr;
  const bp_fiber_api* fiber = nullptr;
  bp_token token = 0;
  std::string number;    // its payload, and that of what it asks
  bp_request request{};  // for those who cancel it
  std::vector<std::uint64_t> ids{BP_FIBER_MAIN};
  int steps = max_steps;
  int levels = 0;
  std::size_t asking = 0;  // the fiber that has called a host function
  std::vector<std::string> trace;
  std::atomic<bool> canceled{false};
  bp_status answer = BP_OK;
  std::size_t answered = 0;  // the length of the trace then
  host_test::Replies replies{[this](const bp_answer& with) {
    answer = with.status;
    answered = trace.size();
  }};
};

/// Where programs are played. One for the process.
class ModelFixture : public host_test::MatrixFixture {
 public:
  ModelFixture();
  ModelFixture(const ModelFixture&) = delete;
  ModelFixture& operator=(const ModelFixture&) = delete;
  ~ModelFixture();

  /// Runs all of them at once, in one context, and returns what was seen of each. A run that does not come to
  /// its end ends the process, which could not do without its thread.
  std::vector<Seen> play(const std::vector<Program>& programs);

 private:
  static bp_handled handle(host_test::MatrixFixture& fixture, const host_test::Here& here);
  static void asked(void* user, bp_context context, bp_token token, bp_str name, bp_bytes payload);
  static Seen seen_of(Run& run);

  host_test::Context context_;
  std::deque<Run> runs_;
};

}  // namespace fibers_model
