// SPDX-License-Identifier: Apache-2.0
//
// Reloads the old generation first whose code does not return: calls do not wait for ever, and the old file comes back
// unless somebody has given the module up.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <mutex>

#include "old_first.hpp"

namespace {

struct Place : TempDir {
  explicit Place(const char* hangs) {
    static const bool configured = [] {
      bp_host_options options{};
      options.struct_size = sizeof options;
      options.load_timeout_ms = 300;
      return outcome_of([&](bp_result* result) { return bp_host_configure(&options, result); }).status == BP_OK;
    }();
    REQUIRE(configured);
    ::setenv("BP_TEST_LOCK", (*this / "lock").c_str(), 1);
    ::setenv("BP_TEST_LATE", late.c_str(), 1);
    hang(hangs);
  }
  static void hang(const char* place) { ::setenv("BP_TEST_HANG", place, 1); }
  /// The code that hangs returns, and no other hangs.
  void let_go() const {
    hang("nothing");
    write_all(late, "");
  }
  const std::string late = *this / "late";
};

/// The events of the host about modules.
class News {
 public:
  explicit News(Context& ctx) : ctx_(ctx) {
    REQUIRE(bp_listen(ctx, str("backplane.module_*"), on_event, this, &listener_) == BP_OK);
  }
  News(const News&) = delete;
  News& operator=(const News&) = delete;
  ~News() { bp_unlisten(ctx_, listener_); }
  /// The payload of the first of this name; empty if it does not come.
  Value wait(const std::string& name) {
    Value found;
    comes_true([&] {
      const std::lock_guard lock(mutex_);
      for (const auto& [each, payload] : all_) {
        if (each == name) found = Value::of(payload)["payload"];
      }
      return !found.empty();
    });
    return found;
  }
  std::size_t count(const std::string& name) {
    const std::lock_guard lock(mutex_);
    std::size_t n = 0;
    for (const auto& each : all_) n += each.first == name;
    return n;
  }

 private:
  static void on_event(void* user, const bp_event* event) {
    auto& self = *static_cast<News*>(user);
    const std::lock_guard lock(self.mutex_);
    self.all_.emplace_back(std::string(event->name.data, event->name.size),
                           std::string(reinterpret_cast<const char*>(event->payload.data), event->payload.size));
  }

  Context& ctx_;
  bp_listener listener_{};
  std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> all_;
};

/// What is told when the old file cannot be loaded again after the reload has been refused, which is told, too.
Value late_refusal(News& news) {
  Value told;
  CHECK(comes_true([&] {
    told = news.wait("backplane.module_refused");
    return told["kind"].text == "load";
  }));
  return told;
}

/// owner_1 was to be reloaded, and the init of owner_2 hangs: the reload has been refused.
struct HangingInit {
  HangingInit() {
    REQUIRE(ctx.load(module_file("owner_1")).status == BP_OK);
    Place::hang("init");
    std::thread reloads([&] { out = old_first::reload(ctx, "owner_2"); });
    began = comes_true([&] { return ctx.state("owner") == "loading"; });
    submitted = held.submit(ctx, "owner.generation");
    reloads.join();
  }
  bool code_has_returned() {
    const Value status = outcome_of([&](bp_result* result) { return bp_host_status(ctx, result); }).report();
    return status["module_calls"].items.empty() && ctx.state("owner") != "loading";
  }
  Place place{"nothing"};
  Context ctx;
  bool began = false;
  bp_status submitted = BP_OK;
  Call held;
  Outcome out;
};

}  // namespace

TEST_CASE("an old generation whose deinit hangs gives the reload up, and the calls that waited learn it") {
  const Place place("nothing");
  Context ctx;
  REQUIRE(ctx.load(module_file("owner_1")).status == BP_OK);
  Call busy;
  REQUIRE(busy.submit(ctx, "owner.sleep", "100") == BP_OK);
  ctx.settle();
  Place::hang("deinit");
  Outcome out;
  std::thread reloads([&] { out = old_first::reload(ctx, "owner_2", 200); });
  const bool drains = comes_true([&] { return ctx.state("owner") == "draining"; });
  Call held;
  const bp_status submitted = held.submit(ctx, "owner.generation");
  reloads.join();
  REQUIRE(drains);
  REQUIRE(submitted == BP_OK);
  INFO(out.message);
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK(out.says("has not returned"));
  for (const Outcome& refused : {held.wait(), ctx.call("owner.generation")}) {
    INFO(refused.message);
    CHECK(refused.status == BP_MODULE_GONE);
    CHECK(refused.says("module \"owner\": its reload hangs; the old generation's deinit"));
  }
  place.let_go();
  CHECK(comes_true([&] { return ctx.call("owner.generation").says("is not loaded any more"); }));
  CHECK(comes_true([&] { return ctx.load(module_file("owner_2")).status == BP_OK; }));
  CHECK(ctx.call("owner.generation").payload == "2");
  CHECK(ctx.unload("owner").status == BP_OK);
}

TEST_CASE("a new generation whose init hangs is refused, calls learn it, and the old file runs when it has returned") {
  HangingInit hanging;
  Context& ctx = hanging.ctx;
  REQUIRE(hanging.began);
  INFO(hanging.out.message);
  CHECK(hanging.out.status == BP_LOAD_REFUSED);
  CHECK(hanging.out.says("the old file is loaded again"));
  REQUIRE(hanging.submitted == BP_OK);
  for (const Outcome& refused : {hanging.held.wait(), ctx.call("owner.generation")}) {
    INFO(refused.message);
    CHECK(refused.status == BP_MODULE_GONE);
    CHECK(refused.says("module \"owner\": its reload hangs; the new generation's code has not returned"));
  }
  CHECK(ctx.reload("owner").says("its reload hangs"));
  News news(ctx);
  hanging.place.let_go();
  const Value told = news.wait("backplane.module_loaded");
  REQUIRE_FALSE(told.empty());
  CHECK(told["module"].text == "owner");
  CHECK(told["status"].text == "ok");
  CHECK(told["message"].text.find("the old file runs again, as generation ") != std::string::npos);
  CHECK(told["report"]["generation"].number == ctx.modules().front()["generation"].number);
  CHECK(ctx.call("owner.generation").payload == "1");
  CHECK(ctx.unload("owner").status == BP_OK);
}

TEST_CASE("an old file that hangs when it is loaded again for a refused new one is told when it returns") {
  const Place place("nothing");
  Context ctx;
  REQUIRE(ctx.load(module_file("owner_1")).status == BP_OK);
  Place::hang("init of 1");
  const Outcome out = old_first::reload(ctx, "owner_fails");
  INFO(out.message);
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK(out.says("did not return in time"));
  CHECK(ctx.call("owner.generation").says("the new file was refused, and the old file's code has not returned"));
  News news(ctx);
  place.let_go();
  const Value told = late_refusal(news);
  CHECK(told["module"].text == "owner");
  CHECK(told["message"].text.find("the old file cannot be loaded again, so the module is not loaded") !=
        std::string::npos);
  CHECK(ctx.call("owner.generation").says("is not loaded any more"));
  CHECK(ctx.load(module_file("owner_1")).status == BP_OK);
  CHECK(ctx.unload("owner").status == BP_OK);
}

TEST_CASE("an old file that hangs, too, after the code of the new one has returned is told to those who call") {
  HangingInit hanging;
  Context& ctx = hanging.ctx;
  REQUIRE(hanging.began);
  CHECK(hanging.held.wait().status == BP_MODULE_GONE);
  News news(ctx);
  const std::string later = hanging.place / "later";
  ::setenv("BP_TEST_LATE", later.c_str(), 1);
  Place::hang("init of 1");
  write_all(hanging.place.late, "");  // the new code returns
  CHECK(comes_true([&] {
    return ctx.call("owner.generation").says("the new file was refused, and the old file's code has not returned");
  }));
  CHECK(comes_true([&] {
    const Value status = outcome_of([&](bp_result* result) { return bp_host_status(ctx, result); }).report();
    const std::vector<Value>& calls = status["module_calls"].items;
    return calls.size() == 1 && calls.front()["overdue"].number != 0;
  }));
  Place::hang("nothing");
  write_all(later, "");
  const Value told = late_refusal(news);
  CHECK(told["status"].text == "load_refused");
  CHECK(ctx.call("owner.generation").says("is not loaded any more"));
  CHECK(ctx.load(module_file("owner_2")).status == BP_OK);
  CHECK(ctx.unload("owner").status == BP_OK);
}

TEST_CASE("the old file does not come back if the module was unloaded while the new code hung, or the host stops") {
  const bool unload = GENERATE(true, false);
  CAPTURE(unload);
  HangingInit hanging;
  Context& ctx = hanging.ctx;
  REQUIRE(hanging.began);
  CHECK(hanging.held.wait().status == BP_MODULE_GONE);
  News news(ctx);
  if (unload) {
    const Outcome out = ctx.unload("owner");
    INFO(out.message);
    CHECK(out.status == BP_OK);
    CHECK(out.report()["outcome"].text == "gone");
    CHECK(ctx.unload("owner").status == BP_NOT_LOADED);
  } else {
    const Outcome out = outcome_of([&](bp_result* result) { return bp_operation_cancel(ctx, {0}, result); });
    CHECK(out.status == BP_TIMEOUT);
    CHECK(out.says("has not returned"));
  }
  CHECK(ctx.call("owner.generation").says("is not loaded any more"));
  hanging.place.let_go();
  CHECK(comes_true([&] { return hanging.code_has_returned(); }));
  // It takes the turn of the late operation, and so comes after all that this does.
  CHECK(ctx.load(module_file("owner_2")).status == BP_OK);
  CHECK(ctx.call("owner.generation").payload == "2");
  CHECK(news.wait("backplane.module_loaded")["report"]["generation"].number ==
        ctx.modules().front()["generation"].number);
  CHECK(news.count("backplane.module_loaded") == 1);
  CHECK(ctx.modules().size() == 1);
  CHECK(ctx.unload("owner").status == BP_OK);
}
