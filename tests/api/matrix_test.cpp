// SPDX-License-Identifier: Apache-2.0
//
// Exactly one terminal reply for each accepted call: each way of answering times each thing that may happen to
// the call meanwhile. The table in matrix_rows.hpp says what each may end with.
#include "matrix_rows.hpp"
#include "status_counts.hpp"

using namespace host_test;

namespace {

constexpr std::uint64_t deadline_ms = 5;

/// A host with the modules in it, for all combinations of one ending.
struct LoadedMatrix {
  LoadedMatrix() {
    bp_log_level(BP_LOG_OFF);
    for (const char* name : {"matrix", "matrix_other"}) load(keeper.native, name, fixture.config());
    load(keeper.native, "throws", "");
  }
  ~LoadedMatrix() {
    for (const char* name : {"matrix", "matrix_other", "throws"}) CHECK(unloaded(keeper.native, name));
  }
  MatrixFixture fixture;
  const Context keeper;  // holds the host while the other contexts come and go
};

bp_context_options options_for(Ending ending) {
  bp_context_options options = no_options();
  options.stale_interval_ms = 2;
  // Long enough to end anything that can be ended; where calls are held back it passes once.
  options.stop_timeout_ms = ending == Ending::destroy || ending == Ending::renew ? 40 : 20'000;
  return options;
}

/// One row under one ending.
class Combination {
 public:
  Combination(LoadedMatrix& loaded, const Row& row, Ending ending)
      : loaded_(loaded), fixture_(loaded.fixture), row_(row), ending_(ending), context_(options_for(ending)) {
    fixture_.begin(row.handler, row.inner_answers && &row.allowed != &never);
    for (const auto& [name, function] : std::initializer_list<std::pair<const char*, bp_host_function_fn>>{
             {app_now, answer_now}, {app_later, answer_later}, {app_never, answer_never}}) {
      REQUIRE(bp_function_set(context_.native, str(name), function, &fixture_) == BP_OK);
    }
  }

  void run() {
    begin();
    switch (ending_) {
      case Ending::nothing:
        return let_end();
      case Ending::cancel:
        cancel();
        return let_end();
      case Ending::deadline:
        return pass_deadline();
      case Ending::unload:
        return unload_module();
      case Ending::reload:
        return reload_module();
      case Ending::close:
        CHECK(bp_context_close(context_.native) == BP_OK);
        CHECK(round_.submit(context_.native, row_.wire) == BP_CLOSED);
        return let_end();
      case Ending::stop:
        return stop();
      case Ending::destroy:
        return destroy(nullptr);
      case Ending::renew:
        Context next;
        return destroy(&next);
    }
  }

 private:
  bool is_never() const { return &row_.allowed == &never; }
  bool is_held() const { return is_never() || &row_.allowed == &held || &row_.allowed == &behind; }
  bool holds_request_thread() const { return row_.holder == Holder::request_thread; }
  std::string module() const { return std::string(row_.wire).substr(0, std::string(row_.wire).find('.')); }

  void begin() {
    if (row_.holder != Holder::none) {
      REQUIRE(holder_.submit(context_.native, row_.wire, 0, "hold") == BP_OK);
      REQUIRE(fixture_.wait_arrived(1));  // the request thread takes the others when it comes back
    }
    const std::uint64_t timeout_ms = ending_ == Ending::deadline ? deadline_ms : 0;
    submitted_ = Clock::now();
    for (int i = 0; i < crowd; ++i) REQUIRE(round_.submit(context_.native, row_.wire, timeout_ms) == BP_OK);
    if (ending_ == Ending::deadline || !is_held()) return;  // may end before it begins, or at any time
    REQUIRE(fixture_.wait_arrived(row_.arrivals));
    if (holds_request_thread()) return;
    // Behind the others in the queue: they have begun, and those that suspend have.
    CHECK(context_.call("matrix.echo", "fence") == "ok:fence");
    CHECK(round_.ended() == 0);
  }
  void cancel() {
    for (Round::Call& call : round_.calls()) {
      const bp_status status = bp_cancel(context_.native, call.request);
      CHECK((status == BP_OK || status == BP_INVALID_HANDLE));
      call.canceled = status == BP_OK;
    }
  }
  // Let the handlers continue, and cancel those that do not end by themselves.
  void let_end() {
    if (is_never() && ending_ != Ending::cancel) cancel();
    fixture_.open();
    CHECK(round_.wait());
    CHECK(holder_.wait());
    CHECK(eventually([&] { return StatusCounts(loaded_.keeper.native).nothing_open(); }));
    check();
  }
  void pass_deadline() {
    if (holds_request_thread()) {
      std::this_thread::sleep_until(submitted_ + std::chrono::milliseconds(2 * deadline_ms));
    } else {
      CHECK(round_.wait());
      CHECK(Clock::now() - submitted_ >= std::chrono::milliseconds(is_held() ? deadline_ms : 0));
    }
    let_end();
  }
  void unload_module() {
    Result result;
    const bp_status status = unload(loaded_.keeper.native, module(), result);
    if (is_held()) {
      CHECK(status == BP_PINNED);
      if (!holds_request_thread()) CHECK(result.says("requests"));
    } else {
      CHECK((status == BP_OK || status == BP_PINNED));
    }
    let_end();
    CHECK(context_.call(row_.wire) == "module_gone");
    CHECK(unloaded(loaded_.keeper.native, module()));
    load(loaded_.keeper.native, module(), module() == "throws" ? "" : fixture_.config());
  }
  void reload_module() {
    std::thread reloader([&] {
      Result result;
      reloaded_ = bp_module_reload(loaded_.keeper.native, str(module()), nullptr, 1, &result);
    });
    // The new instance is made on the request thread: not while a handler holds it.
    if (holds_request_thread()) fixture_.open();
    reloader.join();
    CHECK(reloaded_ == BP_OK);
    let_end();
  }
  void stop() {
    const bp_status status = bp_context_stop(context_.native, 5);
    CHECK((status == BP_OK || status == BP_TIMEOUT));
    wait_canceled();
    fixture_.open();
    CHECK(bp_context_stop(context_.native, 20'000) == BP_OK);
    CHECK(round_.ended() == crowd);
    check();
  }
  // On a machine so slow that the stop was over before it had canceled everything.
  void wait_canceled() {
    if (is_held() && !holds_request_thread()) CHECK(round_.wait());
  }
  void destroy(const Context* next) {
    const bp_status status = context_.destroy();
    CHECK((status == BP_OK || status == BP_TIMEOUT));
    const std::size_t heard = round_.callbacks();
    if (status == BP_OK) CHECK(round_.ended() == crowd);
    Round fresh;
    if (next != nullptr) {
      for (int i = 0; i < crowd; ++i) REQUIRE(fresh.submit(next->native, "matrix.echo", 0, "new") == BP_OK);
    }
    wait_canceled();
    fixture_.open();  // whatever is answered now comes too late, and reaches nobody
    CHECK(round_.wait());
    CHECK(holder_.wait());
    const std::size_t left = next == nullptr ? 1 : 2;
    CHECK(eventually([&] { return StatusCounts(loaded_.keeper.native).contexts == left; }));
    check();
    if (status == BP_OK) CHECK(round_.callbacks() == heard);
    CHECK(fresh.wait());
    CHECK(fresh.wrong("ok") == Seen{});
    CHECK(fresh.callbacks() == fresh.calls().size());
  }
  void check() {
    CHECK(fixture_.wait_thread());
    const Allowed& of = row_.allowed;
    const char* const allowed[] = {of.nothing, of.cancel, of.deadline, of.unload, of.reload,
                                   of.close,   of.stop,   of.destroy,  of.destroy};
    std::string statuses = allowed[static_cast<int>(ending_)];
    if (const auto own = statuses.find('='); own != std::string::npos) statuses.replace(own, 1, row_.own);
    CHECK(round_.wrong(statuses) == Seen{});
    CHECK(holder_.wrong("ok canceled") == Seen{});
    CHECK(fixture_.odd == 0);
    // An answer that the host has taken is what the caller got, and one that the caller got was taken.
    if (row_.handler != nullptr) CHECK(fixture_.accepted == round_.ended_by_handler());
  }

  LoadedMatrix& loaded_;
  MatrixFixture& fixture_;
  const Row& row_;
  const Ending ending_;
  Round round_;
  Round holder_;
  Context context_;
  Clock::time_point submitted_{};
  bp_status reloaded_ = BP_ERROR;
};

void run_all(Ending ending) {
  LoadedMatrix loaded;
  for (const Row& row : rows) {
    CAPTURE(row.what);
    // What races comes out otherwise each time; what is held back does not.
    for (int round = 0; round < (&row.allowed == &races ? 4 : 1); ++round) Combination(loaded, row, ending).run();
  }
}

}  // namespace

TEST_CASE("each call ends once, as its handler has it") { run_all(Ending::nothing); }
TEST_CASE("a canceled call ends once, however its handler answers") { run_all(Ending::cancel); }
TEST_CASE("a call whose deadline passes ends once, however its handler answers") { run_all(Ending::deadline); }
TEST_CASE("a call whose module is unloaded ends once, however its handler answers") { run_all(Ending::unload); }
TEST_CASE("a call whose module is reloaded ends once, however its handler answers") { run_all(Ending::reload); }
TEST_CASE("a call whose context is closed ends once, however its handler answers") { run_all(Ending::close); }
TEST_CASE("a call whose context is stopped ends once, however its handler answers") { run_all(Ending::stop); }
TEST_CASE("a call whose context is destroyed ends once, however its handler answers") { run_all(Ending::destroy); }
TEST_CASE("a context made right after a destroyed one hears nothing of its calls") { run_all(Ending::renew); }
