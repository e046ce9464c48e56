// SPDX-License-Identifier: Apache-2.0
//
// The libraries that modules need: found, checked, and left mapped when the module goes.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "harness.hpp"

namespace {

namespace fs = std::filesystem;

std::string library_file(const std::string& name) {
  return std::string(BP_TEST_BUILD_DIR "/tests/modules/lib") + name + ".so";
}

// A directory with the module and a library beside it.
struct Place : TempDir {
  explicit Place(const std::string& library = "bp_lasting") {
    ::chmod(path().c_str(), 0700);
    fs::copy_file(module_file("uses_lasting"), module);
    fs::copy_file(library_file(library), beside);
  }
  const std::string module = *this / "uses_lasting.so";
  const std::string beside = *this / "libbp_lasting.so";
};

bool warns(const Value& report, const std::string& words) {
  const auto& all = report["warnings"].items;
  return std::any_of(all.begin(), all.end(),
                     [&](const Value& each) { return each.text.find(words) != std::string::npos; });
}

}  // namespace

// In this order: after the fourth the process has the library.
TEST_CASE("a library beside its module is checked as the module is") {
  Context ctx;
  Place place;
  SECTION("others may write it") { ::chmod(place.beside.c_str(), 0666); }
  SECTION("it is damaged") { fs::resize_file(place.beside, fs::file_size(place.beside) / 2); }
  const Outcome out = ctx.load(place.module);
  INFO(out.message);
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK(out.says("its library libbp_lasting.so at " + place.beside));
  CHECK(mapped_objects("libbp_lasting").empty());
  CHECK(mapped_objects("/uses_lasting.g").empty());
}

TEST_CASE("a library without a name of its own cannot be one that lies beside") {
  Context ctx;
  const Place place("bp_lasting_nameless");
  const Outcome out = ctx.load(place.module);
  INFO(out.message);
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK(out.says("DT_SONAME"));
  CHECK(out.says("-Wl,-soname,libbp_lasting.so"));
}

TEST_CASE("inspect says which libraries a module needs, and where each is") {
  const Place place;
  const auto find = [](const Value& report, const std::string& name) {
    const auto& all = report["libraries"].items;
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Value& each) { return each["name"].text == name; });
    REQUIRE(found != all.end());
    return *found;
  };
  Value report = inspect(place.module).report();
  CHECK(find(report, "libbp_lasting.so")["found"].text == "beside");
  CHECK(find(report, "libbp_lasting.so")["path"].text == place.beside);
  CHECK(find(report, "libc.so.6")["path"].text.find("libc.so.6") != std::string::npos);
  fs::remove(place.beside);
  report = inspect(place.module).report();
  const auto mapped = mapped_objects("libbp_lasting");  // by another case
  CHECK(find(report, "libbp_lasting.so")["found"].text == (mapped.empty() ? "missing" : "process"));
  CHECK(find(report, "libbp_lasting.so")["path"].text == (mapped.empty() ? "" : mapped.front()));
}

TEST_CASE("a library that is nowhere is a refusal that says its name") {
  Context ctx;
  const Place place;
  fs::remove(place.beside);
  const Outcome out = ctx.load(place.module);
  INFO(out.message);
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK(out.says("libbp_lasting.so"));
  CHECK(out.says("put them beside it"));
}

TEST_CASE("a module goes, and the library beside it stays, from a private copy") {
  Context ctx;
  const Place place;
  for (const char* const count : {"1", "2", "3"}) {
    const Outcome loaded = ctx.load(place.module);
    INFO(loaded.message);
    REQUIRE(loaded.status == BP_OK);
    CHECK(loaded.report()["warnings"].items.empty());
    REQUIRE(mapped_objects("libbp_lasting").size() == 1);
    CHECK(mapped_objects("libbp_lasting").front().find("/backplane-modules-") != std::string::npos);
    CHECK(ctx.call("uses_lasting.next").payload == count);
    const Outcome gone = ctx.unload("uses_lasting");
    INFO(gone.message);
    CHECK(gone.status == BP_OK);
    CHECK(mapped_objects("/uses_lasting.g").empty());
    CHECK(mapped_objects("libbp_lasting").size() == 1);
  }
}

TEST_CASE("if the library beside a module has changed, the old one stays, and a warning says so") {
  Context ctx;
  const Place place;  // another place than that of the library which the process has, with the same bytes
  REQUIRE(ctx.load(place.module).status == BP_OK);
  const std::uint64_t before = std::stoul(ctx.call("uses_lasting.next").payload);
  fs::copy_file(library_file("bp_lasting_changed"), place.beside, fs::copy_options::overwrite_existing);
  const Outcome out = ctx.reload("uses_lasting");
  INFO(out.message);
  REQUIRE(out.status == BP_OK);
  CHECK(warns(out.report(), "libbp_lasting.so"));
  CHECK(warns(out.report(), "stays mapped until the host restarts"));
  CHECK(ctx.call("uses_lasting.next").payload == std::to_string(before + 1));
  CHECK(ctx.unload("uses_lasting").status == BP_OK);
}
