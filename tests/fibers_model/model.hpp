// SPDX-License-Identifier: Apache-2.0
//
// A model of fibers without stacks: a fiber is a position in its script, and the operation in which it waits. Where
// ext/fiber.h leaves something open, the model predicts what this host does. The sections of the header are in:
//   SWITCHING         switch_to() and wait()
//   END OF A FIBER    end()
//   CANCELLATION      destroy(), doom(), and wherever a fiber is `doomed`
//   END OF MAIN       end_environment()
//   C++ EXCEPTIONS    say()
#pragma once

#include <optional>

#include "program.hpp"

namespace fibers_model {

class Model {
 public:
  /// `program` must outlive it.
  explicit Model(const Program& program) : program_(program) {}

  /// All that a run of the program shows. Call it once.
  Seen foretell();

 private:
  enum class Is {
    fresh,      // made, and never run
    running,    // the active one
    suspended,  // in a switch
    waiting,    // in a destroy or, if it is main, until the environment has ended; whom it destroys wakes it
    over
  };
  // A C++ scope that its script has entered.
  struct Level {
    Do kind;
    int number;
  };
  struct Fiber {
    const Script* script;
    Is is = Is::fresh;
    std::size_t next = 0;  // of its script's operations
    Op doing{};            // if suspended or waiting: in which
    bool doomed = false;   // being destroyed, by
    std::size_t destroyer = nobody;
    std::vector<Level> levels{};
  };
  // Nothing: the operation has not come back; somebody else is the active one.
  using Result = std::optional<bp_status>;

  void step();
  Result perform(const Op& op);
  Result create();
  Result switch_to(std::size_t id);
  Result destroy(std::size_t id);
  Result close();
  bp_status ended();
  bp_status wait(const Op& op);
  bp_status reply();
  void enter(Do kind);
  void leave_level(bool throwing);

  void resume(std::size_t id, bp_status status);
  void came_back(const Op& op, bp_status status);
  void end(bp_status status, bool throwing);
  void doom(std::size_t id);
  void end_environment();

  Fiber& self() { return fibers_[active_]; }
  std::size_t created() const { return fibers_.size() - 1; }
  bool exists(std::size_t id) const { return id < fibers_.size() && fibers_[id].is != Is::over; }
  void say(const std::string& what, bp_status status);
  void tell(std::size_t id, const char* what);

  const Program& program_;
  Seen seen_;
  std::vector<Fiber> fibers_;  // [0] is main
  std::size_t active_ = 0;
  bool environment_ = false;
  bool main_ends_ = false;  // it has left its script
  bool over_ = false;
  bool replied_ = false;
  bool canceled_ = false;  // the run's call
  std::size_t last_ended_ = nobody;
  bp_status last_status_ = BP_OK;
  std::size_t unasked_ = nobody;  // the last whose entry returned, as long as nobody has asked
  int steps_ = max_steps;
  int levels_ = 0;
};

}  // namespace fibers_model
