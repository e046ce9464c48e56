// SPDX-License-Identifier: Apache-2.0
//
// Every allocation and every thread that the making of a context needs fails once: nothing may be left behind.
#include <link.h>

#include <cstdlib>
#include <fstream>

#include "failing.hpp"
#include "fixture.hpp"
#include "process_state.hpp"
#include "temp_dir.hpp"

using namespace host_test;
using failing::Which;

namespace {

constexpr long more_than_enough = 10'000;

// The threads of what was given up are joined, but the kernel may list them a moment longer.
bool threads_are(std::size_t count) {
  return eventually([&] { return threads() == count; });
}

// What must be the same before and after a creation that failed.
struct Held {
  explicit Held(bp_context host)
      : resting(status_of(host)["resting"].number), contexts(status_of(host)["contexts"].items.size()) {
    tasks = threads();
    fds = descriptors();
    blocks = failing::live_blocks();
  }
  std::uint64_t resting;
  std::size_t contexts;
  std::size_t tasks;
  std::size_t fds;
  long blocks;
};

// "create" and "destroy" in turns: what lifecycle.so notes of its instances.
struct Notes {
  Notes() { ::setenv("BP_TEST_LIFECYCLE", path.c_str(), 1); }
  Notes(const Notes&) = delete;
  Notes& operator=(const Notes&) = delete;
  ~Notes() { ::unsetenv("BP_TEST_LIFECYCLE"); }
  int alive() const {
    std::ifstream file(path);
    int count = 0;
    for (std::string line; std::getline(file, line);) count += (line == "create") - (line == "destroy");
    return count;
  }
  const TempDir dir;
  const std::string path = dir / "notes";
};

// A module of the host's, not of a context's: instance_fails could not be loaded into one.
class LoadedEarly {
 public:
  explicit LoadedEarly(std::string name) : name_(std::move(name)) {
    const std::string path = module_path(name_);
    const bp_load_options options = load_options(path);
    Result result;
    REQUIRE(bp_module_load(bp_host_context(), &options, &result) == BP_OK);
  }
  LoadedEarly(const LoadedEarly&) = delete;
  LoadedEarly& operator=(const LoadedEarly&) = delete;
  ~LoadedEarly() {
    Result result;
    bp_module_unload(bp_host_context(), str(name_), 0, &result);
  }

 private:
  const std::string name_;
};

std::string call(bp_context context, std::string_view name, std::string_view payload = {}) {
  Result result;
  const std::string status = bp_status_name(bp_call_sync(context, str(name), bytes_of(payload), 0, &result));
  return status + ":" + result.text();
}

void check_works_and_destroy(bp_context context) {
  CHECK(call(context, "lifecycle.call", "word") == "ok:word");
  CHECK(call(context, "sleeper.remaining") == "ok:none");
  CHECK(call(context, "instance_fails.echo") == "instance_failed:");
  CHECK(bp_context_destroy(context) == BP_OK);
}

void make_and_destroy(const bp_context_options& options) {
  bp_context context{};
  REQUIRE(bp_context_create(&options, &context, nullptr) == BP_OK);
  check_works_and_destroy(context);
}

// One creation in which something fails; false if nothing had to any more, and the context was made.
bool survives(const bp_context_options& options, long nth, Which which, const Notes& notes) {
  const bp_context host = bp_host_context();
  const int instances = notes.alive();
  const Held before(host);
  Result why;
  bp_context context{1};
  failing::arm(nth, which);
  const bp_status status = bp_context_create(&options, &context, &why);
  const failing::Steps steps = failing::disarm();
  if (status == BP_OK) {
    check_works_and_destroy(context);
    // What failed can have been an event that goes untold, or the line of the log, at most.
    return steps.failed;
  }
  const long blocks = failing::live_blocks();
  CHECK((status == BP_OUT_OF_MEMORY || status == BP_IO));
  CHECK(steps.failed);
  CHECK(why.status == status);
  CHECK(why.words() != "");
  CHECK(context.id == 0);
  CHECK(threads_are(before.tasks));
  CHECK(blocks == before.blocks);
  CHECK(notes.alive() == instances);
  const Held after(host);
  CHECK(after.fds == before.fds);
  CHECK(after.resting == before.resting);
  CHECK(after.contexts == before.contexts);
  make_and_destroy(options);
  return true;
}

std::uint32_t last_timeout = 2'000;

// No context that rests has these.
bp_context_options fresh_options() {
  bp_context_options options = no_options();
  options.stop_timeout_ms = ++last_timeout;
  return options;
}

}  // namespace

TEST_CASE("a context that cannot be made leaves nothing behind, whichever step of making it fails") {
  const Notes notes;
  const LoadedEarly fails("instance_fails");
  const LoadedEarly lifecycle("lifecycle");
  const LoadedEarly sleeper("sleeper");
  const Context keeper;
  const auto which = GENERATE(Which::one, Which::from_then);
  const bool renewed = GENERATE(false, true);
  CAPTURE(static_cast<int>(which), renewed);
  const bp_context_options kept = fresh_options();
  make_and_destroy(kept);  // what is made at the first time and stays; and one to be renewed

  failing::arm(more_than_enough, which);
  const Context counted(renewed ? kept : fresh_options());
  const failing::Steps steps = failing::disarm();
  REQUIRE_FALSE(steps.failed);
  CHECK(steps.allocations > 0);
  CHECK(steps.threads == (renewed ? 0 : 2));

  long nth = 1;
  while (survives(renewed ? kept : fresh_options(), nth, which, notes)) {
    REQUIRE(nth < more_than_enough);
    ++nth;
  }
  CHECK(nth > (renewed ? 5 : 10));
}

namespace {

// Loads lifecycle while something fails; false if nothing had to any more.
bool load_survives(const Context& first, const Context& second, long nth, const Notes& notes) {
  const std::string path = module_path("lifecycle");
  const bp_load_options options = load_options(path);
  const int instances = notes.alive();
  const std::size_t tasks = threads();
  const std::size_t fds = descriptors();
  failing::Steps steps;
  {
    Result result;
    failing::arm(nth, Which::one);
    const bp_status status = bp_module_load(first.native, &options, &result);
    steps = failing::disarm();
    CAPTURE(bp_status_name(status), result.words());
    if (status != BP_OK) {
      // Its init may have been what had no memory: it says so with BP_OUT_OF_MEMORY, which is 40.
      CHECK((status == BP_OUT_OF_MEMORY || status == BP_IO || result.says("its init failed with status 40")));
      CHECK(result.words() != "");
      CHECK(notes.alive() == instances);
      CHECK(first.call("lifecycle.call", "word") == "module_gone");
    }
    CHECK(threads() == tasks);
    CHECK(descriptors() == fds);
    if (status != BP_OK) {
      Result again;
      REQUIRE(bp_module_load(first.native, &options, &again) == BP_OK);
    }
  }
  CHECK(first.call("lifecycle.call", "word") == "ok:word");
  CHECK(second.call("lifecycle.call", "word") == "ok:word");
  CHECK(notes.alive() == instances + 2);
  Result result;
  const bp_status status = bp_module_unload(first.native, BP_STR("lifecycle"), 0, &result);
  CHECK((status == BP_OK || status == BP_PINNED));
  return steps.failed;
}

}  // namespace

TEST_CASE("a module that cannot be loaded for want of memory leaves nothing behind") {
  const Notes notes;
  const Context first;
  const Context second;
  { const Loaded before(first, "lifecycle"); }  // what is made at the first time and stays
  long nth = 1;
  while (load_survives(first, second, nth, notes)) {
    CAPTURE(nth);
    REQUIRE(nth < more_than_enough);
    ++nth;
  }
  CHECK(nth > 30);
}

TEST_CASE("a load without memory of a module that needs other libraries, and its unload, leave the loader unlocked") {
  const Context ctx;
  const std::string path = module_path("news");
  const bp_load_options options = load_options(path);
  const auto failing_at = [](long nth, const auto& step) {
    failing::arm(nth, Which::one);
    const bp_status status = step();
    const bool failed = failing::disarm().failed;
    // Hangs if another thread left the dynamic loader locked.
    (void)::dl_iterate_phdr([](dl_phdr_info*, std::size_t, void*) { return 1; }, nullptr);
    return std::pair(status, failed);
  };
  long nth = 0;
  for (bool failed = true; failed;) {
    REQUIRE(++nth < more_than_enough);
    Result loaded;
    const auto [load, load_failed] = failing_at(nth, [&] { return bp_module_load(ctx.native, &options, &loaded); });
    {
      CAPTURE(nth, bp_status_name(load), loaded.words());
      CHECK((load == BP_OK || load == BP_OUT_OF_MEMORY || load == BP_IO || loaded.says("std::bad_alloc") ||
             loaded.says("its init failed with status 40")));
    }
    Result again;
    if (load != BP_OK) REQUIRE(bp_module_load(ctx.native, &options, &again) == BP_OK);
    Result unloaded;
    const auto [unload, unload_failed] =
        failing_at(nth, [&] { return bp_module_unload(ctx.native, BP_STR("news"), 0, &unloaded); });
    {
      CAPTURE(nth, bp_status_name(unload), unloaded.words());
      CHECK((unload == BP_OK || unload == BP_PINNED || unload == BP_OUT_OF_MEMORY));
    }
    Result gone;
    if (unload == BP_OUT_OF_MEMORY) (void)bp_module_unload(ctx.native, BP_STR("news"), 0, &gone);
    failed = load_failed || unload_failed;
  }
  CHECK(nth > 30);
}
