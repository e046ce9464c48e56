// SPDX-License-Identifier: Apache-2.0
//
// Reports about modules, names that two modules may not share, and instances in several contexts.
#include <catch2/catch.hpp>

#include "harness.hpp"

namespace {

using Texts = std::vector<std::string>;

// Where the module lifecycle writes its steps.
struct Steps {
  Steps() { ::setenv("BP_TEST_LIFECYCLE", path.c_str(), 1); }
  ~Steps() { ::unsetenv("BP_TEST_LIFECYCLE"); }
  int count(const std::string& step) const {
    std::ifstream in(path);
    int found = 0;
    for (std::string line; std::getline(in, line);) found += line == step;
    return found;
  }
  std::string all() const { return read_all(path); }

  TempDir dir;
  std::string path = dir / "steps";
};

bool holds(const Value& texts, const std::string& words) {
  for (const std::string& text : texts.texts()) {
    if (text.find(words) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a manifest is read without running any code of the file") {
  const Outcome out = inspect(module_file("aborting_constructor"));  // which would end this process
  REQUIRE(out.status == BP_OK);
  const Value report = out.report();
  CHECK(report["name"].text == "aborting_constructor");
  CHECK(report["path"].text == module_file("aborting_constructor"));
  CHECK(mapped_objects("aborting_constructor").empty());
}

TEST_CASE("inspect tells all that a manifest says") {
  const Value report = inspect(module_file("described")).report();
  CHECK(report["name"].text == "described");
  CHECK(report["version"].text == "2.5");
  CHECK(report["abi"].text == "1.0");
  CHECK(report["unload"].text == "drain");
  CHECK(report["summary"].text == "one of everything");
  CHECK(report["provides"].texts() == Texts{"described.quick", "described.blocking"});
  CHECK(report["offers"].texts() == Texts{"described.given"});
  CHECK(report["emits"].texts() == Texts{"described.happened"});
  CHECK(report["requires"].texts() == Texts{"bp.log/1"});
  CHECK(report["calls"].texts() == Texts{"other.name"});
  CHECK(report["listens"].texts() == Texts{"other.happened", "another.ended"});
  CHECK(report["cddl"].text == "described.quick.request = bytes\ndescribed.quick.reply = bytes\n");
}

TEST_CASE("inspect refuses what is no module, in words that name the file") {
  for (const std::string& path : {module_file("not_a_module"), std::string("/etc/passwd"), std::string("/nowhere")}) {
    const Outcome out = inspect(path);
    CHECK(out.status == BP_LOAD_REFUSED);
    CHECK(out.message.find(path + ": ") == 0);
  }
  CHECK(inspect(module_file("wrong_major")).report()["abi"].text == "2.0");  // looking at it is no harm
}

TEST_CASE("inspect and load warn of what will hinder unloading") {
  CHECK(holds(inspect(module_file("tls_destructor")).report()["warnings"], "thread_local with a destructor"));
  CHECK(holds(inspect(module_file("two_exports")).report()["warnings"], "hide them"));
  CHECK(holds(inspect(module_file("unknown_key")).report()["warnings"], "its manifest has the unknown key \"colour\""));
  bp_log_level(BP_LOG_OFF);
  Context ctx;
  CHECK(holds(ctx.load(module_file("unknown_key")).report()["warnings"], "colour"));
  CHECK(ctx.unload("unknown_key").status == BP_OK);
}

TEST_CASE("a load is reported, and the list tells of the module until it is unloaded") {
  Context ctx;
  CHECK(ctx.modules().empty());
  const Value loaded = ctx.load(module_file("described")).report();
  CHECK(loaded["module"].text == "described");
  CHECK(loaded["version"].text == "2.5");
  CHECK(loaded["generation"].number >= 1);
  CHECK(loaded["path"].text == module_file("described"));
  CHECK(loaded["names"].texts() == Texts{"described.quick", "described.blocking"});
  const auto all = ctx.modules();
  REQUIRE(all.size() == 1);
  const Value& listed = all[0];
  CHECK(listed["name"].text == "described");
  CHECK(listed["version"].text == "2.5");
  CHECK(listed["generation"].number == loaded["generation"].number);
  CHECK(listed["path"].text == module_file("described"));
  CHECK(listed["state"].text == "running");
  CHECK(listed["unload"].text == "drain");
  CHECK(listed["summary"].text == "one of everything");
  REQUIRE(listed["names"].items.size() == 2);
  CHECK(listed["names"].items[0]["name"].text == "described.quick");
  CHECK(listed["names"].items[0]["blocking"].number == 0);
  CHECK(listed["names"].items[1]["blocking"].number == 1);
  CHECK(listed["functions"].texts() == Texts{"described.given"});
  CHECK(listed["events"].texts() == Texts{"described.happened"});
  CHECK(listed["cddl"].text.find("described.quick.reply") != std::string::npos);
  const Value unloaded = ctx.unload("described").report();
  CHECK(unloaded["module"].text == "described");
  CHECK(unloaded["generation"].number == loaded["generation"].number);
  CHECK(unloaded["outcome"].text == "gone");
  CHECK(unloaded["reasons"].items.empty());
  CHECK(ctx.modules().empty());
}

TEST_CASE("a module of a name that is loaded is refused by who has it, and the first one goes on") {
  TempDir dir;
  Context ctx;
  const std::string first = module_file("another_echo");
  const std::string second = write_all(dir / "echo.so", read_all(first));
  REQUIRE(ctx.load(first).status == BP_OK);
  for (const std::string& path : {first, second}) {
    const Outcome out = ctx.load(path);
    CHECK(out.status == BP_NAME_TAKEN);
    CHECK(out.message.find(path + ": ") == 0);
    CHECK(out.says("the module \"echo\" is already loaded"));
    CHECK(out.says("from " + first));
    CHECK(out.says("reload it, or unload it first"));
  }
  CHECK(ctx.call("echo.shout", "hey").payload == "hey");
  CHECK(mapped_objects("/echo.g").size() == 1);
  CHECK(ctx.unload("echo").status == BP_OK);
  CHECK(ctx.load(second).status == BP_OK);
  CHECK(ctx.unload("echo").status == BP_OK);
}

TEST_CASE("two modules cannot offer the same host function, one after the other can") {
  Context ctx;
  REQUIRE(ctx.load(module_file("asks")).status == BP_OK);
  REQUIRE(ctx.load(module_file("offers_a")).status == BP_OK);
  const Outcome out = ctx.load(module_file("offers_b"));
  CHECK(out.status == BP_NAME_TAKEN);
  CHECK(out.says("it offers the host function \"offered.twice\", which offers_a"));
  CHECK(out.says("unload that module first"));
  CHECK(mapped_objects("/offers_b.g").empty());
  CHECK(ctx.call("asks.host", "offered.twice").payload == "from offers_a");
  CHECK(ctx.unload("offers_a").status == BP_OK);
  CHECK(ctx.call("asks.host", "offered.twice").status == BP_NO_HOST_FUNCTION);
  CHECK(ctx.load(module_file("offers_b")).status == BP_OK);
  CHECK(ctx.call("asks.host", "offered.twice").payload == "from offers_b");
  CHECK(ctx.reload("offers_b").status == BP_OK);
  CHECK(ctx.call("asks.host", "offered.twice").payload == "from offers_b");
  CHECK(ctx.unload("offers_b").status == BP_OK);
  CHECK(ctx.unload("asks").status == BP_OK);
}

TEST_CASE("each context has an instance, those made later too, and each is ended once") {
  Steps steps;
  {
    Context one;
    Context two;
    REQUIRE(one.load(module_file("lifecycle")).status == BP_OK);
    CHECK(steps.all() == "init\ncreate\ncreate\n");
    Context three;
    CHECK(steps.count("create") == 3);
    for (Context* ctx : {&one, &two, &three}) CHECK(ctx->call("lifecycle.call", "x").payload == "x");
    REQUIRE(two.destroy() == BP_OK);
    CHECK(steps.count("destroy") == 1);
    CHECK(three.unload("lifecycle").report()["outcome"].text == "gone");
    CHECK(steps.count("destroy") == 3);
    CHECK(steps.count("deinit") == 1);
    CHECK(steps.all().substr(steps.all().size() - 7) == "deinit\n");
  }
  CHECK(steps.count("init") == 1);
  CHECK(steps.count("deinit") == 1);
  CHECK(steps.count("call") == 3);
}

TEST_CASE("a module that fails in one context is refused, and its instances in others are ended first") {
  bp_log_level(BP_LOG_OFF);
  Context one;
  Context two;
  for (int round = 0; round < 3; ++round) {
    const Outcome out = one.load(module_file("instance_fails_second"));
    CHECK(out.status == BP_LOAD_REFUSED);
    CHECK(out.says("there is one already"));
    CHECK(one.modules().empty());
    CHECK(mapped_objects("/instance_fails_second.g").empty());
    for (Context* ctx : {&one, &two}) CHECK(ctx->call("instance_fails_second.echo").status == BP_UNKNOWN_NAME);
  }
}

TEST_CASE("when a module is refused because of one context, what it began in others is undone before load returns") {
  bp_log_level(BP_LOG_OFF);
  Steps steps;
  Context one;
  Context two;
  Context three;
  const Outcome out = one.load(module_file("second_fails"));
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK(out.says("instance_create returned status 1 and gave no reason"));
  CHECK(steps.all() == "init\ncreate\nfail\ndestroy\ndeinit\n");
  CHECK(mapped_objects("/second_fails.g").empty());
  CHECK(one.unload("second_fails").status == BP_NOT_LOADED);
}

TEST_CASE("where a module could not start in a later context, its names answer so there and work elsewhere") {
  bp_log_level(BP_LOG_OFF);
  Context one;
  REQUIRE(one.load(module_file("instance_fails_second")).status == BP_OK);
  Context two;
  const Outcome out = two.call("instance_fails_second.echo", "x");
  CHECK(out.status == BP_INSTANCE_FAILED);
  CHECK(out.says("instance_fails_second"));
  CHECK(out.says("there is one already"));
  CHECK(one.call("instance_fails_second.echo", "x").payload == "x");
  CHECK(two.unload("instance_fails_second").report()["outcome"].text == "gone");
  CHECK(two.call("instance_fails_second.echo", "x").status == BP_MODULE_GONE);
}

TEST_CASE("a closed context that does not come round does not keep the others from new modules") {
  Context ctx;
  REQUIRE(ctx.load(module_file("asks")).status == BP_OK);
  Context wedged;
  Block block(wedged);
  REQUIRE(bp_context_close(wedged) == BP_OK);
  CHECK(ctx.load(module_file("newer_minor")).status == BP_OK);
  CHECK(ctx.call("newer_minor.echo", "x").payload == "x");
  CHECK(block.end().status == BP_OK);
  CHECK(wedged.destroy() == BP_OK);
  CHECK(ctx.unload("newer_minor").report()["outcome"].text == "gone");
  CHECK(ctx.unload("asks").report()["outcome"].text == "gone");
}

TEST_CASE("private copies that somebody has removed are not missed") {
  Context ctx;
  REQUIRE(ctx.load(module_file("newer_minor")).status == BP_OK);
  const std::filesystem::path copy = mapped_objects("/newer_minor.g").at(0);
  std::filesystem::remove_all(copy.parent_path());
  CHECK(ctx.call("newer_minor.echo", "x").payload == "x");
  const Outcome out = ctx.reload("newer_minor");
  INFO(out.message);
  CHECK(out.status == BP_OK);
  CHECK(mapped_objects("/newer_minor.g").size() == 1);
  CHECK(ctx.unload("newer_minor").report()["outcome"].text == "gone");
}

TEST_CASE("a module is in the process for as long as it is loaded, whatever contexts come and go") {
  {
    Context first;
    REQUIRE(first.load(module_file("newer_minor")).status == BP_OK);
  }
  CHECK(mapped_objects("/newer_minor.g").size() == 1);
  Context next;
  CHECK(next.call("newer_minor.echo", "x").payload == "x");
  CHECK(next.unload("newer_minor").status == BP_OK);
  CHECK(mapped_objects("/newer_minor.g").empty());
}
