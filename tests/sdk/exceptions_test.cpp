// SPDX-License-Identifier: Apache-2.0
//
// Handlers and fibers that wait or switch while they handle exceptions, in modules that share the host's C++ runtime
// and in modules that have one of their own.
#include <deque>
#include <sstream>

#include "../fibers/host_fixture.hpp"

using namespace fiber_test;

namespace {

struct Catching {
  explicit Catching(std::string name) : module(std::move(name)), application(context) {
    const std::string path = SDK_MODULES "/" + module + ".so";
    const bp_load_options load = host_test::load_options(path);
    Result result;
    const bp_status status = bp_module_load(context.native, &load, &result);
    INFO(result.words());
    REQUIRE(status == BP_OK);
  }
  Catching(const Catching&) = delete;
  Catching& operator=(const Catching&) = delete;
  ~Catching() {
    Result result;
    const bp_status status = bp_module_unload(context.native, host_test::str(module), 0, &result);
    CHECK((status == BP_OK || status == BP_PINNED));  // a runtime of its own may have unique symbols
  }
  std::string call(const std::string& verb, const std::string& payload = {}) const {
    return context.call(module + "." + verb, payload);
  }
  void submit(const std::string& verb, Replies& replies, const std::string& payload) const {
    REQUIRE(context.submit(module + "." + verb, replies, payload) == BP_OK);
  }

  const std::string module;
  const Context context;
  Application application;
};

const std::vector<std::string> modules = {"catches_shared", "catches_static"};

}  // namespace

TEST_CASE("a handler that waits in a catch block finds its own exception, whatever others throw meanwhile") {
  for (const std::string& module : modules) {
    CAPTURE(module);
    Catching host(module);
    std::deque<Replies> replies(4);
    for (std::size_t i = 0; i < replies.size(); ++i) host.submit("waits", replies[i], "x" + std::to_string(i));
    REQUIRE(host.application.wait_called(4));
    host.application.answer();  // the oldest first: not the order of a stack
    REQUIRE(host.application.wait_called(8));
    host.application.answer();
    for (std::size_t i = 0; i < replies.size(); ++i) {
      const std::string own = "x" + std::to_string(i);
      CHECK(replies[i].wait() == Seen{"ok:" + own + " " + own + "' " + own + " none"});
    }
  }
}

TEST_CASE("many handlers that throw and wait in turns keep to their own exceptions") {
  for (const std::string& module : modules) {
    CAPTURE(module);
    const Catching host(module);
    std::deque<Replies> replies(8);
    for (std::size_t i = 0; i < replies.size(); ++i) host.submit("naps", replies[i], std::to_string(i));
    for (Replies& each : replies) CHECK(each.wait() == Seen{"ok:ok"});
  }
}

TEST_CASE("a handler that waits while an exception unwinds it has that exception alone in flight") {
  for (const std::string& module : modules) {
    CAPTURE(module);
    Catching host(module);
    std::deque<Replies> replies(3);
    for (Replies& each : replies) host.submit("unwinds", each, "u");
    REQUIRE(host.application.wait_called(3));
    host.application.answer();
    for (Replies& each : replies) CHECK(each.wait() == Seen{"ok:u 1 0"});
  }
}

TEST_CASE("fibers and main that switch in catch blocks find their own exceptions") {
  for (const std::string& module : modules) {
    CAPTURE(module);
    CHECK(Catching(module).call("weaves") == "ok:a0 b0 a1 b1 b2 main none");
  }
}

TEST_CASE("a generator that yields in a catch block finds its own exception, and so does who asks it") {
  for (const std::string& module : modules) {
    CAPTURE(module);
    CHECK(Catching(module).call("generates") == "ok:main 0, body 0, main 1, body 1, main 2, body 2, main 3, none");
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("inspect warns of a C++ runtime that a module has for itself, unless the SDK keeps its exceptions apart") {
  const auto warns = [](const std::string& module) {
    Result result;
    REQUIRE(bp_module_inspect((SDK_MODULES "/" + module + ".so").c_str(), &result) == BP_OK);
    return result.says("a C++ runtime of its own (-static-libstdc++, or libc++)");
  };
  CHECK(warns("own_runtime"));
  CHECK_FALSE(warns("catches_static"));
  CHECK_FALSE(warns("catches_shared"));
}
#endif
