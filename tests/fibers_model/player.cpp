// SPDX-License-Identifier: Apache-2.0
//
// Runs a program of fibers in a handler, and records what happens.
#include "player.hpp"

#include <algorithm>
#include <iostream>
#include <memory>

namespace fibers_model {
namespace {

using host_test::answer_of;
using host_test::bytes_of;
using host_test::str;

// How a script is left by an exception.
struct Leave {
  bp_status status;
};
// What the levels `handle` and `unwind` throw and catch.
struct Mark {
  int number;
};

// Of the exception that is being handled; 0: none is; -1: one that no level has thrown.
int handled_number() {
  if (std::current_exception() == nullptr) return 0;
  try {
    throw;
  } catch (const Mark& mark) {
    return mark.number;
  } catch (...) {
    return -1;
  }
}

// One fiber, or main: an interpreter of its script. Its frames are real ones.
class Player {
 public:
  Player(Run& run, const Script& script, std::size_t number) : run_(run), script_(script), number_(number) {}

  bp_status play() {
    tell("starts");
    try {
      level();
    } catch (const Leave& leave) {
      status_ = leave.status;
    }
    say("ends", status_);
    return status_;
  }
  void tell(const char* what) { run_.trace.push_back(std::to_string(number_) + " " + what); }

 private:
  enum class Flow { out_of_level, out_of_script };

  // Says that its scope was left, and how.
  class Left {
   public:
    explicit Left(Player& player) : player_(player), number_(++player.run_.levels) {}
    Left(const Left&) = delete;
    Left& operator=(const Left&) = delete;
    ~Left() {
      const int thrown = std::uncaught_exceptions() - before_;
      player_.say("left " + std::to_string(number_), thrown == 0 ? BP_OK : BP_ERROR, thrown);
    }
    int number() const { return number_; }

   private:
    Player& player_;
    int number_;
    int before_ = std::uncaught_exceptions();
  };
  // Goes on with the script where an exception unwinds it.
  struct Unwound {
    Player& player;
    Flow& flow;
    bool& threw;
    ~Unwound() {
      try {
        flow = player.level();
      } catch (const Leave& leave) {
        player.status_ = leave.status;
        threw = true;
      }
    }
  };

  // Plays until the level ends that the script is in.
  Flow level() {
    for (;;) {
      if (run_.steps == 0) return end();
      --run_.steps;
      if (next_ == script_.ops.size()) {
        if (!script_.loop || doomed_) return end();
        next_ = 0;
        continue;
      }
      const Op op = script_.ops[next_++];
      if (op.what == Do::leave) return leave(ending(op.at));
      if (op.what == Do::raise) throw Leave{ending(op.at)};
      if (op.what == Do::end) {
        if (depth_ > 0) return Flow::out_of_level;
      } else if (op.what == Do::frame || op.what == Do::handle || op.what == Do::unwind) {
        if (depth_ < max_levels && enter(op.what) == Flow::out_of_script) return Flow::out_of_script;
      } else if (const bp_status status = perform(op); status == BP_CANCELED && script_.on_cancel != OnCancel::go_on) {
        return canceled();
      }
    }
  }
  Flow leave(bp_status status) {
    status_ = status;
    return Flow::out_of_script;
  }
  Flow end() { return leave(ending(script_.last)); }
  Flow canceled() {
    if (script_.on_cancel == OnCancel::raise) throw Leave{BP_CANCELED};
    return script_.on_cancel == OnCancel::leave ? leave(BP_CANCELED) : end();
  }

  Flow enter(Do kind) {
    const Left left(*this);
    ++depth_;
    Flow flow = Flow::out_of_level;
    bool threw = false;
    if (kind == Do::frame) {
      flow = level();
    } else if (kind == Do::handle) {
      try {
        throw Mark{left.number()};
      } catch (const Mark&) {
        flow = level();
      }
    } else {
      try {
        const Unwound unwound{*this, flow, threw};
        throw Mark{left.number()};
      } catch (const Mark& mark) {
        if (mark.number != left.number()) tell("caught another's exception");
      }
    }
    --depth_;
    if (threw) throw Leave{status_};
    return flow;
  }

  bp_status perform(const Op& op) {
    std::string result;
    const bp_status status = perform(op, result);
    say(words(op, number_, created()) + result, status);
    return status;
  }
  bp_status perform(const Op& op, std::string& result) {
    const bp_fiber_api& fiber = *run_.fiber;
    switch (op.what) {
      case Do::create:
        return create(op, result);
      case Do::switch_to: {
        const bp_status status = fiber.switch_to(run_.token, id_of(op));
        // Main gets it too, from a fiber that ends so.
        if (status == BP_CANCELED && number_ != 0) doomed_ = true;
        return status;
      }
      case Do::destroy:
        return fiber.destroy(run_.token, id_of(op));
      case Do::active: {
        std::uint64_t id = nobody;
        const bp_status status = fiber.active(run_.token, &id);
        result = " = " + number_of_id(id);
        return status;
      }
      case Do::ended: {
        std::uint64_t id = nobody;
        bp_status of = BP_OK;
        const bp_status status = fiber.ended(run_.token, &id, &of);
        if (status == BP_OK) result = " = " + number_of_id(id) + " " + std::to_string(of);
        return status;
      }
      case Do::open:
        return fiber.open(run_.token);
      case Do::close:
        return fiber.close(run_.token);
      case Do::mistake:
        return mistake(op.at % 3);
      case Do::reply: {
        fiber.open(run_.token);
        const bp_answer answer = answer_of(ending(op.at));
        return run_.host->reply(run_.token, &answer);
      }
      default:
        return wait(op.what);
    }
  }
  bp_status wait(Do what) {
    const bp_await_api& await = *run_.await;
    if (what == Do::check) return await.check(run_.token, nullptr);
    if (what == Do::sleep) return await.sleep(run_.token, 0);
    bp_result result{};
    result.struct_size = sizeof result;
    const auto payload = bytes_of(run_.number);
    bp_status status = BP_OK;
    if (what == Do::call) {
      status = await.call(run_.token, BP_STR("matrix.echo"), payload, 0, &result);
    } else {
      const bp_str name = what == Do::ask        ? BP_STR("fixture.ask")
                          : what == Do::ask_desk ? BP_STR("fixture.ask_desk")
                          : what == Do::cancel   ? BP_STR("fixture.cancel")
                                                 : BP_STR("fixture.cancel_desk");
      run_.asking = number_;
      status = await.host_call(run_.token, name, payload, 0, &result);
    }
    if (status == BP_OK && host_test::text_of(result.payload) != run_.number) tell("got another's answer");
    run_.host->result_free(&result);
    return status;
  }

  bp_status create(const Op& op, std::string& result) {
    const std::size_t made = run_.ids.size();
    auto player = std::make_unique<Player>(run_, run_.program->scripts[1 + op.at % 3], made);
    const bp_fiber_desc desc{sizeof desc, 0, entry, player.get(), release, op.at < 4 ? 0u : 98304u};
    std::uint64_t id = nobody;
    const bp_status status = run_.fiber->create(run_.token, &desc, &id);
    if (status != BP_OK) {
      if (id != nobody) tell("got an id of no fiber");
      return status;
    }
    player.release()->number_ = made;
    if (id <= run_.ids.back()) tell("got an id that is not new");
    run_.ids.push_back(id);
    result = " = " + std::to_string(made);
    return status;
  }
  bp_status mistake(int which) {
    run_.fiber->open(run_.token);
    const std::uint64_t stack_size = which == 2 ? 16383 : 0;
    const bp_fiber_desc desc{sizeof desc, 0, which == 0 ? nullptr : entry, this, release, stack_size};
    std::uint64_t id = 0;
    return run_.fiber->create(run_.token, &desc, which == 1 ? nullptr : &id);
  }
  static bp_status entry(void* arg) {
    Player& player = *static_cast<Player*>(arg);
    return player.play();
  }
  static void release(void* arg) {
    const std::unique_ptr<Player> player(static_cast<Player*>(arg));
    player->tell("is released");
  }

  std::size_t created() const { return run_.ids.size() - 1; }
  std::uint64_t id_of(const Op& op) const {
    const std::size_t number = number_of(op.at, number_, created());
    return number == nobody ? 1'000'000 + op.at : run_.ids[number];
  }
  std::string number_of_id(std::uint64_t id) const {
    const auto found = std::find(run_.ids.begin(), run_.ids.end(), id);
    return found == run_.ids.end() ? "nobody" : std::to_string(found - run_.ids.begin());
  }
  void say(const std::string& what, bp_status status, int thrown = 0) {
    run_.trace.push_back(line(number_, what, status, std::uncaught_exceptions() - thrown, handled_number()));
  }

  Run& run_;
  const Script& script_;
  std::size_t number_;
  std::size_t next_ = 0;
  std::size_t depth_ = 0;
  bool doomed_ = false;
  bp_status status_ = BP_OK;
};

}  // namespace

ModelFixture::ModelFixture() {
  bp_log_level(BP_LOG_OFF);  // it warns of each swallowed cancellation
  begin(handle);
  host_test::load(context_.native, "matrix", config());
  for (const std::string_view name : {"fixture.ask", "fixture.ask_desk", "fixture.cancel", "fixture.cancel_desk"}) {
    REQUIRE(bp_function_set(context_.native, str(name), asked, this) == BP_OK);
  }
}

ModelFixture::~ModelFixture() {
  context_.destroy();
  host_test::Result result;
  bp_module_unload(bp_host_context(), BP_STR("matrix"), 1, &result);
}

bp_handled ModelFixture::handle(host_test::MatrixFixture& fixture, const host_test::Here& here) {
  auto& self = static_cast<ModelFixture&>(fixture);
  Run& run = self.runs_[std::stoul(host_test::text_of(here.call.payload))];
  run.host = &here.host;
  run.await = &here.await;
  run.fiber = static_cast<const bp_fiber_api*>(here.host.extension(BP_EXT_FIBER));
  run.token = here.call.token;
  const bp_status status = Player(run, run.program->scripts[0], 0).play();
  const bp_answer answer = answer_of(status);
  run.host->reply(run.token, &answer);
  return BP_DONE;
}

// The host functions.
void ModelFixture::asked(void* user, bp_context context, bp_token token, bp_str name, bp_bytes payload) {
  auto& self = *static_cast<ModelFixture*>(user);
  const std::string number = host_test::text_of(payload);
  Run& run = self.runs_[std::stoul(number)];
  run.trace.push_back(std::to_string(run.asking) + " is heard");
  std::uint64_t id = 0;
  for (const bp_token each : {token, run.token}) {
    if (run.fiber->active(each, &id) != BP_NOT_SUPPORTED) run.trace.emplace_back("a host function has fibers");
  }
  const std::string what = host_test::text_of(name);
  const auto answer = [context, token, number, cancel = what.starts_with("fixture.cancel"), &run] {
    if (cancel && bp_cancel(context, run.request) == BP_OK) {
      run.canceled = true;
      return;  // nobody waits for it any more
    }
    const bp_answer with = answer_of(BP_OK, number);
    bp_complete(context, token, &with);
  };
  if (what.ends_with("_desk")) return self.hand(answer, true);
  answer();
}

// Of a run that is over.
Seen ModelFixture::seen_of(Run& run) {
  Seen seen{run.trace, run.answer, 0};
  if (run.answered != seen.trace.size() && !run.canceled) seen.trace.emplace_back("was answered before its end");
  if (run.replies.terminal() != 1) seen.trace.emplace_back("was answered more than once");
  if (seen.answer != BP_ENTRY_RETURNED) return seen;
  // The id is the first number of the message.
  const std::string message = run.replies.message();
  const std::size_t digit = message.find_first_of("0123456789");
  const std::uint64_t id = digit == std::string::npos ? nobody : std::stoull(message.substr(digit));
  seen.returned = static_cast<std::size_t>(std::find(run.ids.begin(), run.ids.end(), id) - run.ids.begin());
  return seen;
}

std::vector<Seen> ModelFixture::play(const std::vector<Program>& programs) {
  runs_.clear();
  for (const Program& program : programs) {
    Run& run = runs_.emplace_back();
    run.fixture = this;
    run.program = &program;
    run.number = std::to_string(runs_.size() - 1);
  }
  for (Run& run : runs_) {
    context_.submit("matrix.run", run.replies, run.number, 0, &run.request, BP_SUBMIT_NO_STALE);
  }
  for (Run& run : runs_) {
    run.replies.wait();
    if (run.replies.terminal() != 0) continue;
    std::cerr << "no end of run " << run.number << ":" << *run.program << std::endl;
    std::abort();
  }
  REQUIRE(wait_thread());
  // Behind it in the queue: one that was canceled is answered before its fibers have ended.
  REQUIRE(context_.call("matrix.echo", "over") == "ok:over");
  std::vector<Seen> all;
  for (Run& run : runs_) all.push_back(seen_of(run));
  return all;
}

}  // namespace fibers_model
