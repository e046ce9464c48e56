// SPDX-License-Identifier: Apache-2.0
//
// What backplane_add_plugin made: one export, nothing that keeps the object mapped, and texts that are
// read without running it.
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <string>
#include <vector>

namespace {

std::string output(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  std::array<char, 4096> buffer;
  while (const std::size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
  REQUIRE(pclose(pipe) == 0);
  return out;
}

const std::vector<std::string>& modules() {
  static const std::vector<std::string> paths = {SDK_MODULES "/sdk_kit.so", BUNDLED_MODULES "/echo.so",
                                                 BUNDLED_MODULES "/timer.so", BUNDLED_MODULES "/session.so",
                                                 BUNDLED_MODULES "/generator.so"};
  return paths;
}

}  // namespace

TEST_CASE("a module exports backplane_module and nothing else") {
  for (const std::string& path : modules()) {
    INFO(path);
    const std::string symbols = output("nm -D --defined-only --format=posix " + path);
    CHECK(symbols.substr(0, 17) == "backplane_module ");
    CHECK(symbols.find('\n') == symbols.size() - 1);
  }
}

TEST_CASE("a module has no unique symbols and registers no destructors of threads") {
  for (const std::string& path : modules()) {
    INFO(path);
    CHECK(output("readelf -sW " + path).find("UNIQUE") == std::string::npos);
    CHECK(output("nm -D --undefined-only " + path).find("__cxa_thread_atexit") == std::string::npos);
    CHECK(output("readelf -dW " + path).find("STATIC_TLS") == std::string::npos);
    CHECK(output("readelf -dW " + path).find("BIND_NOW") != std::string::npos);
  }
}

TEST_CASE("the manifest is text that readelf shows") {
  const std::string shown = output("readelf -p .bp.manifest " SDK_MODULES "/sdk_kit.so");
  for (const char* entry :
       {"abi=1.0", "name=kit", "version=2.1", "summary=every shape of handler", "provides=kit.add", "offers=maths.add",
        "emits=kit.happened", "calls=other.lookup", "requires=bp.event/1", "requires=bp.await/1", "unload=never"}) {
    INFO(entry);
    CHECK(shown.find(std::string("  ") + entry + "\n") != std::string::npos);
  }
  CHECK(shown.find("requires=bp.fiber/1") == std::string::npos);
  CHECK(output("readelf -p .bp.manifest " SDK_MODULES "/sdk_fibers.so").find("  stack_size=524288\n") !=
        std::string::npos);
  const std::string generator = output("readelf -p .bp.manifest " BUNDLED_MODULES "/generator.so");
  CHECK(generator.find("requires=bp.await/1\n") != std::string::npos);
  CHECK(generator.find("requires=bp.fiber/1\n") != std::string::npos);
  const std::string echo = output("readelf -p .bp.manifest " BUNDLED_MODULES "/echo.so");
  CHECK(echo.find("requires=") == std::string::npos);
  CHECK(echo.find("unload=") == std::string::npos);
}

TEST_CASE("the CDDL of every wire name and event is text that readelf shows") {
  const std::string shown = output("readelf -p .bp.cddl " SDK_MODULES "/sdk_kit.so");
  for (const char* rule :
       {"int32 = -2147483648..2147483647",
        R"(Config = { ? start: int32 .default 0, ? fail: tstr .default "", ? touch_data: bool .default false })",
        "Pair = { a: int32, b: int32 }",
        "Open = { ? limit: int32 .default 5 / null }",
        "kit.config = Config",
        "kit.add.request = Pair",
        "kit.add.reply = Number",
        "kit.forty_two.request = {}",
        "kit.reset.reply = null",
        "kit.list.reply = [* int32]",
        "kit.limit.request = Open",
        "kit.stream.partial = Part",
        "kit.total.request.part = Part",
        "kit.later.reply = Number",
        "kit.ignored.reply = null",
        "kit.happened.event = Number",
        "kit.reversed.request = bstr ; raw",
        "maths.later.request = Number",
        "other.lookup.request = Text",
        "other.lookup.reply = Number",
        "other.note.reply = any"}) {
    INFO(rule);
    CHECK(shown.find(rule) != std::string::npos);
  }
}
