// SPDX-License-Identifier: Apache-2.0
//
// One generation in the place of another: what is kept, what changes, what a failed reload leaves.
#include <catch2/catch.hpp>

#include "harness.hpp"

namespace fs = std::filesystem;

namespace {

std::string generation_bytes(const std::string& letter) { return read_all(module_file("generation_" + letter)); }

void check_gone(const Value& unloaded) {
  CHECK(unloaded["outcome"].text == "gone");
  CHECK(unloaded["reasons"].items.empty());
}

}  // namespace

TEST_CASE("a reload puts the new generation in the place of the old one, which goes") {
  Context ctx;
  const Value loaded = ctx.load(module_file("generation_a")).report();
  CHECK(ctx.call("gen.which").payload == "1");
  const Value report = ctx.reload("gen", module_file("generation_b")).report();
  CHECK(report["module"].text == "gen");
  CHECK(report["version"].text == "2");
  CHECK(report["generation"].number == loaded["generation"].number + 1);
  CHECK(report["path"].text == module_file("generation_b"));
  CHECK(report["names"].texts() == std::vector<std::string>{"gen.which", "gen.slow"});
  CHECK(report["old"]["module"].text == "gen");
  CHECK(report["old"]["generation"].number == loaded["generation"].number);
  check_gone(report["old"]);
  CHECK(ctx.call("gen.which").payload == "2");
  CHECK(mapped_objects("/gen.g").size() == 1);
  REQUIRE(ctx.modules().size() == 1);
  CHECK(ctx.modules()[0]["path"].text == module_file("generation_b"));
  check_gone(ctx.unload("gen").report());
}

TEST_CASE("a sleeper begun on the old generation ends there, and the old generation waits for it") {
  Context ctx;
  REQUIRE(ctx.load(module_file("generation_a")).status == BP_OK);
  Call slow;
  REQUIRE(slow.submit(ctx, "gen.slow", "200") == BP_OK);
  ctx.settle();
  const Value report = ctx.reload("gen", module_file("generation_b")).report();
  check_gone(report["old"]);
  CHECK(slow.replies() == 1);
  CHECK(slow.wait().payload == "1");
  CHECK(ctx.call("gen.slow", "1").payload == "2");
  check_gone(ctx.unload("gen").report());
}

TEST_CASE("a reload does not wait longer than it is told, says what is left, and that goes by itself") {
  Context ctx;
  REQUIRE(ctx.load(module_file("generation_a")).status == BP_OK);
  Call slow;
  REQUIRE(slow.submit(ctx, "gen.slow", "60000") == BP_OK);
  ctx.settle();
  const Outcome out = ctx.reload("gen", module_file("generation_b"), 20);
  REQUIRE(out.status == BP_OK);
  const Value report = out.report();
  CHECK(report["old"]["outcome"].text == "pinned");
  REQUIRE(report["old"]["reasons"].items.size() == 1);
  CHECK(report["old"]["reasons"].items[0]["kind"].text == "requests");
  CHECK(ctx.call("gen.which").payload == "2");
  REQUIRE(ctx.modules().size() == 2);
  CHECK(ctx.modules()[0]["state"].text == "draining");
  CHECK(ctx.modules()[1]["state"].text == "running");
  CHECK(ctx.reload("gen", module_file("generation_a")).report()["old"]["outcome"].text == "gone");
  CHECK(ctx.call("gen.which").payload == "1");
  CHECK(slow.cancel() == BP_OK);
  CHECK(slow.wait().status == BP_CANCELED);
  CHECK(comes_true([&] { return ctx.modules().size() == 1 && mapped_objects("/gen.g").size() == 1; }));
  check_gone(ctx.unload("gen").report());
  CHECK(ctx.unload("gen").status == BP_NOT_LOADED);
}

TEST_CASE("a broken next generation leaves the old one serving") {
  bp_log_level(BP_LOG_OFF);
  TempDir dir;
  Context ctx;
  const std::string path = write_all(dir / "gen.so", generation_bytes("a"));
  REQUIRE(ctx.load(path).status == BP_OK);
  const std::uint64_t number = ctx.modules()[0]["generation"].number;
  struct Broken {
    std::string bytes;
    const char* says;
  };
  const Broken all[] = {
      {generation_bytes("broken"), "this generation was never meant to start"},
      {generation_bytes("b").substr(0, 5000), "damaged or truncated"},
      {"not yet written", "not an ELF file"},
      {"", "it is empty"},
      {read_all(module_file("holder")), "it is the module \"holder\", expected the next generation of \"gen\""},
  };
  for (const Broken& each : all) {
    write_all(path, each.bytes);
    const Outcome out = ctx.reload("gen");
    INFO(out.message);
    CHECK(out.status == BP_LOAD_REFUSED);
    CHECK(out.message.find(path + ": it") == 0);
    CHECK(out.says(each.says));
    CHECK(ctx.call("gen.which").payload == "1");
    REQUIRE(ctx.modules().size() == 1);
    CHECK(ctx.modules()[0]["generation"].number == number);
    CHECK(mapped_objects("/gen.g").size() == 1);
  }
  fs::remove(path);
  CHECK(ctx.reload("gen").status == BP_LOAD_REFUSED);
  CHECK(ctx.call("gen.which").payload == "1");
  write_all(path, generation_bytes("b"));
  CHECK(ctx.reload("gen").status == BP_OK);
  CHECK(ctx.call("gen.which").payload == "2");
  check_gone(ctx.unload("gen").report());
}

TEST_CASE("a next generation that fails in one of the contexts leaves the old one serving in all of them") {
  bp_log_level(BP_LOG_OFF);
  Context one;
  REQUIRE(one.load(module_file("instance_fails_second")).status == BP_OK);
  Context two;  // in which it failed
  const Outcome out = one.reload("instance_fails_second");
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK(out.says("there is one already"));
  CHECK(one.call("instance_fails_second.echo", "x").payload == "x");
  CHECK(two.call("instance_fails_second.echo", "x").status == BP_INSTANCE_FAILED);
  CHECK(mapped_objects("/instance_fails_second.g").size() == 1);
  check_gone(one.unload("instance_fails_second").report());
}

TEST_CASE("a name that the new generation lacks is unknown, one it adds is there, and handles stay right") {
  Context ctx;
  REQUIRE(ctx.load(module_file("generation_a")).status == BP_OK);
  bp_method which{};
  bp_method slow{};
  REQUIRE(ctx.find("gen.which", &which) == BP_OK);
  REQUIRE(ctx.find("gen.slow", &slow) == BP_OK);
  CHECK(ctx.find("gen.extra") == BP_UNKNOWN_NAME);
  REQUIRE(ctx.reload("gen", module_file("generation_c")).status == BP_OK);
  const auto by_handle = [&](bp_method method) {
    Call call;
    REQUIRE(call.submit(ctx, {}, "1", method) == BP_OK);
    return call.wait();
  };
  CHECK(by_handle(which).payload == "3");
  CHECK(by_handle(slow).status == BP_UNKNOWN_NAME);
  CHECK(ctx.call("gen.slow", "1").status == BP_UNKNOWN_NAME);
  CHECK(ctx.find("gen.slow") == BP_UNKNOWN_NAME);
  CHECK(ctx.call("gen.extra").payload == "3");
  REQUIRE(ctx.reload("gen", module_file("generation_b")).status == BP_OK);
  CHECK(by_handle(which).payload == "2");
  CHECK(by_handle(slow).payload == "2");
  CHECK(ctx.call("gen.extra").status == BP_UNKNOWN_NAME);
  check_gone(ctx.unload("gen").report());
  CHECK(by_handle(which).status == BP_MODULE_GONE);
}

TEST_CASE("a file may be replaced by a rename, and is taken at the next reload") {
  TempDir dir;
  Context ctx;
  const std::string path = write_all(dir / "gen.so", generation_bytes("a"));
  REQUIRE(ctx.load(path).status == BP_OK);
  for (const char* letter : {"b", "a", "b"}) {
    fs::rename(write_all(dir / "next.so", generation_bytes(letter)), path);
    const std::string before = ctx.call("gen.which").payload;
    check_gone(ctx.reload("gen").report()["old"]);
    CHECK(before == (*letter == 'b' ? "1" : "2"));
    CHECK(ctx.call("gen.which").payload == (*letter == 'b' ? "2" : "1"));
  }
  check_gone(ctx.unload("gen").report());
}

TEST_CASE("a file may be overwritten or cut off while its module runs, because that runs from a copy") {
  TempDir dir;
  Context ctx;
  const std::string path = write_all(dir / "gen.so", generation_bytes("a"));
  REQUIRE(ctx.load(path).status == BP_OK);
  write_all(path, std::string(200'000, '\xcc'));
  CHECK(ctx.call("gen.slow", "1").payload == "1");
  write_all(path, "");
  CHECK(ctx.call("gen.slow", "1").payload == "1");
  Context later;  // its instance comes from the copy too
  CHECK(later.call("gen.slow", "1").payload == "1");
  write_all(path, generation_bytes("b"));
  CHECK(ctx.call("gen.which").payload == "1");
  CHECK(ctx.reload("gen").status == BP_OK);
  CHECK(later.call("gen.which").payload == "2");
  check_gone(ctx.unload("gen").report());
}

TEST_CASE("fifty reloads in a row leave no mapping, descriptor or thread behind") {
  Context ctx;
  REQUIRE(ctx.load(module_file("generation_a")).status == BP_OK);
  REQUIRE(ctx.reload("gen").status == BP_OK);
  const auto fds = descriptors();
  const auto tasks = threads();
  const auto copies = copies_in_maps();
  for (int i = 0; i < 50; ++i) {
    const Outcome out = ctx.reload("gen", module_file(i % 2 == 0 ? "generation_b" : "generation_a"));
    REQUIRE(out.status == BP_OK);
    REQUIRE(out.report()["old"]["outcome"].text == "gone");
    REQUIRE(ctx.call("gen.which").payload == (i % 2 == 0 ? "2" : "1"));
  }
  CHECK(mapped_objects("/gen.g").size() == 1);
  CHECK(copies_in_maps() == copies);
  CHECK(descriptors() == fds);
  CHECK(threads() == tasks);
  check_gone(ctx.unload("gen").report());
}

TEST_CASE("an offered function that is reloaded while it owes an answer gives it, and then goes") {
  TempDir dir;
  ::setenv("BP_TEST_LATE", (dir / "now").c_str(), 1);
  Context ctx;
  REQUIRE(ctx.load(module_file("asks")).status == BP_OK);
  REQUIRE(ctx.load(module_file("late_offer")).status == BP_OK);
  Call asked;
  REQUIRE(asked.submit(ctx, "asks.host", "late.answer") == BP_OK);
  ctx.settle();
  const Value report = ctx.reload("late_offer", {}, 20).report();
  CHECK(report["old"]["outcome"].text == "pinned");
  REQUIRE(report["old"]["reasons"].items.size() == 1);
  CHECK(report["old"]["reasons"].items[0]["kind"].text == "tokens");
  // The asking module may be reloaded meanwhile too: its handler ends where it began.
  CHECK(ctx.reload("asks", {}, 20).report()["old"]["reasons"].items[0]["kind"].text == "requests");
  write_all(dir / "now", "");
  CHECK(asked.wait().payload == "late");
  CHECK(ctx.call("asks.host", "late.answer").payload == "late");
  CHECK(comes_true([&] { return ctx.modules().size() == 2; }));
  CHECK(asked.replies() == 1);
  check_gone(ctx.unload("late_offer").report());
  check_gone(ctx.unload("asks").report());
}

TEST_CASE("a handler that waits for the application across a reload gets its answer where it began") {
  struct Held {
    std::atomic<bp_token> token{0};
    static void keep(void* user, bp_context, bp_token token, bp_str, bp_bytes) {
      static_cast<Held*>(user)->token = token;
    }
  } held;
  Context ctx;
  REQUIRE(bp_function_set(ctx, str("held.open"), Held::keep, &held) == BP_OK);
  REQUIRE(ctx.load(module_file("asks")).status == BP_OK);
  for (const char* name : {"asks.host", "asks.blocking"}) {
    held.token = 0;
    Call asked;
    REQUIRE(asked.submit(ctx, name, "held.open") == BP_OK);
    REQUIRE(comes_true([&] { return held.token != 0; }));
    const Value report = ctx.reload("asks", {}, 20).report();
    REQUIRE(report["old"]["reasons"].items.size() == 1);
    CHECK(report["old"]["reasons"].items[0]["kind"].text == "requests");
    CHECK(asked.replies() == 0);
    bp_answer answer{};
    answer.struct_size = sizeof answer;
    answer.payload = bytes("at last");
    CHECK(bp_complete(ctx, held.token, &answer) == BP_OK);
    CHECK(bp_complete(ctx, held.token, &answer) == BP_STALE_TOKEN);
    CHECK(asked.wait().payload == "at last");
    CHECK(comes_true([&] { return mapped_objects("/asks.g").size() == 1; }));
  }
  check_gone(ctx.unload("asks").report());
}

TEST_CASE("a configuration reaches the module, stays over a reload, and is replaced by a new one") {
  const std::string one =
      "\xa1\x61"
      "a\x01";
  const std::string two =
      "\xa1\x61"
      "b\x02";
  Context ctx;
  REQUIRE(ctx.load(module_file("settings"), one).status == BP_OK);
  CHECK(ctx.call("settings.config").payload == one);
  CHECK(ctx.reload("settings").status == BP_OK);
  CHECK(ctx.call("settings.config").payload == one);
  CHECK(ctx.reload("settings", module_file("settings")).status == BP_OK);
  CHECK(ctx.call("settings.config").payload == one);
  CHECK(ctx.reload("settings", {}, 0, two).status == BP_OK);
  CHECK(ctx.call("settings.config").payload == two);
  CHECK(ctx.reload("settings", {}, 0, "\x01").status == BP_INVALID_ARGUMENT);
  CHECK(ctx.call("settings.config").payload == two);
  CHECK(outcome_of([&](bp_result* result) {
          return bp_module_reload(ctx, str("settings"), nullptr, 0, result);
        }).status == BP_OK);
  CHECK(ctx.call("settings.config").payload == two);
  check_gone(ctx.unload("settings").report());
  REQUIRE(ctx.load(module_file("settings")).status == BP_OK);
  CHECK(ctx.call("settings.config").payload == "\xa0");
  check_gone(ctx.unload("settings").report());
}

TEST_CASE("without a data directory of the host's, a module gets a temporary one, the same over a reload") {
  Context ctx;
  REQUIRE(ctx.load(module_file("settings")).status == BP_OK);
  const std::string path = ctx.call("settings.data_dir").payload;
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK(S_ISDIR(status.st_mode));
  CHECK((status.st_mode & 07777) == 0700);
  REQUIRE(::stat(fs::path(path).parent_path().c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0700);
  CHECK(ctx.reload("settings").status == BP_OK);
  CHECK(ctx.call("settings.data_dir").payload == path);
  check_gone(ctx.unload("settings").report());
}
