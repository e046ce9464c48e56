// SPDX-License-Identifier: Apache-2.0
//
// Instances: configuration, data directory, and constructors that fail.
#include <dlfcn.h>

#include <backplane/sdk.hpp>

#include "fake_host.hpp"
#include "sample.hpp"

using namespace sample;

namespace {

const std::string kit_path = SDK_MODULES "/sdk_kit.so";

template <class T>
std::string start_with(const std::map<std::string, T>& config) {
  fake::Host host(kit_path, backplane::encode(config));
  return host.start();
}

}  // namespace

TEST_CASE("what the configuration leaves out keeps its default") {
  fake::Host host(kit_path, backplane::encode(std::map<std::string, int>{{"start", 40}}));
  REQUIRE(host.start() == "");
  CHECK(to_hex(host.ask("kit.sum", {}).payload) == "a1616e1828");
}

TEST_CASE("a wrong configuration fails the instance, and says where") {
  CHECK(start_with<std::string>({{"start", "x"}}) == "configuration: start: expected int, got text");
  CHECK(start_with<int>({{"stat", 1}}) == "configuration: stat: unknown field; known: start, fail, touch_data");
}

TEST_CASE("a constructor that throws fails the instance with its message") {
  CHECK(start_with<std::string>({{"fail", "error"}}) == "told to fail");
  CHECK(start_with<std::string>({{"fail", "std"}}) == "a plain failure");
  CHECK(start_with<std::string>({{"fail", "int"}}) == "the constructor threw an object that is not a std::exception");
}

TEST_CASE("a data directory that cannot be had says why") {
  CHECK(start_with<bool>({{"touch_data", true}}) == "cannot write /data: read-only file system");
  fake::Host host(kit_path, backplane::encode(std::map<std::string, bool>{{"touch_data", true}}));
  host.data_dir = "/var/lib/kit";
  REQUIRE(host.start() == "");
  REQUIRE(host.logged.size() == 1);
  CHECK(host.logged[0].second == "data in /var/lib/kit");
}

TEST_CASE("instances come and go, each with its own state") {
  fake::Host host(kit_path);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(host.start() == "");
    CHECK(to_hex(host.ask("kit.accumulate", hex("a1616e05")).payload) == "a1616e05");
    host.stop();
  }
}

TEST_CASE("an answer that comes after deinit finds its token stale") {
  fake::Host host(kit_path);
  REQUIRE(host.start() == "");
  host.call("kit.kept", hex("a1616e05"));
  host.stop();
}  // the object's last destructor drops the duty to answer

TEST_CASE("a module that was closed is gone from memory, and can be loaded again") {
  for (int i = 0; i < 3; ++i) {
    {
      fake::Host host(kit_path);
      REQUIRE(host.start() == "");
      CHECK(host.ask("kit.forty_two", {}).status == BP_OK);
      CHECK(host.ask("kit.fail", hex("a1 64 74657874 63 737464")).status == BP_EXCEPTION);
      CHECK(host.ask("kit.later", hex("a1 61 6e 05")).status == BP_OK);
    }
    CHECK(dlopen(kit_path.c_str(), RTLD_LAZY | RTLD_NOLOAD) == nullptr);
  }
}

TEST_CASE("a module says in its entry whether its constructor or destructor may take long") {
  using backplane::detail::Module;
  using None = Module<backplane::Stateless, "m", "1">;
  using Creates = Module<backplane::Stateless, "m", "1", backplane::blocking_constructor>;
  using Both = Module<backplane::Stateless, "m", "1", backplane::unload_never, backplane::blocking_constructor,
                      backplane::blocking_destructor>;
  CHECK(std::uint32_t{None::flags} == 0);
  CHECK(std::uint32_t{Creates::flags} == BP_MODULE_CREATES_BLOCKING);
  CHECK(std::uint32_t{Both::flags} == (BP_MODULE_CREATES_BLOCKING | BP_MODULE_ENDS_BLOCKING));
}
