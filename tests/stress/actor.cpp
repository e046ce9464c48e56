// SPDX-License-Identifier: Apache-2.0
//
// One thread of those that do everything at once.
#include "actor.hpp"

#include <chrono>
#include <string>
#include <thread>

#include "life.hpp"

namespace stress {
namespace {

using Draws = std::array<std::uint64_t, 6>;

bp_load_options load_options(const std::string& path, bp_bytes config) {
  bp_load_options options{};
  options.struct_size = sizeof options;
  options.path = path.c_str();
  options.config = config;
  return options;
}

void expect(World& world, const char* what, const bp_result& result, bool fits) {
  if (!fits)
    world.problems.add(std::string(what) + " returned " + bp_status_name(result.status) + ": " +
                       std::string(view(result.message)));
}

void load(World& world, bp_context by, const ModuleFiles& files, std::uint64_t draw) {
  const bp_load_options options = load_options(files.coming[draw % 2], files.config);
  Result result;
  const bp_status status = bp_module_load(by, &options, &result);
  if (status == BP_OK) ++world.totals.loads;
  expect(world, "loading", result, status == BP_OK || status == BP_NAME_TAKEN);
}

void unload(World& world, bp_context by, std::uint64_t draw) {
  Result result;
  const bp_status status =
      bp_module_unload(by, BP_STR("stress_coming"), 20 + static_cast<std::uint32_t>(draw % 300), &result);
  if (status == BP_OK) ++world.totals.unloads;
  if (status == BP_PINNED) ++world.totals.pinned;
  expect(world, "unloading", result, status == BP_OK || status == BP_PINNED || status == BP_NOT_LOADED);
}

void reload(World& world, bp_context by, const ModuleFiles& files, bool steady, std::uint64_t draw) {
  const bp_load_options options = load_options((steady ? files.steady : files.coming)[draw % 2], {nullptr, 0});
  Result result;
  const bp_status status = bp_module_reload(by, steady ? BP_STR("stress_steady") : BP_STR("stress_coming"),
                                            draw >> 8 & 1 ? &options : nullptr,
                                            20 + static_cast<std::uint32_t>((draw >> 16) % 300), &result);
  if (status == BP_OK) ++world.totals.reloads;
  expect(world, "reloading", result, status == BP_OK || (!steady && status == BP_NOT_LOADED));
}

// The context in that slot, or, while that changes, in another one.
Use use_near(World& world, std::size_t place) {
  Use found = use(world.slots[place]);
  for (std::size_t i = 1; i < World::slot_count && !found; ++i)
    found = use(world.slots[(place + i) % World::slot_count]);
  return found;
}

// By the keeper, or by the context in a slot, which may be ended meanwhile.
void change_module(World& world, const ModuleFiles& files, std::size_t place, const Draws& draws) {
  const bp_context by = world.keeper;
  const Use life = draws[1] % 4 == 0 ? use_near(world, place) : Use();
  if (life) {
    // A context that is destroyed in between answers invalid_handle, as it should.
    Result result;
    const bp_status status = bp_module_reload(life->native, BP_STR("stress_steady"), nullptr, 50, &result);
    if (status == BP_OK) ++world.totals.reloads;
    expect(world, "reloading", result, status == BP_OK || (status == BP_INVALID_HANDLE && life->forced));
    return;
  }
  switch (draws[0] % 5) {
    case 0:
      return unload(world, by, draws[2]);
    case 1:
    case 2:
      return load(world, by, files, draws[2]);
    case 3:
      return reload(world, by, files, false, draws[2]);
    default:
      return reload(world, by, files, true, draws[2]);
  }
}

void look_at_modules(World& world, const ModuleFiles& files, const Draws& draws) {
  Result result;
  if (draws[0] % 2 == 0) {
    expect(world, "listing modules", result, bp_module_list(world.keeper, &result) == BP_OK);
  } else {
    expect(world, "inspecting a module", result, bp_module_inspect(files.steady[0].c_str(), &result) == BP_OK);
  }
}

void end_context(World& world, Slot& slot, const Draws& draws) {
  const std::unique_lock lock(slot.changing, std::try_to_lock);
  if (!lock || !world.ends.try_acquire()) {
    ++world.totals.skipped;
    return;
  }
  end_life(world, slot, draws);
  begin_life(world, slot, {draws[2], draws[3], draws[4], draws[5], draws[2] >> 32, 0});
  world.ends.release();
  bury(world, false);
}

void act_on(Life& life, World& world, const Operation& operation, std::size_t place) {
  const Draws& draws = operation.draws;
  switch (operation.kind) {
    case Kind::submit:
      return submit(life, draws, false);
    case Kind::submit_wrongly:
      return submit_wrongly(life, draws);
    case Kind::call_sync:
      return call_sync(life, draws);
    case Kind::cancel:
      return cancel(life, draws);
    case Kind::complete_wrongly: {
      const Use other = use(world.slots[(place + 1) % World::slot_count]);
      return complete_wrongly(life, other ? &*other : nullptr, draws);
    }
    case Kind::listen:
      return listen(life, draws);
    case Kind::unlisten:
      return unlisten(life, draws);
    case Kind::set_function:
      return set_function(life, draws);
    case Kind::unset_function:
      return unset_function(life, draws);
    case Kind::find_method:
      return find_method(life, draws);
    default:
      return;
  }
}

void do_one(World& world, const ModuleFiles& files, const Operation& operation) {
  ++world.totals.operations[static_cast<std::size_t>(operation.kind)];
  const Draws& draws = operation.draws;
  const std::size_t place = (draws[5] >> 56) % World::slot_count;
  Slot& slot = world.slots[place];
  switch (operation.kind) {
    case Kind::pause:
      return std::this_thread::sleep_for(std::chrono::microseconds(draws[0] % 200));
    case Kind::look_at_modules:
      return look_at_modules(world, files, draws);
    case Kind::change_module:
      return change_module(world, files, place, draws);
    case Kind::end_context:
      return end_context(world, slot, draws);
    default:
      break;
  }
  const Use life = use_near(world, place);
  if (!life) {
    ++world.totals.skipped;
    return;
  }
  act_on(*life, world, operation, place);
}

void unload_for_good(World& world, bp_str name) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr bool must_go = false;  // a sanitizer keeps what it has instrumented mapped
#else
  constexpr bool must_go = true;
#endif
  Result result;
  const bp_status status = bp_module_unload(world.keeper, name, 30'000, &result);
  expect(world, "the last unloading", result,
         status == BP_OK || status == BP_NOT_LOADED || (status == BP_PINNED && !must_go));
}

}  // namespace

void load_modules(World& world, const ModuleFiles& files) {
  for (const std::string* path : {&files.coming[0], &files.steady[0]}) {
    const bp_load_options options = load_options(*path, files.config);
    Result result;
    expect(world, "the first loading", result, bp_module_load(world.keeper, &options, &result) == BP_OK);
  }
}

void unload_modules(World& world) {
  unload_for_good(world, BP_STR("stress_coming"));
  unload_for_good(world, BP_STR("stress_steady"));
}

void act(World& world, const ModuleFiles& files, Actor& actor, std::uint64_t limit, const std::atomic<bool>& stop) {
  while (!stop && (limit == 0 || actor.operations.drawn() < limit)) {
    const Operation operation = actor.operations.next();
    actor.doing = operation.kind;
    do_one(world, files, operation);
  }
  actor.doing = Kind::count;
}

}  // namespace stress
