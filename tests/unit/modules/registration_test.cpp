// SPDX-License-Identifier: Apache-2.0
//
// Very many names, and reports that stay within their bound.
#include <backplane/cbor/reader.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cbor_value.hpp"
#include "extensions/module_api.hpp"
#include "modules/generation.hpp"
#include "modules/registry.hpp"
#include "modules/reports.hpp"

using namespace backplane::host;
namespace cbor = backplane::cbor;

namespace {

void function(const bp_call*) {}
bp_handled handler(const bp_call*) { return BP_DONE; }

bp_status offer(Generation& generation, const std::string& name) {
  bp_function_desc desc{};
  desc.struct_size = sizeof desc;
  desc.name = {name.data(), name.size()};
  desc.function = function;
  return module_api().register_function(&generation.identity, &desc);
}

bp_status provide(Generation& generation, const std::string& name, std::uint32_t flags = 0) {
  bp_handler_desc desc{};
  desc.struct_size = sizeof desc;
  desc.flags = flags;
  desc.name = {name.data(), name.size()};
  desc.handler = handler;
  return module_api().register_handler(&generation.identity, &desc);
}

std::unique_ptr<Generation> generation_of(const std::string& name) {
  auto out = std::make_unique<Generation>();
  out->manifest.name = name;
  out->in_init = true;
  return out;
}

Value list_of(const std::vector<std::unique_ptr<Generation>>& generations, std::size_t& size) {
  std::vector<const Generation*> all;
  for (const auto& each : generations) {
    each->state = Generation::State::running;
    all.push_back(each.get());
  }
  const auto bytes = module_list(all);
  size = bytes.size();
  cbor::check_well_formed(bytes);
  return Value::of({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

TEST_CASE("registering very many names takes time in proportion to them") {
  const auto generation = generation_of("m");
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 100'000; ++i) {
    if (offer(*generation, "m.function_of_some_length_" + std::to_string(i)) != BP_OK) FAIL("refused");
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
  CHECK(offer(*generation, "m.function_of_some_length_0") == BP_NAME_TAKEN);
  CHECK(generation->functions.size() == 100'000);
}

TEST_CASE("what init was refused is known until it has registered the name in another way") {
  const auto generation = generation_of("m");
  CHECK(provide(*generation, "m.a", 1u << 30) == BP_NOT_SUPPORTED);
  CHECK(provide(*generation, "other.b") == BP_INVALID_ARGUMENT);
  CHECK(generation->registration.refused.size() == 2);
  CHECK(provide(*generation, "m.a") == BP_OK);
  CHECK(generation->registration.refused.size() == 1);
  for (int i = 0; i < 1'000; ++i) CHECK(offer(*generation, "bad" + std::to_string(i)) == BP_INVALID_ARGUMENT);
  CHECK(generation->registration.refused.size() == 64);
}

namespace {

std::unique_ptr<Generation> bound(Registry& registry, const std::vector<std::string>& names) {
  auto out = generation_of("m");
  out->module = &registry.module("m");
  for (const std::string& name : names) CHECK(provide(*out, name) == BP_OK);
  registry.bind(*out);
  return out;
}

}  // namespace

TEST_CASE("names that nobody has looked up are given back when their module has them no more") {
  Registry registry;
  Module& module = registry.module("m");
  std::unique_ptr<Generation> current;
  for (int round = 0; round < 30; ++round) {
    std::vector<std::string> names = {"m.lasting"};
    for (int i = 0; i < 100; ++i) names.push_back("m.r" + std::to_string(round) + "_" + std::to_string(i));
    auto next = bound(registry, names);
    registry.publish(module, next.get());
    current = std::move(next);
    CHECK(current->handlers.size() <= 2 * names.size());  // their numbers are used again
    CHECK(registry.names().waiting_count() == names.size());
  }
  CHECK(registry.names().method_count() == 0);

  // One that was looked up stays, and its handle is right when it comes back.
  bp_method used{};
  REQUIRE(registry.resolve("m.r29_7", used) == BP_OK);
  const Method* const method = registry.method_at(used.id);
  REQUIRE(method != nullptr);
  CHECK(current->handler(*method)->name == "m.r29_7");
  auto without = bound(registry, {"m.lasting"});
  registry.publish(module, without.get());
  CHECK(registry.names().method_count() == 1);
  CHECK(registry.names().waiting_count() == 1);
  CHECK(without->handler(*method) == nullptr);
  CHECK_FALSE(method->answers);
  auto with = bound(registry, {"m.other", "m.r29_7", "m.lasting"});
  registry.publish(module, with.get());
  CHECK(with->handler(*method)->name == "m.r29_7");
  CHECK(method->answers);
  bp_method again{};
  CHECK(registry.resolve("m.r29_7", again) == BP_OK);
  CHECK(again.id == used.id);
}

TEST_CASE(
    "a name is unknown until its generation is published, gone after an unload, and forgotten if that is refused") {
  Registry registry;
  Module& module = registry.module("m");
  const auto refused = bound(registry, {"m.refused"});
  const Method* method = nullptr;
  CHECK(registry.find_method("m.refused", method) == BP_OK);
  CHECK(method == nullptr);
  const auto runs = bound(registry, {"m.name", "m.second"});
  CHECK(registry.names().waiting_count() == 2);
  registry.publish(module, runs.get());
  registry.publish(module, nullptr);
  bp_method id{};
  CHECK(registry.resolve("m.name", id) == BP_UNKNOWN_NAME);
  CHECK(registry.find_method("m.name", method) == BP_OK);
  REQUIRE(method != nullptr);  // so that a call is told that the module is gone
  CHECK(method->answered);
  CHECK_FALSE(method->answers);
  CHECK(registry.find_method("m.refused", method) == BP_OK);
  CHECK(method == nullptr);
  CHECK(registry.resolve("no name", id) == BP_INVALID_ARGUMENT);
}

TEST_CASE("a name that many threads look up at first has one method") {
  Registry registry;
  Module& module = registry.module("m");
  constexpr int count = 2'000;
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back("m.n" + std::to_string(i));
  const auto generation = bound(registry, names);
  registry.publish(module, generation.get());
  std::vector<std::vector<const Method*>> seen(4, std::vector<const Method*>(count));
  std::vector<std::thread> threads;
  for (auto& mine : seen) {
    threads.emplace_back([&] {
      for (int i = 0; i < count; ++i)
        registry.find_method(names[static_cast<std::size_t>(i)], mine[static_cast<std::size_t>(i)]);
    });
  }
  for (auto& thread : threads) thread.join();
  int wrong = 0;
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const Method* const method = seen[0][at];
    wrong += method == nullptr || method->name != names[at] || generation->handler(*method)->name != names[at];
    for (const auto& mine : seen) wrong += mine[at] != method;
  }
  CHECK(wrong == 0);
  CHECK(registry.names().method_count() == count);
  CHECK(registry.names().waiting_count() == 0);
}

TEST_CASE("the list of modules has everything if it fits, and else says what it leaves out") {
  std::vector<std::unique_ptr<Generation>> generations;
  for (int i = 0; i < 3; ++i) {
    generations.push_back(generation_of("m" + std::to_string(i)));
    Generation& each = *generations.back();
    provide(each, each.manifest.name + ".verb");
    each.manifest.provides = {each.manifest.name + ".verb"};
    each.manifest.cddl = std::string(2 << 20, 'x');
    each.manifest.emits = {each.manifest.name + ".event"};
  }
  std::size_t size = 0;
  Value list = list_of(generations, size);
  for (const Value& module : list["modules"].items) {
    CHECK(module["cddl"].text.size() == 2 << 20);
    CHECK(module["left_out"].items.empty());
  }
  for (int i = 3; i < 40; ++i) {
    generations.push_back(generation_of("m" + std::to_string(i)));
    Generation& each = *generations.back();
    for (int n = 0; n < 20'000; ++n) {
      provide(each, each.manifest.name + ".verb_" + std::to_string(n));
      each.manifest.provides.push_back(each.registered.back()->name);
      each.manifest.emits.push_back(each.manifest.name + ".event_" + std::to_string(n));
    }
  }
  list = list_of(generations, size);
  CHECK(size < most_list_bytes);
  REQUIRE(list["modules"].items.size() == 40);
  const Value& first = list["modules"].items.front();
  CHECK(first["cddl"].text.empty());
  REQUIRE(first["left_out"].items.size() == 1);
  CHECK(first["left_out"].items[0].text == "cddl");
  CHECK(first["names"].items.size() == 1);
  const Value& last = list["modules"].items.back();
  REQUIRE(last["left_out"].items.size() == 2);
  CHECK(last["names"].items.size() > 500);
  CHECK(last["events"].items.size() > 500);
}
