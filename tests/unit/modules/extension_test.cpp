// SPDX-License-Identifier: Apache-2.0
//
// The extensions that a module has for its host: bp_module_entry.extension.
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "../../fixtures/modules/extends.h"
#include "context/control.hpp"
#include "extensions/module_api.hpp"
#include "modules/loader.hpp"
#include "modules/registry.hpp"

using namespace backplane::host;

namespace {

/// A loader and its control thread, in a process without contexts.
class LoaderFixture {
 public:
  LoaderFixture()
      : loader_(
            registry_, catalog_, control_, module_api(), [] { return std::vector<InstanceHost*>(); },
            [this](std::function<void()> job) { return control_.prepare(std::move(job)); },
            [this](const std::filesystem::path& made) { copies_ = made; },
            [](const std::string&) { return std::string(); }, kept_) {}
  LoaderFixture(const LoaderFixture&) = delete;
  LoaderFixture& operator=(const LoaderFixture&) = delete;
  ~LoaderFixture() { std::filesystem::remove_all(copies_); }

  Generation& load(const std::string& name) {
    const std::string path = BP_TEST_BUILD_DIR "/tests/modules/" + name + ".so";
    return *control_.run_now([&] {
      loader_.load({path, {}});
      return registry_.find_module(name)->current.load();
    });
  }
  Generation& reload(const std::string& name) {
    return *control_.run_now([&] {
      old_ = loader_.reload({loader_, name, LoadRequest{}}).old;
      return registry_.find_module(name)->current.load();
    });
  }
  /// Why the object is still mapped; nothing if it is gone.
  std::vector<PinReason> unload(const std::string& name) {
    const Loader::Ending ending = control_.run_now([&] { return loader_.begin_unload(name); });
    REQUIRE(ending.retirement->wait(std::chrono::seconds(20)));
    return ending.retirement->kept_because();
  }

  /// What the module answers when the control thread asks.
  const extends_api* ask(const Generation& generation, const char* id) {
    return control_.run_now([&] { return static_cast<const extends_api*>(generation.extension(id)); });
  }
  template <class F>
  auto on_control_thread(F f) {
    return control_.run_now(f);
  }

 private:
  std::filesystem::path copies_;
  Control control_;
  Mutex catalog_;
  Registry registry_;
  KeptByThreads kept_;
  Loader loader_;
  Loader::Ending old_;
};

}  // namespace

TEST_CASE("a module is asked for an extension of its own, on the control thread, between init and deinit") {
  LoaderFixture fixture;
  const Generation& generation = fixture.load("extends_never_goes");
  const extends_api* const api = fixture.ask(generation, EXTENDS_ID);
  REQUIRE(api != nullptr);
  CHECK(api->struct_size == sizeof(extends_api));
  CHECK(api->asked() == 1);
  CHECK(fixture.on_control_thread([api] { return api->asked_by_this_thread(); }));
  CHECK_FALSE(api->asked_by_this_thread());
  CHECK(fixture.ask(generation, EXTENDS_ID) == api);

  // After deinit the generation answers for the module, which is not asked any more.
  CHECK_FALSE(fixture.unload("extends_never_goes").empty());
  CHECK(fixture.ask(generation, EXTENDS_ID) == nullptr);
  CHECK(api->asked() == 2);
  CHECK(api->asked_too_early_or_late() == 0);
}

TEST_CASE("a module has no extension of an id that it does not know") {
  LoaderFixture fixture;
  const Generation& generation = fixture.load("extends");
  for (const char* const id : {"com.example.extends/2", "com.example.extends", "bp.event/1", ""}) {
    INFO(id);
    CHECK(fixture.ask(generation, id) == nullptr);
  }
  REQUIRE(fixture.ask(generation, EXTENDS_ID) != nullptr);
  CHECK(fixture.ask(generation, EXTENDS_ID)->asked() == 6);
  CHECK(fixture.unload("extends").empty());
}

TEST_CASE("a module whose entry has no extension function has no extensions") {
  LoaderFixture fixture;
  for (const char* const name : {"extends_null", "extends_short"}) {
    INFO(name);
    const Generation& generation = fixture.load(name);
    CHECK(fixture.ask(generation, EXTENDS_ID) == nullptr);
    CHECK(fixture.unload(name).empty());
  }
}

TEST_CASE("each generation of a module has a table of its own") {
  LoaderFixture fixture;
  const extends_api* const first = fixture.ask(fixture.load("extends"), EXTENDS_ID);
  const extends_api* const second = fixture.ask(fixture.reload("extends"), EXTENDS_ID);
  REQUIRE(first != nullptr);
  REQUIRE(second != nullptr);
  CHECK(second != first);
  CHECK(second->asked() == 1);
  CHECK(fixture.unload("extends").empty());
}
