// SPDX-License-Identifier: Apache-2.0
//
// What the programs of the module fibers share. Each wire name is one program, which answers an error with the
// line that did not hold.
#pragma once

#include <backplane/sdk.hpp>
#include <memory>
#include <stdexcept>

#define HOLDS(what) \
  if (!(what)) throw backplane::Error(BP_ERROR, backplane::join("line ", __LINE__, ": " #what))

namespace programs {

using backplane::Call;
using backplane::Canceled;
using backplane::EntryReturned;
using backplane::Error;
using backplane::Fiber;
using backplane::Fibers;
using backplane::Generator;
using backplane::StackSize;
using backplane::Yield;

/// Counts those that are alive; copying a fragile one throws.
struct Counted {
  int* alive;
  bool fragile = false;
  explicit Counted(int& count, bool breaks = false) : alive(&count), fragile(breaks) { ++*alive; }
  Counted(const Counted& other) : alive(other.alive), fragile(other.fragile) {
    if (fragile) throw std::runtime_error("a copy that fails");
    ++*alive;
  }
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --*alive; }
};

template <class E, class F>
bool throws(F&& f) {
  try {
    f();
  } catch (const E&) {
    return true;
  }
  return false;
}

template <class F>
bp_status status_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.status();
  } catch (const Canceled& e) {
    return e.status;
  }
  return BP_OK;
}

struct Special : std::runtime_error {
  explicit Special(int n) : runtime_error("special"), code(n) {}
  int code;
};

// In generators.cpp.
void generators(Fibers& fibers);
void generator_errors(Fibers& fibers);
void generator_orphans(Fibers& fibers);
void generator_moves(Fibers& fibers);
void swallows(Fibers& fibers);

}  // namespace programs
