// SPDX-License-Identifier: Apache-2.0
//
// The application's host functions: set, replaced and taken away while they are being called; answered at
// once, late, twice or never.
#include <string>

#include "completion_thread.hpp"
#include "verb.hpp"

namespace stress {

using Draws = std::array<std::uint64_t, 6>;

namespace {

// The last one is offered by a module too: the application's wins.
constexpr std::string_view names[Life::function_places] = {"app.f0", "app.f1", "app.f2", "app.f3",
                                                           "stress_steady.offer"};

// The handle of a context that was set aside is stale, but what runs there goes on.
bool is_set_aside(const Life& life, bp_status status) { return status == BP_INVALID_HANDLE && life.forced; }

void must_be(Life& life, bp_status found, bp_status expected, const char* what) {
  if (found != expected && !is_set_aside(life, found))
    life.problem(std::string(what) + ": completing it gave " + bp_status_name(found) + ", expected " +
                 bp_status_name(expected));
}

void answer_late(Life& life, bp_token token, bp_bytes payload, std::uint64_t draw, int times) {
  CompletionThread::Job job;
  job.due = Clock::now() + std::chrono::microseconds(draw % 3'000);
  job.life = std::make_shared<Use>(Use(life.shared_from_this()));
  job.token = token;
  if (payload.size != 0) job.payload.assign(payload.data, payload.data + payload.size);
  job.times = times;
  life.world.completion_thread->add(std::move(job));
}

// The running call is the last: the host must not wait for itself.
void take_away_itself(Providing& providing) {
  Life& life = *providing.life;
  Life::FunctionPlace& place = life.functions[providing.place];
  const std::unique_lock lock(place.mutex, std::try_to_lock);
  if (!lock || place.current != &providing) return;
  const bp_status status = bp_function_set(life.native, str(names[providing.place]), nullptr, nullptr);
  if (is_set_aside(life, status)) return;
  if (status != BP_OK) life.problem("a function could not take itself away");
  providing.gone = true;
  place.current = nullptr;
}

void answer(Providing& providing, bp_token token, bp_bytes payload) {
  Life& life = *providing.life;
  const std::uint64_t draw = providing.behaviour >> 8;
  switch (providing.behaviour % 16) {
    case 0:
    case 1:
    case 2:
      return must_be(life, complete(life, token, BP_OK, payload, draw % 2 != 0), BP_OK, "a token just handed out");
    case 3:
      must_be(life, complete(life, token, BP_OK, payload, false), BP_OK, "a token just handed out");
      return must_be(life, complete(life, token, BP_OK, payload, true), BP_STALE_TOKEN, "an answered token");
    case 4:
      return;  // never: the call has a limit
    case 5:
    case 6:
      submit(life, {draw % 500, draw, draw, draw, 2, 0}, true);
      return must_be(life, complete(life, token, BP_OK, payload, false), BP_OK, "a token just handed out");
    case 7:
      return must_be(life, complete(life, token, app_error, {nullptr, 0}, false), BP_OK, "a token just handed out");
    case 8:
      take_away_itself(providing);
      return answer_late(life, token, payload, draw, 1);
    case 9:
      must_be(life, complete(life, token, BP_PARTIAL, payload, false), BP_INVALID_ARGUMENT, "a token, in parts");
      return answer_late(life, token, payload, draw, 2);
    default:
      return answer_late(life, token, payload, draw, 1);
  }
}

void on_call(void* user, bp_context context, bp_token token, bp_str name, bp_bytes payload) {
  auto& providing = *static_cast<Providing*>(user);
  Life& life = *providing.life;
  ++providing.inside;
  if (providing.gone) life.problem("a host function was called after it had been taken away");
  if (context.id != life.native.id) life.problem("a host function was told another context");
  if (view(name) != names[providing.place]) life.problem("a host function was called by another name");
  ++life.own.handed;
  life.waiting[providing.behaviour >> 40 & (Life::token_count - 1)] = token;
  answer(providing, token, payload);
  --providing.inside;
}

// The one that was replaced neither runs nor will be called again.
void is_gone(Life& life, Providing* old) {
  if (old == nullptr) return;
  old->gone = true;
  if (old->inside != 0) life.problem("a host function still ran when it had been taken away");
}

}  // namespace

bp_status complete(Life& life, bp_token token, bp_status status, bp_bytes payload, bool as_buffer) {
  bp_answer answer{};
  answer.struct_size = sizeof answer;
  answer.status = status;
  answer.payload = payload;
  if (as_buffer && (answer.buffer = bp_buffer_new(payload.size)) != nullptr) {
    if (payload.size != 0) std::memcpy(answer.buffer->data, payload.data, payload.size);
    answer.buffer->size = payload.size;
    answer.payload = {nullptr, 0};
  }
  const bp_status taken = bp_complete(life.native, token, &answer);
  if (taken != BP_OK) bp_buffer_free(answer.buffer);
  if (taken == BP_OK) {
    ++life.own.completed;
    life.answered[token >> 2 & (Life::token_count - 1)] = token;  // by the index in it, whatever that is
  } else if (taken == BP_STALE_TOKEN) {
    ++life.own.stale_completions;
  } else if (taken != BP_INVALID_ARGUMENT && !is_set_aside(life, taken)) {
    life.problem(std::string("bp_complete returned ") + bp_status_name(taken));
  }
  return taken;
}

void set_function(Life& life, const Draws& draws) {
  const std::size_t which = draws[0] % Life::function_places;
  Providing* fresh = nullptr;
  {
    const std::lock_guard lock(life.providings_mutex);
    fresh = &life.providings.emplace_back();
  }
  fresh->life = &life;
  fresh->behaviour = draws[1];
  fresh->place = which;
  Life::FunctionPlace& place = life.functions[which];
  const std::lock_guard lock(place.mutex);
  const bp_status status = bp_function_set(life.native, str(names[which]), on_call, fresh);
  if (status == BP_OK) {
    is_gone(life, place.current);
    place.current = fresh;
    ++life.world.totals.functions;
  } else if (!is_set_aside(life, status)) {
    life.problem(std::string("bp_function_set returned ") + bp_status_name(status));
  }
}

void unset_function(Life& life, const Draws& draws) {
  const std::size_t which = draws[0] % Life::function_places;
  Life::FunctionPlace& place = life.functions[which];
  const std::lock_guard lock(place.mutex);
  const bp_status status = bp_function_set(life.native, str(names[which]), nullptr, nullptr);
  if (!is_set_aside(life, status) && status != (place.current == nullptr ? BP_NOT_FOUND : BP_OK))
    life.problem(std::string("taking a function away returned ") + bp_status_name(status));
  if (status != BP_OK) return;
  is_gone(life, place.current);
  place.current = nullptr;
}

// Tokens that are nobody's, were answered, or are another context's. None may be taken.
void complete_wrongly(Life& life, Life* other, const Draws& draws) {
  bp_token token = draws[1];
  if (draws[0] % 4 == 0 && other != nullptr && other != &life) token = other->waiting[draws[2] % Life::token_count];
  if (draws[0] % 4 >= 2) token = life.answered[draws[2] % Life::token_count];
  ++life.world.totals.forged;
  if (complete(life, token, BP_OK, {nullptr, 0}, draws[3] % 2 != 0) == BP_OK)
    life.problem("a completion with a stale, foreign or made-up token was taken");
}

// ---- The completion thread ----

CompletionThread::CompletionThread() : thread_([this] { run(); }) {}

CompletionThread::~CompletionThread() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void CompletionThread::add(Job job) {
  const std::lock_guard lock(mutex_);
  jobs_.push(std::move(job));
  changed_.notify_all();
}

void CompletionThread::run() {
  std::unique_lock lock(mutex_);
  while (!stop_ || !jobs_.empty()) {
    if (jobs_.empty()) {
      changed_.wait(lock);
    } else if (const auto due = jobs_.top().due; due > Clock::now()) {
      changed_.wait_until(lock, due);
    } else {
      const Job job = jobs_.top();
      jobs_.pop();
      lock.unlock();
      Life& life = **job.life;
      const bp_bytes payload{job.payload.data(), job.payload.size()};
      for (int i = 0; i < job.times; ++i) {
        const bp_status status = complete(life, job.token, BP_OK, payload, i % 2 != 0);
        if (i > 0 && status == BP_OK) life.problem("a second completion was taken");
      }
      lock.lock();
    }
  }
}

}  // namespace stress
