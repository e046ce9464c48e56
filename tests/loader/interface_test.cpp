// SPDX-License-Identifier: Apache-2.0
//
// Interfaces of modules: the hash, and what a reload says of their changes.
#include <catch2/catch.hpp>

#include "harness.hpp"

namespace {

std::string variant(const std::string& name) { return module_file("shape_" + name); }

Outcome reload(Context& ctx, const std::string& name, std::uint32_t flags, std::string_view config = {}) {
  const std::string path = variant(name);
  bp_load_options options{};
  options.struct_size = sizeof options;
  options.flags = flags;
  options.path = path.c_str();
  options.config = bytes(config);
  return outcome_of([&](bp_result* result) { return bp_module_reload(ctx, str("shape"), &options, 0, result); });
}

/// A context with the module. Modules belong to the process, so it unloads it at the end.
struct Loaded : Context {
  explicit Loaded(const std::string& name = "first") : report(load(variant(name)).report()) {
    first = report["generation"].number;
  }
  ~Loaded() { unload("shape"); }
  std::uint64_t generation() { return modules().at(0)["generation"].number - first + 1; }

  Value report;
  std::uint64_t first = 0;
};

std::string hash_of(const std::string& name) { return inspect(variant(name)).report()["interface_hash"].text; }

}  // namespace

TEST_CASE("the hash of an interface is the same in each report, and ignores order and comments") {
  const std::string hash = hash_of("first");
  CHECK(hash.size() == 16);
  CHECK(hash.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(hash_of("reordered") == hash);
  for (const char* const other : {"wider", "narrower", "renamed", "gone"}) CHECK(hash_of(other) != hash);
  Loaded ctx;
  CHECK(ctx.report["interface_hash"].text == hash);
  REQUIRE(ctx.modules().size() == 1);
  CHECK(ctx.modules()[0]["interface_hash"].text == hash);
  CHECK(ctx.modules()[0]["listens"].texts() == std::vector<std::string>{"other.happened"});
  CHECK(inspect(variant("first")).report()["listens"].texts() == std::vector<std::string>{"other.happened"});
  const Value report = reload(ctx, "reordered", 0).report();
  CHECK(report["interface_hash"].text == hash);
  CHECK(report["compare"]["verdict"].text == "compatible");
  REQUIRE(report["compare"]["changes"].items.size() == 1);
  CHECK(report["compare"]["changes"].items[0]["what"].text == "text");
  CHECK(reload(ctx, "reordered", 0).report()["compare"]["changes"].items.empty());
}

TEST_CASE("a reload reports each change with its verdict, and warns if callers may break") {
  Loaded ctx;
  const Value wider = reload(ctx, "wider", 0).report();
  CHECK(wider["compare"]["module"].text == "shape");
  CHECK(wider["compare"]["verdict"].text == "compatible");
  CHECK(wider["compare"]["from"]["version"].text == "1");
  CHECK(wider["compare"]["from"]["generation"].number == ctx.first);
  CHECK(wider["compare"]["from"]["interface_hash"].text == hash_of("first"));
  CHECK(wider["compare"]["to"]["interface_hash"].text == hash_of("wider"));
  CHECK(wider["warnings"].items.empty());
  const Value narrower = reload(ctx, "narrower", 0).report();
  CHECK(narrower["generation"].number == ctx.first + 2);
  CHECK(narrower["compare"]["verdict"].text == "breaks callers");
  REQUIRE(narrower["compare"]["changes"].items.size() == 1);
  const Value change = narrower["compare"]["changes"].items[0];
  CHECK(change["what"].text == "narrower");
  CHECK(change["where"].text == "Size.width");
  CHECK(change["direction"].text == "sends");
  CHECK(change["verdict"].text == "breaks callers");
  CHECK(change["text"].text == "the type is 0..255, was 0..4294967295; what callers send may be refused");
  CHECK(change["names"].texts() == std::vector<std::string>{"shape.get.request"});
  REQUIRE(narrower["warnings"].items.size() == 1);
  CHECK(narrower["warnings"].texts()[0] ==
        "its interface differs from that of generation " + std::to_string(ctx.first + 1) +
            ": 1 change breaks callers: Size.width: the type is 0..255, was 0..4294967295; what callers send may be "
            "refused");
  CHECK(ctx.modules()[0]["warnings"].texts() == narrower["warnings"].texts());
  const Value renamed = reload(ctx, "renamed", 0).report();
  CHECK(renamed["compare"]["verdict"].text == "breaks callers");  // it is wider again, but has another name, too
  CHECK(reload(ctx, "gone", 0).report()["compare"]["verdict"].text == "breaks callers");
}

TEST_CASE("a strict reload is refused if callers may break, and the old generation goes on") {
  Loaded ctx;
  for (const char* const name : {"narrower", "gone", "unlike"}) {
    INFO(name);
    const Outcome refused = reload(ctx, name, BP_LOAD_STRICT);
    CHECK(refused.status == BP_LOAD_REFUSED);
    CHECK(refused.says(variant(name) + ": its interface differs from that of generation " + std::to_string(ctx.first)));
    CHECK(refused.says("nothing has changed"));
    CHECK(refused.details()["verdict"].text != "compatible");
    CHECK(!refused.details()["changes"].items.empty());
  }
  REQUIRE(ctx.modules().size() == 1);
  CHECK(ctx.generation() == 1);
  CHECK(ctx.call("shape.get", "x").payload == "x");
  CHECK(reload(ctx, "narrower", BP_LOAD_STRICT | BP_LOAD_OLD_FIRST).status == BP_LOAD_REFUSED);
  CHECK(ctx.generation() == 1);
  CHECK(reload(ctx, "wider", BP_LOAD_STRICT).status == BP_OK);
  CHECK(ctx.generation() == 2);
  CHECK(reload(ctx, "narrower", 0).status == BP_OK);
  CHECK(ctx.generation() == 3);
}

TEST_CASE("a comparison changes nothing") {
  Loaded ctx;
  const Value report = reload(ctx, "narrower", BP_LOAD_COMPARE).report();
  CHECK(report["module"].text == "shape");
  CHECK(report["verdict"].text == "breaks callers");
  CHECK(report["to"]["version"].text == "3");
  CHECK(reload(ctx, "gone", BP_LOAD_COMPARE).report()["changes"].items[0]["what"].text == "name gone");
  CHECK(reload(ctx, "narrower", BP_LOAD_COMPARE | BP_LOAD_STRICT).status == BP_LOAD_REFUSED);
  CHECK(reload(ctx, "wider", BP_LOAD_COMPARE | BP_LOAD_STRICT).report()["verdict"].text == "compatible");
  // A configuration that would be refused is a change like others.
  const Value configured = reload(ctx, "configured", BP_LOAD_COMPARE).report();
  CHECK(configured["verdict"].text == "breaks callers");
  CHECK(configured["changes"].items[0]["where"].text == "shape.config.limit");
  CHECK(reload(ctx, "configured", 0).status == BP_CONFIG);
  REQUIRE(ctx.modules().size() == 1);
  CHECK(ctx.generation() == 1);
  CHECK(ctx.modules()[0]["warnings"].items.empty());
  CHECK(ctx.call("shape.get", "x").payload == "x");
}

TEST_CASE("in a load there is nothing to compare") {
  Context ctx;
  const std::string path = variant("first");
  bp_load_options options{};
  options.struct_size = sizeof options;
  options.path = path.c_str();
  options.flags = BP_LOAD_COMPARE;
  const auto load = [&] { return outcome_of([&](bp_result* r) { return bp_module_load(ctx, &options, r); }); };
  const Outcome refused = load();
  CHECK(refused.status == BP_INVALID_ARGUMENT);
  CHECK(refused.says("found BP_LOAD_COMPARE for a load"));
  options.flags = BP_LOAD_STRICT;  // without effect
  CHECK(load().status == BP_OK);
  options.flags = 32;
  CHECK(load().status == BP_INVALID_ARGUMENT);
  ctx.unload("shape");
}

TEST_CASE("one strict reload that may break callers refuses all changes with it") {
  Loaded ctx;
  const std::string paths[] = {module_file("described"), variant("narrower")};
  bp_load_options loads[2]{};
  bp_operation_request parts[2]{};
  for (int i = 0; i < 2; ++i) {
    loads[i].struct_size = sizeof loads[i];
    loads[i].path = paths[i].c_str();
    parts[i].struct_size = sizeof parts[i];
    parts[i].kind = i == 0 ? BP_OPERATION_LOAD : BP_OPERATION_RELOAD;
    parts[i].module = str(i == 0 ? "described" : "shape");
    parts[i].load = &loads[i];
  }
  const bp_operation_request* const pointers[] = {&parts[0], &parts[1]};
  bp_operation_request all{};
  all.struct_size = sizeof all;
  all.kind = BP_OPERATION_CHANGE;
  all.changes = pointers;
  all.change_count = 2;
  const auto make = [&] {
    bp_operation operation{};
    const Outcome begun = outcome_of([&](bp_result* r) { return bp_operation_begin(ctx, &all, &operation, r); });
    if (begun.status != BP_OK) return begun;
    return outcome_of([&](bp_result* r) { return bp_operation_wait(ctx, operation, 30'000, r); });
  };
  loads[1].flags = BP_LOAD_COMPARE;
  CHECK(make().status == BP_INVALID_ARGUMENT);
  loads[1].flags = BP_LOAD_STRICT;
  const Outcome refused = make();
  CHECK(refused.status == BP_LOAD_REFUSED);
  CHECK(refused.details()["verdict"].text == "breaks callers");
  CHECK(ctx.modules().size() == 1);
  loads[1].flags = 0;
  CHECK(make().status == BP_OK);
  CHECK(ctx.modules().size() == 2);
  ctx.unload("described");
}

TEST_CASE("CDDL that cannot be read is refused, with line and column") {
  Context ctx;
  const std::string fault =
      ": its CDDL cannot be read: line 2, column 22: found the name \"tstrr\", expected that of a "
      "rule; did you mean tstr?";
  CHECK(inspect(variant("wrong")).status == BP_LOAD_REFUSED);
  CHECK(inspect(variant("wrong")).says(fault));
  CHECK(ctx.load(variant("wrong")).status == BP_LOAD_REFUSED);
  CHECK(ctx.load(variant("wrong")).says(fault));
  CHECK(ctx.modules().empty());
}
