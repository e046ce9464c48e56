// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace backplane::host {

struct ControlJob;
struct Generation;

/// A call of a module's code by the loader: of its constructors, init, deinit or destructors. It may never return.
struct ModuleCall {
  const char* what = "";                   ///< "constructors", "init", "deinit", "destructors" or "trial load"
  const Generation* generation = nullptr;  ///< exists during the call
  bool in_dynamic_loader = false;          ///< the dynamic loader's lock is held meanwhile
  bool bounded = false;                    ///< no code of the module runs, and it returns in time by itself

  // ---- Used by ModuleCalls
  std::chrono::steady_clock::time_point began{};
  ControlJob* job = nullptr;   ///< the operation that makes the call
  bool overdue = false;        ///< it takes too long, and other operations go on
  bool telling = false;        ///< the operation is being told so
  ModuleCall* next = nullptr;  ///< in the list of overdue calls
};

/// Watches the calls of modules' code. Other work of the control thread goes on during a call, but no other module
/// operation, unless the call takes too long.
class ModuleCalls {
 public:
  ModuleCalls() = default;
  ModuleCalls(const ModuleCalls&) = delete;
  ModuleCalls& operator=(const ModuleCalls&) = delete;

  virtual void begin(ModuleCall& call) noexcept = 0;
  /// Waits for the turn again. Returns false if the call took too long: other operations may have run meanwhile.
  virtual bool end(ModuleCall& call) noexcept = 0;
  /// How long a call may take.
  virtual std::chrono::milliseconds timeout() const noexcept = 0;

 protected:
  ~ModuleCalls() = default;
};

}  // namespace backplane::host
