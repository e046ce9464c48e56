// SPDX-License-Identifier: Apache-2.0
//
// Predicts what a program of fibers does, without running any.
#include "model.hpp"

namespace fibers_model {

Seen Model::foretell() {
  fibers_.push_back({&program_.scripts[0], Is::running});
  tell(0, "starts");
  while (!over_) step();
  return seen_;
}

void Model::step() {
  Fiber& fiber = self();
  if (steps_ == 0) return end(ending(fiber.script->last), false);
  --steps_;
  if (fiber.next == fiber.script->ops.size()) {
    if (!fiber.script->loop || fiber.doomed) return end(ending(fiber.script->last), false);
    fiber.next = 0;
    return;
  }
  const Op op = fiber.script->ops[fiber.next++];
  switch (op.what) {
    case Do::frame:
    case Do::handle:
    case Do::unwind:
      return enter(op.what);
    case Do::end:
      if (!fiber.levels.empty()) leave_level(false);
      return;
    case Do::leave:
      return end(ending(op.at), false);
    case Do::raise:
      return end(ending(op.at), true);
    default:
      fiber.doing = op;
      if (const Result result = perform(op)) came_back(op, *result);
  }
}

Model::Result Model::perform(const Op& op) {
  const std::size_t who = number_of(op.at, active_, created());
  switch (op.what) {
    case Do::create:
      return create();
    case Do::switch_to:
      return switch_to(who);
    case Do::destroy:
      return destroy(who);
    case Do::ended:
      return ended();
    case Do::open:
      return environment_ ? BP_REENTRANT : (environment_ = true, BP_OK);
    case Do::close:
      return close();
    case Do::mistake:
      environment_ = true;  // players open one first
      return self().doomed ? BP_CANCELED : BP_INVALID_ARGUMENT;
    case Do::reply:
      return reply();
    case Do::active:
      return BP_OK;
    default:
      return wait(op);
  }
}

// A fiber that is being destroyed makes none. A new one does not run before the first switch to it.
Model::Result Model::create() {
  if (self().doomed) return BP_CANCELED;
  environment_ = true;
  fibers_.push_back({&program_.scripts[1 + self().doing.at % 3]});
  return BP_OK;
}

// One jump; the caller's switch comes back when somebody switches to it.
Model::Result Model::switch_to(std::size_t id) {
  if (self().doomed) return BP_CANCELED;
  if (id == active_) return BP_OK;
  if (!exists(id)) return BP_NOT_FOUND;
  self().is = Is::suspended;
  resume(id, BP_OK);
  return {};
}

// At once: who is suspended gets BP_CANCELED from its switch, and the caller goes on when it has ended.
Model::Result Model::destroy(std::size_t id) {
  if (id == active_ || id == 0) return BP_INVALID_ARGUMENT;
  if (!exists(id)) return BP_OK;
  if (fibers_[id].is == Is::waiting) return BP_INVALID_ARGUMENT;
  if (fibers_[id].is == Is::fresh) {
    fibers_[id].is = Is::over;
    tell(id, "is released");
    return BP_OK;
  }
  doom(id);
  return {};
}

Model::Result Model::close() {
  if (active_ != 0) return BP_INVALID_ARGUMENT;
  if (!environment_) return BP_OK;
  end_environment();
  return {};
}

bp_status Model::ended() {
  if (last_ended_ == unasked_) unasked_ = nobody;
  return last_ended_ == nobody ? BP_NOT_FOUND : BP_OK;
}

// The whole environment waits and goes on in the fiber that awaits; nothing of it is seen but the result.
bp_status Model::wait(const Op& op) {
  if (self().doomed || canceled_) return BP_CANCELED;
  if (op.what >= Do::ask && op.what <= Do::cancel_desk) tell(active_, "is heard");
  const bool cancels = op.what == Do::cancel || op.what == Do::cancel_desk;
  if (!cancels) return BP_OK;
  canceled_ = true;
  if (!replied_) seen_.answer = BP_CANCELED;  // else that answer is delivered now
  return BP_CANCELED;
}

bp_status Model::reply() {
  environment_ = true;  // players open one first: the answer of a run without one is not held back
  if (replied_ || canceled_) return BP_STALE_TOKEN;
  replied_ = true;
  seen_.answer = ending(self().doing.at);
  return BP_OK;
}

void Model::enter(Do kind) {
  if (self().levels.size() < max_levels) self().levels.push_back({kind, ++levels_});
}

// With how it was left: by an exception, or not.
void Model::leave_level(bool throwing) {
  const Level level = self().levels.back();
  self().levels.pop_back();
  say("left " + std::to_string(level.number), throwing ? BP_ERROR : BP_OK);
}

// Lets fiber `id` go on: the operation that it waits in comes back with `status`.
void Model::resume(std::size_t id, bp_status status) {
  active_ = id;
  const Is was = self().is;
  self().is = Is::running;
  if (was == Is::fresh) return tell(id, "starts");
  if (id == 0 && was == Is::waiting && (main_ends_ || self().doing.what == Do::close)) return end_environment();
  came_back(self().doing, status);
}

void Model::came_back(const Op& op, bp_status status) {
  std::string what = words(op, active_, created());
  if (status == BP_OK && op.what == Do::create) what += " = " + std::to_string(created());
  if (status == BP_OK && op.what == Do::active) what += " = " + std::to_string(active_);
  if (status == BP_OK && op.what == Do::ended) {
    what += " = " + std::to_string(last_ended_) + " " + std::to_string(last_status_);
  }
  say(what, status);
  if (status != BP_CANCELED) return;
  switch (self().script->on_cancel) {
    case OnCancel::leave:
      return end(BP_CANCELED, false);
    case OnCancel::raise:
      return end(BP_CANCELED, true);
    case OnCancel::swallow:
      return end(ending(self().script->last), false);
    case OnCancel::go_on:
      return;
  }
}

// The active fiber leaves its script, and who was waiting for that goes on: its destroyer, else main.
void Model::end(bp_status status, bool throwing) {
  while (!self().levels.empty()) leave_level(throwing);
  say("ends", status);
  if (active_ == 0) {
    if (!replied_ && !canceled_) seen_.answer = status;
    replied_ = main_ends_ = true;
    return end_environment();
  }
  self().is = Is::over;
  tell(active_, "is released");
  if (self().doomed) return resume(self().destroyer, BP_OK);
  last_ended_ = active_;
  last_status_ = status == BP_OK ? BP_ENTRY_RETURNED : status;
  if (status == BP_OK) unasked_ = active_;
  resume(0, last_status_);
}

void Model::doom(std::size_t id) {
  self().is = Is::waiting;
  fibers_[id].doomed = true;
  fibers_[id].destroyer = active_;
  resume(id, BP_CANCELED);
}

// In main, again after each that it has destroyed: the newest that is suspended ends next, one that never ran is
// dropped. With none left, `close` comes back, or the run is over.
void Model::end_environment() {
  for (std::size_t id = created(); id > 0; --id) {
    if (fibers_[id].is == Is::suspended) return doom(id);
    if (fibers_[id].is != Is::fresh) continue;
    fibers_[id].is = Is::over;
    tell(id, "is released");
  }
  environment_ = false;
  if (!main_ends_) return came_back(self().doing, BP_OK);
  over_ = true;
  if (!canceled_ && unasked_ != nobody) {
    seen_.answer = BP_ENTRY_RETURNED;
    seen_.returned = unasked_;
  }
}

// Each fiber has exceptions of its own: those of the scopes that it is in.
void Model::say(const std::string& what, bp_status status) {
  int unwinding = 0;
  int handled = 0;
  for (const Level& level : self().levels) {
    unwinding += level.kind == Do::unwind;
    if (level.kind == Do::handle) handled = level.number;
  }
  seen_.trace.push_back(line(active_, what, status, unwinding, handled));
}

void Model::tell(std::size_t id, const char* what) { seen_.trace.push_back(std::to_string(id) + " " + what); }

}  // namespace fibers_model
