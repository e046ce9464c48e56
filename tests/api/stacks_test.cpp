// SPDX-License-Identifier: Apache-2.0
//
// How large the stacks of handlers are, and what a handler is told of its own.
#include <deque>

#include "fixture.hpp"
#include "process_state.hpp"

using namespace host_test;

namespace {

constexpr std::uint32_t usual = 131'072;

bp_context_options options() {
  bp_context_options options = no_options();
  options.fiber_stack_size = usual;
  return options;
}

/// Why the module cannot be loaded.
std::string refusal(const Context& context, const std::string& file) {
  const std::string path = module_path(file);
  const bp_load_options load = load_options(path);
  Result result;
  CHECK(bp_module_load(context.native, &load, &result) == BP_LOAD_REFUSED);
  return result.words();
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a handler has the stack that it asks for, and without a wish the context's") {
  const Context context(options());
  const Loaded stacks(context, "stacks");
  for (int i = 0; i < 3; ++i) {
    CHECK(context.call("stacks.bounds") == "ok:131072");
    CHECK(context.call("stacks.large") == "ok:4194304");
    CHECK(context.call("stacks.old") == "ok:131072");
    CHECK(context.call("stacks.fiber") == "ok:1048576 32768 1048576");
  }
}

TEST_CASE("the manifest gives a size to all handlers that ask for none") {
  const Context context(options());
  const Loaded stacks(context, "stacks_manifest");
  CHECK(context.call("stacks_manifest.bounds") == "ok:524288");
  CHECK(context.call("stacks_manifest.old") == "ok:524288");
  CHECK(context.call("stacks_manifest.large") == "ok:4194304");
}

TEST_CASE("a size out of bounds is refused, in the manifest and of a handler") {
  const Context context;
  const std::string of_handler = refusal(context, "stacks_wrong");
  INFO(of_handler);
  CHECK(contains(of_handler, "\"stacks_wrong.bounds\", with a stack_size of 16383; expected 0, or bytes from 16384"));
  const std::string of_manifest = refusal(context, "stacks_wrong_manifest");
  INFO(of_manifest);
  CHECK(contains(of_manifest, "its manifest has stack_size=\"2_MiB\"; expected bytes, 16384 to 1073741824"));
}

TEST_CASE("a blocking handler is told the stack of its thread") {
  const Context context;
  const Loaded stacks(context, "stacks");
  const std::string answer = context.call("stacks.blocking");
  INFO(answer);
  REQUIRE(answer.substr(0, 3) == "ok:");
  CHECK(std::stoull(answer.substr(3)) >= 65'536);
}

TEST_CASE("who runs no handler, or tells of no place, is not told a stack") {
  const Context context;
  const Loaded stacks(context, "stacks");
  CHECK(context.call("stacks.refused") == "ok:ok");
  CHECK(context.call("stacks.function") == "ok:" + std::to_string(BP_NOT_SUPPORTED));
}

TEST_CASE("a large stack can be used to its depth, also while others run on theirs") {
  const Context context(options());
  const Loaded stacks(context, "stacks");
  const Loaded sleeper(context, "sleeper");
  std::deque<Replies> deep(20);
  std::deque<Replies> shallow(20);
  for (std::size_t i = 0; i < deep.size(); ++i) {
    REQUIRE(context.submit("stacks.deep", deep[i], std::to_string((i + 1) * 131'072)) == BP_OK);
    REQUIRE(context.submit("sleeper.sleep", shallow[i], std::to_string(i % 3)) == BP_OK);
  }
  for (std::size_t i = 0; i < deep.size(); ++i) {
    CHECK(deep[i].wait() == Seen{"ok:" + std::to_string((i + 1) * 131'072)});
    CHECK(shallow[i].wait() == Seen{"ok:" + std::to_string(i % 3)});
  }
}

TEST_CASE("large stacks are used again, and those of a burst are given back") {
  const Context context(options());
  const Loaded stacks(context, "stacks");
  const auto mapped = [&context] {
    std::size_t count = 0;
    const Value status = status_of(context.native);
    for (const Value& each : status["stacks"].items) {
      if (each["size"].number == 4u << 20) count += each["used"].number;
    }
    return count;
  };
  std::deque<Replies> burst(50);
  for (Replies& each : burst) REQUIRE(context.submit("stacks.deep", each, "8192") == BP_OK);
  for (Replies& each : burst) CHECK(each.wait() == Seen{"ok:8192"});
  const std::size_t kept = mapped();
  CHECK(kept >= 1);
  CHECK(kept <= 4);  // of 4 MiB
  for (int i = 0; i < 50; ++i) REQUIRE(context.call("stacks.large") == "ok:4194304");
  CHECK(mapped() == kept);
}

TEST_CASE("a call that is canceled on a large stack ends as any other") {
  const Context context;
  const Loaded stacks(context, "stacks");
  Replies replies;
  REQUIRE(context.submit("stacks.deep", replies, "1000000", 1) == BP_OK);
  CHECK(replies.wait().size() == 1);
  CHECK(context.call("stacks.deep", "1000000") == "ok:1000000");
}
