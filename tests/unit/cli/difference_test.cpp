// SPDX-License-Identifier: Apache-2.0
//
// What a host has to do so that what runs is what its configuration says.
#include <catch2/catch.hpp>

#include "cli/plan_difference.hpp"

using namespace backplane::host::cli;
using backplane::cbor::Bytes;

namespace {

PlannedModule planned(const std::string& name, Bytes config = {}, const std::string& sha256 = "1",
                      const std::string& source = "host.toml:1:1") {
  return {name, "/srv/" + name + ".so", std::move(config), source, sha256};
}

RunningModule running(const std::string& name, Bytes config = {0xa0}, const std::string& sha256 = "1") {
  return {name, "/srv/" + name + ".so", sha256, std::move(config)};
}

std::vector<std::string> lines(const std::vector<PlannedModule>& old, const std::vector<PlannedModule>& next,
                               const std::vector<RunningModule>& now) {
  return lines_of({module_changes(old, next, now), {}});
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("what runs as it is planned stays, and so does what was loaded by hand") {
  CHECK(lines({planned("a")}, {planned("a")}, {running("a"), running("hand")}).empty());
  CHECK(lines({}, {planned("hand")}, {running("hand")}).empty());
  CHECK(lines({planned("a")}, {}, {}).empty());
}

TEST_CASE("a module is loaded, reloaded or unloaded, each for its reason") {
  CHECK(lines({}, {planned("a")}, {}) == Lines{"load a from /srv/a.so: the configuration has it now"});
  CHECK(lines({}, {planned("a", {}, "1", "bundled")}, {}) ==
        Lines{"load a from /srv/a.so: nothing names modules, so the bundled ones run"});
  CHECK(lines({planned("a")}, {planned("a")}, {}) == Lines{"load a from /srv/a.so: it does not run"});
  CHECK(lines({planned("a")}, {}, {running("a")}) == Lines{"unload a: the configuration has it no more"});
  CHECK(lines({planned("a")}, {planned("a", {0xa1, 0x61, 0x78, 0x01})}, {running("a")}) ==
        Lines{"reload a from /srv/a.so: its configuration differs"});
  CHECK(lines({planned("a")}, {planned("a", {}, "2")}, {running("a")}) ==
        Lines{"reload a from /srv/a.so: its file has changed"});
  RunningModule moved = running("a");
  moved.path = "/old/a.so";
  CHECK(lines({planned("a")}, {planned("a")}, {moved}) ==
        Lines{"reload a from /srv/a.so: its path has changed, from /old/a.so"});
}

TEST_CASE("a module with other settings is reloaded, and each that differs is told") {
  PlannedModule next = planned("a");
  next.settings = {true, 2, 0};
  RunningModule now = running("a");
  now.settings = {false, 1, 65'536};
  CHECK(
      lines({planned("a")}, {next}, {now}) ==
      Lines{"reload a from /srv/a.so: its settings differ: unload from the default to \"never\", workers from 1 to 2, "
            "stack_size from 65536 to the default"});
  now.settings = next.settings;
  CHECK(lines({planned("a")}, {next}, {now}).empty());
}

TEST_CASE("what is to run after a load or reload is never without a configuration") {
  const auto changes = module_changes({}, {planned("a"), planned("b", {}, "2")}, {running("b")});
  REQUIRE(changes.size() == 2);
  CHECK(changes[0].config == Bytes{0xa0});
  CHECK(changes[1].config == Bytes{0xa0});
}

TEST_CASE("the order of keys makes no other configuration, at any depth") {
  // {"x": {"a": 1, "b": 2}, "y": [3]}
  const Bytes one = {0xa2, 0x61, 'x', 0xa2, 0x61, 'a', 1, 0x61, 'b', 2, 0x61, 'y', 0x81, 3};
  const Bytes other = {0xa2, 0x61, 'y', 0x81, 3, 0x61, 'x', 0xa2, 0x61, 'b', 2, 0x61, 'a', 1};
  Bytes third = other;
  CHECK(same_config(one, other));
  third.back() = 3;
  CHECK_FALSE(same_config(one, third));
  CHECK(same_config({}, Bytes{0xa0}));
  CHECK_FALSE(same_config({}, one));
}

TEST_CASE("keys are told with both values, and only the level of the log changes while the host runs") {
  const auto changes = key_changes({{"log_level", "1"}, {"workers", "2"}, {"same", "3"}, {"gone", "4"}},
                                   {{"log_level", "5"}, {"workers", "6"}, {"same", "3"}, {"new", "7"}});
  CHECK(lines_of({{}, changes}) ==
        Lines{"gone: from 4 to not set", "log_level: from 1 to 5", "new: from not set to 7", "workers: from 2 to 6"});
  CHECK(changes[0].needs_restart());
  CHECK_FALSE(changes[1].needs_restart());
}
