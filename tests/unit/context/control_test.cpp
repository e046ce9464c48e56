// SPDX-License-Identifier: Apache-2.0
//
// The control threads: who has the turn while a module's code runs, and what happens when it does not return in time.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "context/control.hpp"
#include "modules/generation.hpp"

using namespace backplane::host;
using std::chrono::milliseconds;

namespace {

constexpr std::chrono::seconds long_enough{20};

// An operation that calls "code of a module".
struct Operation final : Control::Job {
  Operation(Control& of, std::function<void()> f) : control(of), code(std::move(f)) {}
  void run() override {
    ModuleCall call;
    call.what = "init";
    call.generation = &generation;
    call.in_dynamic_loader = in_dynamic_loader;
    control.begin(call);
    code();
    in_time = control.end(call);
    ended.set_value();
  }
  void overdue(const std::string& what) noexcept override { told.set_value(what); }

  Control& control;
  std::function<void()> code;
  Module module;
  Generation generation;
  bool in_dynamic_loader = false;
  bool in_time = false;
  std::promise<void> ended;
  std::promise<std::string> told;
};

struct Later final : LaterJob {
  explicit Later(std::function<void()> f) : body(std::move(f)) {}
  void run() override { body(); }
  std::function<void()> body;
};

struct Named final : Control::Job {
  explicit Named(std::function<void()> f) : body(std::move(f)) {}
  void run() override {
    body();
    ended.set_value();
  }
  std::function<void()> body;
  std::promise<void> ended;
};

template <class T>
bool comes(std::future<T>& future) {
  return future.wait_for(long_enough) == std::future_status::ready;
}

}  // namespace

TEST_CASE("while code of a module runs, contexts come and go, and no other operation runs") {
  auto owner = std::make_unique<Control>(milliseconds(60'000));
  Control& control = *owner;
  std::promise<void> inside;
  std::promise<void> release;
  std::atomic<bool> other_ran{false};
  bool ran_meanwhile = true;
  Operation slow(control, [&] {
    inside.set_value();
    release.get_future().wait();
    ran_meanwhile = other_ran.load();
  });
  Named other([&] { other_ran = true; });
  control.post_operation(slow);
  control.post_operation(other);
  inside.get_future().wait();
  CHECK(control.try_here([] {}));
  CHECK(control.run_now([] { return 7; }) == 7);
  CHECK_FALSE(other_ran.load());
  REQUIRE(control.calls().size() == 1);
  CHECK_FALSE(control.calls()[0].overdue);
  release.set_value();
  auto ended = slow.ended.get_future();
  REQUIRE(comes(ended));
  CHECK(slow.in_time);
  CHECK_FALSE(ran_meanwhile);
  auto other_ended = other.ended.get_future();
  CHECK(comes(other_ended));
  CHECK(control.calls().empty());
  owner.reset();  // before what its threads have used
}

TEST_CASE("code that takes too long is left to its thread, and goes on alone when it returns") {
  auto owner = std::make_unique<Control>(milliseconds(50));
  Control& control = *owner;
  std::promise<void> release;
  Operation stuck(control, [&] { release.get_future().wait(); });
  stuck.in_dynamic_loader = true;
  auto told = stuck.told.get_future();
  control.post_operation(stuck);
  REQUIRE(comes(told));
  CHECK(told.get() == "the init of  (generation 0)");
  REQUIRE(control.calls().size() == 1);
  CHECK(control.calls()[0].overdue);
  CHECK_FALSE(control.holder_of_dynamic_loader().empty());

  // The next operation runs, and so do more than there are threads.
  std::vector<std::unique_ptr<Named>> several;
  for (int i = 0; i < 3; ++i) {
    several.push_back(std::make_unique<Named>([] {}));
    auto next_ended = several.back()->ended.get_future();
    control.post_operation(*several.back());
    REQUIRE(comes(next_ended));
  }
  CHECK(control.run_now([] { return 7; }) == 7);

  // It returns while another operation runs: it waits for the end of that.
  std::atomic<bool> second_ended{false};
  std::promise<void> second_inside;
  std::promise<void> second_release;
  Named second([&] {
    second_inside.set_value();
    second_release.get_future().wait();
    second_ended = true;
  });
  control.post_operation(second);
  second_inside.get_future().wait();
  release.set_value();
  auto ended = stuck.ended.get_future();
  CHECK(ended.wait_for(milliseconds(50)) == std::future_status::timeout);
  second_release.set_value();
  REQUIRE(comes(ended));
  CHECK(second_ended.load());
  CHECK_FALSE(stuck.in_time);
  CHECK(control.wait_for_calls(milliseconds(1000)).empty());
  CHECK(control.holder_of_dynamic_loader().empty());
  auto second_over = second.ended.get_future();
  CHECK(comes(second_over));
  owner.reset();
}

TEST_CASE("several calls may be overdue at once") {
  auto owner = std::make_unique<Control>(milliseconds(20));
  Control& control = *owner;
  std::vector<std::promise<void>> releases(3);
  std::vector<std::unique_ptr<Operation>> all;
  for (auto& release : releases) {
    all.push_back(std::make_unique<Operation>(control, [&release] { release.get_future().wait(); }));
    auto told = all.back()->told.get_future();
    control.post_operation(*all.back());
    REQUIRE(comes(told));
  }
  CHECK(control.calls().size() == 3);
  CHECK(control.wait_for_calls(milliseconds(10)).size() == 3);
  for (auto& release : releases) release.set_value();
  for (auto& each : all) {
    auto ended = each->ended.get_future();
    CHECK(comes(ended));
  }
  owner.reset();
}

TEST_CASE("an operation that is posted for later runs then, at the earlier of two times, and others go on meanwhile") {
  Control control;
  std::promise<void> ran;
  Later later([&] { ran.set_value(); });
  const auto begin = Control::Clock::now();
  control.post_operation_later(later, std::chrono::minutes(10));
  CHECK(control.run_now([] { return true; }));
  control.post_operation_later(later, milliseconds(100));
  control.post_operation_later(later, std::chrono::minutes(10));
  std::promise<void> other;
  control.prepare([&] { other.set_value(); })();
  CHECK(other.get_future().wait_for(long_enough) == std::future_status::ready);
  REQUIRE(ran.get_future().wait_for(long_enough) == std::future_status::ready);
  CHECK(Control::Clock::now() - begin >= milliseconds(100));
  // It may be posted again.
  ran = {};
  control.post_operation_later(later, milliseconds(1));
  CHECK(ran.get_future().wait_for(long_enough) == std::future_status::ready);
}

TEST_CASE("an operation whose time has come and that is posted for later before its turn runs once, and none is lost") {
  int runs = 0;
  std::promise<void> again;
  std::promise<void> last_ran;
  auto owner = std::make_unique<Control>();
  Control& control = *owner;
  Later last([&] { last_ran.set_value(); });
  Later twice([&] {
    if (++runs == 2) again.set_value();
  });
  Later first([&] { control.post_operation_later(twice, std::chrono::minutes(10)); });
  // The time of all three comes at once, because the main thread is busy; the newest has the first turn.
  control.run_now([&] {
    for (Later* const each : {&last, &twice, &first}) control.post_operation_later(*each, milliseconds(0));
    return true;
  });
  auto last_future = last_ran.get_future();
  CHECK(comes(last_future));
  CHECK(runs == 1);
  // It may be posted again.
  control.post_operation_later(twice, milliseconds(0));
  auto again_future = again.get_future();
  CHECK(comes(again_future));
  owner.reset();  // before what its threads have used
  CHECK(runs == 2);
}

TEST_CASE("the control threads end without waiting for what is posted for later") {
  const auto begin = Control::Clock::now();
  bool ran = false;
  Later later([&] { ran = true; });
  {
    Control control;
    control.post_operation_later(later, std::chrono::minutes(10));
  }
  CHECK_FALSE(ran);
  CHECK(Control::Clock::now() - begin < long_enough);
}
