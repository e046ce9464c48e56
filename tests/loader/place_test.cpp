// SPDX-License-Identifier: Apache-2.0
//
// A host with configured module and data directories. A process configures its host only once, so this is one long
// test.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "harness.hpp"

namespace fs = std::filesystem;

namespace {

struct Places {
  TempDir dir;
  std::string modules = dir / "modules";
  std::string data = dir / "data";
  std::string loop = dir / "loop";

  Places() {
    bp_log_level(BP_LOG_OFF);
    fs::create_directory(modules);
    fs::create_directory(modules + "/below");
    fs::create_directory(dir / "modules2");  // begins alike, and lies elsewhere
    fs::create_directory_symlink(loop, loop);
    const std::string good = read_all(module_file("settings"));
    write_all(modules + "/settings.so", good);
    write_all(modules + "/below/settings.so", good);
    write_all(dir / "modules2/settings.so", good);
    write_all(dir / "outside.so", good);
    fs::create_symlink(dir / "outside.so", modules + "/escapes.so");
    fs::create_symlink(modules + "/settings.so", dir / "leads_in.so");
    const char* const dirs[] = {loop.c_str(), modules.c_str(), nullptr};
    bp_host_options options{};
    options.struct_size = sizeof options;
    options.module_dirs = dirs;
    options.data_dir = data.c_str();
    const Outcome out = outcome_of([&](bp_result* why) { return bp_host_configure(&options, why); });
    INFO(out.message);
    REQUIRE(out.status == BP_OK);
  }
};

Places& places() {
  static Places all;
  return all;
}

}  // namespace

TEST_CASE("a data directory that cannot be made is refused when the host is configured") {
  TempDir dir;
  const std::string file = write_all(dir / "file", "");
  for (const std::string& path : {file, file + "/below"}) {
    bp_host_options options{};
    options.struct_size = sizeof options;
    options.data_dir = path.c_str();
    const Outcome out = outcome_of([&](bp_result* why) { return bp_host_configure(&options, why); });
    CHECK(out.status == BP_IO);
    CHECK(out.says("the data directory " + path + " cannot be created"));
  }
}

TEST_CASE("a data directory or another path that is empty is refused when the host is configured") {
  const char* const dirs[] = {"/usr", "", nullptr};
  bp_host_options none{};
  none.struct_size = sizeof none;
  bp_host_options options[] = {none, none, none};
  options[0].data_dir = "";
  options[1].module_cache = "";
  options[2].module_dirs = dirs;
  for (const bp_host_options& each : options) {
    const Outcome out = outcome_of([&](bp_result* why) { return bp_host_configure(&each, why); });
    CHECK(out.status == BP_INVALID_ARGUMENT);
    CHECK(out.says("is empty, expected a path"));
  }
}

TEST_CASE("a module is taken from the directories that are allowed, from below them, and by links into them") {
  Places& at = places();
  Context ctx;
  for (const std::string& path : {at.modules + "/settings.so", at.modules + "/below/settings.so",
                                  at.modules + "/below/../settings.so", at.dir / "leads_in.so"}) {
    const Outcome out = ctx.load(path);
    INFO(out.message);
    CHECK(out.status == BP_OK);
    CHECK(ctx.unload("settings").status == BP_OK);
  }
}

TEST_CASE("a module that lies elsewhere, or is reached through a link that leads out, is refused") {
  Places& at = places();
  Context ctx;
  for (const std::string& path : {at.dir / "outside.so", at.modules + "/escapes.so", at.modules + "/../outside.so",
                                  at.dir / "modules2/settings.so", module_file("settings")}) {
    const Outcome out = ctx.load(path);
    INFO(path << ": " << out.message);
    CHECK(out.status == BP_LOAD_REFUSED);
    CHECK(out.message.find(path + ": it lies at ") == 0);
    CHECK(out.says("outside the directories from which this host loads modules"));
    CHECK(out.says(at.modules));
    CHECK(out.says("move it there, or allow its directory"));
  }
  CHECK(ctx.modules().empty());
  CHECK(inspect(at.dir / "outside.so").status == BP_OK);  // looking is free
}

TEST_CASE("a reload may not lead out of the allowed directories either") {
  Places& at = places();
  Context ctx;
  REQUIRE(ctx.load(at.modules + "/settings.so").status == BP_OK);
  CHECK(ctx.reload("settings", at.dir / "outside.so").status == BP_LOAD_REFUSED);
  CHECK(ctx.call("settings.config").status == BP_OK);
  CHECK(ctx.unload("settings").status == BP_OK);
}

TEST_CASE("each module has a directory of its own in the data directory, for its user alone") {
  Places& at = places();
  Context ctx;
  REQUIRE(ctx.load(at.modules + "/settings.so").status == BP_OK);
  CHECK(ctx.call("settings.data_dir").payload == at.data + "/settings");
  struct stat status {};
  REQUIRE(::stat((at.data + "/settings").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0700);
  CHECK(ctx.unload("settings").status == BP_OK);
}

TEST_CASE("a data directory that cannot be used is told to the module, and tried again") {
  Places& at = places();
  Context ctx;
  fs::remove_all(at.data + "/settings");
  write_all(at.data + "/settings", "in the way");
  REQUIRE(ctx.load(at.modules + "/settings.so").status == BP_OK);
  const Outcome out = ctx.call("settings.data_dir");
  CHECK(out.status == BP_IO);
  CHECK(out.says("the data directory " + at.data + "/settings cannot be used: it is not a directory"));
  CHECK(out.says("give the host a directory"));
  fs::remove(at.data + "/settings");
  CHECK(ctx.call("settings.data_dir").payload == at.data + "/settings");
  CHECK(ctx.unload("settings").status == BP_OK);
}

TEST_CASE("a host that runs cannot be configured any more") {
  places();
  Context ctx;
  bp_host_options options{};
  options.struct_size = sizeof options;
  const Outcome out = outcome_of([&](bp_result* why) { return bp_host_configure(&options, why); });
  CHECK(out.status == BP_NOT_SUPPORTED);
  CHECK(out.says("before the first context"));
}
