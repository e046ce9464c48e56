// SPDX-License-Identifier: Apache-2.0
//
// Runs a stress test: starts the threads, shows progress, stops them, and checks that all counts agree.
#include "run.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "actor.hpp"
#include "completion_thread.hpp"
#include "life.hpp"
#include "status.hpp"

namespace stress {
namespace {

// The CBOR map {"board": uint}: how the modules find what they count into.
std::vector<std::uint8_t> config_for(const Board& board) {
  std::vector<std::uint8_t> bytes = {0xa1, 0x65, 'b', 'o', 'a', 'r', 'd', 0x1b};
  const auto address = reinterpret_cast<std::uint64_t>(&board);
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(address >> shift));
  return bytes;
}

bool eventually(World& world, const std::function<bool()>& condition) {
  const auto until = Clock::now() + world.patience();
  while (!condition()) {
    if (Clock::now() > until) {
      world.in_vain = true;
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

// Reads the status all the time; what counts up must not go down.
void watch_status(World& world, const std::atomic<bool>& stop) {
  static constexpr const char* growing[] = {"accepted",        "replied",          "errors",         "refused",
                                            "events.emitted",  "events.delivered", "events.refused", "tokens.failed",
                                            "tokens.answered", "tokens.refused"};
  std::map<std::uint64_t, Numbers> seen;
  while (!stop) {
    const StatusReport report = read_status(world.keeper);
    ++world.totals.status_reports;
    if (report.status != BP_OK) world.problems.add("bp_host_status failed");
    std::map<std::uint64_t, Numbers> now;
    for (const Numbers& each : report.contexts) {
      const std::uint64_t id = each["id"];
      if (const auto before = seen.find(id); before != seen.end()) {
        for (const char* const name : growing) {
          if (each[name] < before->second[name])
            world.problems.add(std::string("in the status report a count went back: ") + name);
        }
      }
      now.emplace(id, each);
    }
    seen = std::move(now);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

std::uint64_t requests(World& world) {
  std::uint64_t sum = world.totals.accepted;
  for (Slot& slot : world.slots) {
    if (const Use life = use(slot)) sum += life->own.accepted;
  }
  return sum;
}

void progress(World& world, Clock::time_point began) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - began).count();
  const Totals& totals = world.totals;
  std::fprintf(stderr, "stress: %llds: %llu requests, %llu contexts ended, %llu loads and reloads, %llu problems\n",
               static_cast<long long>(seconds), static_cast<unsigned long long>(requests(world)),
               static_cast<unsigned long long>(totals.lives),
               static_cast<unsigned long long>(totals.loads + totals.reloads),
               static_cast<unsigned long long>(world.problems.count()));
}

std::uint64_t operations_begun(const World& world) {
  std::uint64_t sum = 0;
  for (const Count& count : world.totals.operations) sum += count;
  return sum;
}

// Prints each second; returns when the time is over, every actor has done its operations, none has begun one for
// long, or Ctrl-C came.
void oversee(World& world, const Options& options, const std::atomic<unsigned>& at_work,
             const std::atomic<bool>& interrupted) {
  const auto began = Clock::now();
  const auto limit =
      began + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
  auto next = began + std::chrono::seconds(1);
  auto moved = began;
  std::uint64_t begun = 0;
  while (at_work != 0 && !interrupted && (options.operations != 0 || Clock::now() < limit)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (Clock::now() < next) continue;
    if (const std::uint64_t now = operations_begun(world); now != begun) {
      begun = now;
      moved = Clock::now();
    } else if (Clock::now() - moved > world.patience()) {
      return;
    }
    progress(world, began);
    next += std::chrono::seconds(1);
  }
}

// Threads that do not come back still use everything: the counts as they are, and the end of the process.
[[noreturn]] void give_up(World& world, const Options& options, Outcome& outcome, const std::deque<Actor>& actors) {
  for (const Actor& actor : actors) {
    if (actor.doing != Kind::count)
      world.problems.add(std::string("a thread does not return from ") + name(actor.doing));
  }
  settle_everything(world);
  outcome.hashes.resize(options.threads);
  report(world, options, outcome);
  std::_Exit(1);
}

Outcome hammer(World& world, const ModuleFiles& files, const Options& options, const std::atomic<bool>& interrupted) {
  Outcome outcome;
  constexpr std::uint64_t hashed_of_a_time = 1'000;
  outcome.hashed = options.operations != 0 ? options.operations : hashed_of_a_time;
  std::deque<Actor> actors;
  std::atomic<bool> stop{false};
  std::atomic<bool> stop_status{false};
  std::atomic<unsigned> at_work{options.threads};
  const auto began = Clock::now();
  std::thread status([&] { watch_status(world, stop_status); });
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < options.threads; ++i) {
    Actor& actor = actors.emplace_back(Operations(options.seed, i));
    actor.operations.hash_first(outcome.hashed);
    threads.emplace_back([&] {
      act(world, files, actor, options.operations, stop);
      --at_work;
    });
  }
  oversee(world, options, at_work, interrupted);
  stop = true;
  const bool back = eventually(world, [&] { return at_work == 0; });
  outcome.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  if (!back) give_up(world, options, outcome, actors);
  for (std::thread& thread : threads) thread.join();
  stop_status = true;
  status.join();
  for (const Actor& actor : actors) outcome.hashes.push_back(actor.operations.hash(outcome.hashed));
  return outcome;
}

void must_be_equal(World& world, const char* what, const Count& left, const Count& right) {
  if (eventually(world, [&] { return left == right; })) return;
  world.problems.add(std::string("does not hold: ") + what + ": " + std::to_string(left) + " and " +
                     std::to_string(right));
}

void check_board(World& world) {
  Board& board = world.board;
  const Count none{0};
  must_be_equal(world, "modules begun = ended", board.inits, board.deinits);
  must_be_equal(world, "instances made = ended", board.instances_made, board.instances_ended);
  must_be_equal(world, "handles put = released", board.handles_put, board.handles_released);
  const std::pair<const char*, const Count*> wrong[] = {
      {"a module's second terminal reply was taken", &board.second_replies},
      {"a module found a payload that was not what had been sent", &board.corrupt},
      {"a handle led to what it should not", &board.wrong_handle},
      {"a module was given a status that its header does not name", &board.odd_status},
      {"a reply was taken although the instance had ended", &board.reply_after_end}};
  for (const auto& [what, count] : wrong) {
    if (*count != 0) world.problems.add(std::string(what) + ": " + std::to_string(*count) + " times");
  }
}

// Everything drains, in peace, and nothing is left.
void wind_down(World& world) {
  for (Slot& slot : world.slots) {
    const std::lock_guard lock(slot.changing);
    end_life(world, slot, {7, 0, 0, 0, 0, 0});
  }
  const bool buried = eventually(world, [&world] {
    bury(world, false);
    const std::lock_guard lock(world.graves_mutex);
    return world.graves.empty();
  });
  if (!buried) world.problems.add("somebody still uses a context that has ended");
  bury(world, true);
  const bool alone = eventually(world, [&world] {
    const StatusReport report = read_status(world.keeper);
    return report.contexts.size() == 1 && report.host["workers.queued"] == 0 && report.host["workers.running"] == 0;
  });
  if (!alone) world.problems.add("not drained: contexts or worker jobs are left at the end");
  unload_modules(world);
  if (read_status(world.keeper).host["modules"] != 0) world.problems.add("modules are left at the end");
  if (bp_context_destroy(world.keeper) != BP_OK) world.problems.add("the last context does not go");
  check_board(world);
}

}  // namespace

Outcome run(World& world, const Options& options, const std::atomic<bool>& interrupted) {
  // Short spans, so that the wedges here, of 5 to 40 ms, make liveness events.
  bp_host_options host{};
  host.struct_size = sizeof host;
  host.watchdog_period_ms = 10;
  host.watchdog_threshold_ms = 20;
  host.watchdog_start_grace_ms = 10;
  Result why;
  if (bp_host_configure(&host, &why) != BP_OK) world.problems.add("the host cannot be configured");
  bp_log_level(BP_LOG_OFF);  // it warns of each wedge
  if (bp_context_create(nullptr, &world.keeper, &why) != BP_OK) {
    world.problems.add("no context can be made: " + std::string(view(why.message)));
    return {};
  }
  const std::vector<std::uint8_t> config = config_for(world.board);
  ModuleFiles files;
  for (int i = 0; i < 2; ++i) {
    const std::string build = std::to_string(i + 1) + ".so";
    files.coming[i] = options.modules + "/stress_coming_" + build;
    files.steady[i] = options.modules + "/stress_steady_" + build;
  }
  files.config = {config.data(), config.size()};
  load_modules(world, files);
  if (world.problems.count() != 0) return {};
  CompletionThread completion_thread;
  world.completion_thread = &completion_thread;
  Random random(options.seed);
  for (Slot& slot : world.slots) {
    begin_life(world, slot, {random.next(), random.next(), random.next(), random.next(), random.next(), 0});
  }
  Outcome outcome = hammer(world, files, options, interrupted);
  wind_down(world);
  return outcome;
}

}  // namespace stress
