// SPDX-License-Identifier: Apache-2.0
//
// Lets memory and threads run out. The executable's own operator new and pthread_create come before those of the
// libraries, for the host too (symbol preemption), so that the host needs no seams for it.
#pragma once

#include <cstddef>

namespace failing {

enum class Which {
  one,        ///< the nth step alone
  from_then,  ///< the nth and all that follow
  threads     ///< from the nth on, new threads and no allocations
};

/// Steps are allocations with operator new and new threads, of any thread of the process; from now on they are
/// counted, and what `which` says of the `nth` (from 1) fails.
void arm(long nth, Which which);

struct Steps {
  long allocations = 0;
  long threads = 0;
  bool failed = false;  ///< at least one was made to fail
};
/// Nothing fails any more. What there was since arm().
Steps disarm();

/// While one exists on a thread, nothing fails there, and what the thread does is not counted: for a test's own work.
class Spared {
 public:
  Spared() noexcept;
  Spared(const Spared&) = delete;
  Spared& operator=(const Spared&) = delete;
  ~Spared();
};
/// While one exists on a spared thread, the thread is not spared.
class Exposed {
 public:
  Exposed() noexcept;
  Exposed(const Exposed&) = delete;
  Exposed& operator=(const Exposed&) = delete;
  ~Exposed();

 private:
  int spared_;
};

/// Blocks of operator new that are not deleted.
long live_blocks();

}  // namespace failing
