// SPDX-License-Identifier: Apache-2.0
//
// Trial loads: what would end this process is refused, and the process goes on and notices nothing of the other one.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "children.hpp"
#include "harness.hpp"

namespace {

using Catch::Contains;

std::string trial_module(const std::string& name) {
  return std::string(BP_TEST_BUILD_DIR) + "/tests/trial/modules/" + name + ".so";
}

/// What the programs of trial loads have written about themselves.
class Record {
 public:
  static Record& get() {
    static Record record;
    return record;
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::ifstream in(path_);
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }
  /// How many trials there were, and how often the program was started.
  std::size_t count() const { return count_of("trial"); }
  std::size_t starts() const { return count_of("steps="); }
  std::string last_start() const {
    std::string last;
    for (const std::string& each : lines()) last = each.starts_with("steps=") ? each : last;
    return last;
  }
  const TempDir& dir() const { return dir_; }

 private:
  std::size_t count_of(const std::string& begin) const {
    std::size_t count = 0;
    for (const std::string& each : lines()) count += each.starts_with(begin) ? 1 : 0;
    return count;
  }
  Record() {
    ::setenv("TRIAL_RECORD", path_.c_str(), 1);
    const bp_host_options options = {.struct_size = sizeof options, .trial_program = TRIAL_COUNTING};
    if (bp_host_configure(&options, nullptr) != BP_OK) throw std::runtime_error("the host cannot be configured");
  }

  TempDir dir_;
  std::string path_ = dir_ / "record";
};

/// A file of other contents, so that no earlier trial counts.
std::string fresh_copy(const std::string& name) {
  static int number = 0;
  std::string bytes = read_all(module_file(name));
  bytes += std::string(static_cast<std::size_t>(++number), 'x');
  return write_all(Record::get().dir() / (name + std::to_string(number) + ".so"), bytes);
}

/// The processes that this one has started.
std::vector<pid_t> children() { return children_of(::getpid()); }

struct Trials {
  Record& record = Record::get();  // before the context
  Context ctx;

  Outcome refused(const std::string& path) {
    const Outcome out = ctx.load(path);
    CHECK(out.status == BP_LOAD_REFUSED);
    CHECK(mapped_objects(path.substr(path.rfind('/') + 1)).empty());
    // The host goes on.
    const Outcome good = ctx.load(module_file("statics"));
    CHECK(good.status == BP_OK);
    CHECK(ctx.unload("statics").status == BP_OK);
    return out;
  }
};

}  // namespace

TEST_CASE("a constructor that throws is refused with its words, and the host goes on") {
  Trials trials;
  const Outcome out = trials.refused(trial_module("throws"));
  CHECK_THAT(out.message, Contains("throws.so: its trial load, in a process of its own, failed") &&
                              Contains("SIGABRT") && Contains("terminate called after throwing") &&
                              Contains("the file \\x1b[31mis there") && Contains("correct the module"));
  CHECK(out.message.find('\n') == std::string::npos);
}

TEST_CASE("a constructor that calls exit is refused") {
  Trials trials;
  CHECK_THAT(trials.refused(trial_module("exits")).message, Contains("exit code 3"));
}

TEST_CASE("a destructor that aborts is refused") {
  Trials trials;
  CHECK_THAT(trials.refused(trial_module("fails_late")).message,
             Contains("its destructors ended the process by SIGABRT"));
}

TEST_CASE("a constructor that hangs is refused after five seconds, and a cancel ends it earlier") {
  Trials trials;
  const auto begin = std::chrono::steady_clock::now();
  CHECK_THAT(trials.refused(trial_module("hangs")).message, Contains("did not return within 5 s"));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  CHECK(took.count() > 4.5);

  Outcome canceled;
  std::thread load([&] { canceled = trials.ctx.load(trial_module("hangs")); });
  const std::size_t before = trials.record.count();
  CHECK(comes_true([&] { return trials.record.count() > before; }));
  // Contexts come and go meanwhile.
  {
    Context another;
    CHECK(another.call("nobody.there").status != BP_OK);
  }
  CHECK(outcome_of([](bp_result* result) { return bp_operation_cancel(bp_host_context(), {}, result); }).status ==
        BP_OK);
  load.join();
  CHECK(canceled.status == BP_CANCELED);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(15));
}

TEST_CASE("a sound module is tried once, takes little time, and prints nothing into this process") {
  Trials trials;
  const std::string path = fresh_copy("statics");
  const std::size_t before = trials.record.count();
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(trials.ctx.load(path).status == BP_OK);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  WARN("a load with its trial took " << took.count() << " ms");
  CHECK(trials.record.count() == before + 1);
  REQUIRE(trials.ctx.reload("statics").status == BP_OK);
  CHECK(trials.ctx.unload("statics").status == BP_OK);
  REQUIRE(trials.ctx.load(path).status == BP_OK);
  CHECK(trials.ctx.unload("statics").status == BP_OK);
  CHECK(trials.record.count() == before + 1);
  CHECK(trials.ctx.load(trial_module("prints")).status == BP_OK);
  CHECK(trials.ctx.unload("prints").status == BP_OK);
}

TEST_CASE("the other process has nothing of this one") {
  Trials trials;
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t usr;
  sigemptyset(&usr);
  sigaddset(&usr, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &usr, nullptr);
  const std::size_t starts = trials.record.starts();
  ::setenv("TRIAL_TEST_FRESH", "1", 1);  // the process of earlier trials has another environment
  const std::ptrdiff_t before = descriptors();
  REQUIRE(trials.ctx.load(fresh_copy("statics")).status == BP_OK);
  ::unsetenv("TRIAL_TEST_FRESH");
  CHECK(trials.ctx.unload("statics").status == BP_OK);
  CHECK(trials.record.starts() == starts + 1);
  CHECK(comes_true([&] { return descriptors() <= before; }));
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  const std::string signals = "3";  // it acts on signals of its own, in each process
#else
  const std::string signals = "0";
#endif
  CHECK(trials.record.last_start() == "steps=1 signals=" + signals + " leader=1 core=0 death=9 fds=0,1,2,3,");
  ::pthread_sigmask(SIG_UNBLOCK, &usr, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
}

TEST_CASE("one process tries several files one after another, and ends when no more come") {
  Trials trials;
  ::setenv("TRIAL_TEST_FRESH", "2", 1);
  const std::size_t starts = trials.record.starts();
  const std::size_t count = trials.record.count();
  for (int i = 0; i < 5; ++i) {
    REQUIRE(trials.ctx.load(fresh_copy("statics")).status == BP_OK);
    REQUIRE(trials.ctx.unload("statics").status == BP_OK);
  }
  CHECK(trials.record.count() == count + 5);
  CHECK(trials.record.starts() < starts + 5);
  CHECK_FALSE(children().empty());
  // A file that ends its process is named, and the next one is sound.
  trials.refused(trial_module("throws"));
  REQUIRE(trials.ctx.load(fresh_copy("statics")).status == BP_OK);
  REQUIRE(trials.ctx.unload("statics").status == BP_OK);
  CHECK(comes_true([] { return children().empty(); }));
  ::unsetenv("TRIAL_TEST_FRESH");
}

TEST_CASE("a process that a constructor leaves behind is killed") {
  Trials trials;
  const std::string file = trials.record.dir() / "left";
  ::setenv("TRIAL_LEFT", file.c_str(), 1);
  REQUIRE(trials.ctx.load(trial_module("forks")).status == BP_OK);
  CHECK(trials.ctx.unload("forks").status == BP_OK);
  std::string left;
  REQUIRE(comes_true([&] { return !(left = read_all(file)).empty(); }));
  CHECK(comes_true([&] {
    const std::string stat = read_all("/proc/" + left + "/stat");
    return stat.empty() || stat.find(") Z ") != std::string::npos;
  }));
}

TEST_CASE("a module that is never unmapped is not unmapped in its trial") {
  Trials trials;
  const std::string path = trial_module("never");
  REQUIRE(trials.ctx.load(path).status == BP_OK);  // its destructor would abort
  CHECK(trials.ctx.unload("never").status == BP_PINNED);
}

TEST_CASE("a trial is over after some seconds, also if somebody has stopped the process between") {
  Trials trials;
  const auto begin = std::chrono::steady_clock::now();
  Outcome out;
  const std::size_t before = trials.record.count();
  std::thread load([&] { out = trials.ctx.load(trial_module("hangs")); });
  CHECK(comes_true([&] { return trials.record.count() > before; }));
  for (const pid_t child : children()) ::kill(child, SIGSTOP);
  load.join();
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(15));
  REQUIRE(trials.ctx.load(fresh_copy("statics")).status == BP_OK);
  CHECK(trials.ctx.unload("statics").status == BP_OK);
}

TEST_CASE("an application that waits for any child gets none, and no SIGCHLD") {
  Trials trials;
  static std::atomic<int> signals{0};
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { ++signals; };
  REQUIRE(::sigaction(SIGCHLD, &action, &before) == 0);
  std::atomic<bool> over{false};
  std::atomic<int> children{0};
  std::thread waiting([&] {
    while (!over) {
      if (::waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD) ++children;
      std::this_thread::yield();
    }
  });
  const std::size_t started = trials.record.count();
  for (int i = 0; i < 10; ++i) {
    REQUIRE(trials.ctx.load(fresh_copy("statics")).status == BP_OK);
    REQUIRE(trials.ctx.unload("statics").status == BP_OK);
  }
  trials.refused(trial_module("throws"));
  over = true;
  waiting.join();
  CHECK(trials.record.count() >= started + 11);
  CHECK(signals == 0);
  CHECK(children == 0);
  // A child of its own comes as ever.
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  int status = -1;
  while (::waitpid(-1, &status, 0) != child) {
  }
  CHECK(signals == 1);
  ::sigaction(SIGCHLD, &before, nullptr);
}

TEST_CASE("an application that ignores SIGCHLD gets the same answers") {
  Trials trials;
  struct sigaction ignore {};
  struct sigaction before {};
  ignore.sa_handler = SIG_IGN;
  REQUIRE(::sigaction(SIGCHLD, &ignore, &before) == 0);
  CHECK_THAT(trials.refused(trial_module("exits")).message, Contains("exit code 3"));
  CHECK_THAT(trials.refused(trial_module("throws")).message, Contains("SIGABRT"));
  ::sigaction(SIGCHLD, &before, nullptr);
}

TEST_CASE("a second generation that a shared library does not bear is refused, while the first goes on") {
  Trials trials;
  REQUIRE(trials.ctx.load(trial_module("registers_1")).status == BP_OK);
  REQUIRE(trials.ctx.load(trial_module("registers_other")).status == BP_OK);  // it registers another file
  const Outcome second = trials.ctx.reload("registers", trial_module("registers_2"));
  CHECK(second.status == BP_LOAD_REFUSED);
  CHECK_THAT(second.message, Contains("File already exists in database") && Contains("alone it loads") &&
                                 Contains("registers (generation 1)") && Contains("lite runtime"));
  CHECK(trials.ctx.reload("registers").status == BP_LOAD_REFUSED);  // the same file, too
  CHECK(trials.ctx.call("registers.echo", "1").status == BP_OK);
  CHECK(trials.ctx.unload("registers_other").status == BP_OK);
  CHECK(trials.ctx.unload("registers").status == BP_OK);
}

TEST_CASE("what a generation that is gone has left in a library counts as long as the library stays") {
  Trials trials;
  REQUIRE(trials.ctx.load(trial_module("registers_gone")).status == BP_OK);
  REQUIRE(trials.ctx.unload("registers_gone").status == BP_OK);
  const bool stays = !mapped_objects("libtrial_registry").empty();
  const Outcome again = trials.ctx.load(trial_module("registers_gone"));
  CHECK((again.status == BP_OK) == !stays);
  if (stays) {
    CHECK_THAT(again.message, Contains("alone it loads") && Contains("registers_gone (generation 1)"));
  } else {
    CHECK(trials.ctx.unload("registers_gone").status == BP_OK);
  }
}

namespace {

Outcome load_with(Trials& trials, const std::string& name, std::uint32_t flags) {
  const std::string path = trial_module(name);
  bp_load_options options{};
  options.struct_size = sizeof options;
  options.flags = flags;
  options.path = path.c_str();
  return outcome_of([&](bp_result* result) { return bp_module_load(trials.ctx, &options, result); });
}

Outcome reload_old_first(Trials& trials, const std::string& module, const std::string& file) {
  const std::string path = trial_module(file);
  bp_load_options options{};
  options.struct_size = sizeof options;
  options.flags = BP_LOAD_OLD_FIRST;
  options.path = path.c_str();
  return outcome_of([&](bp_result* result) { return bp_module_reload(trials.ctx, str(module), &options, 0, result); });
}

}  // namespace

TEST_CASE("a file that must not meet the old generation is refused before that ends, if that will stay mapped") {
  Trials trials;
  REQUIRE(load_with(trials, "leaver_1", 0).status == BP_OK);
  const Outcome replaced = reload_old_first(trials, "leaver", "leaver_2");  // the old one unregisters the file
  INFO(replaced.message);
  REQUIRE(replaced.status == BP_OK);
  REQUIRE(trials.ctx.unload("leaver").status == BP_OK);

  REQUIRE(load_with(trials, "leaver_1", BP_LOAD_SETTINGS | BP_LOAD_UNLOAD_NEVER).status == BP_OK);
  const std::uint64_t before = trials.ctx.modules().back()["generation"].number;
  const Outcome out = reload_old_first(trials, "leaver", "leaver_2");
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK_THAT(out.message, Contains("File already exists in database"));
  CHECK_FALSE(out.says("the old file"));
  CHECK(trials.ctx.modules().back()["generation"].number == before);
  CHECK(trials.ctx.call("leaver.echo", "1").status == BP_OK);
  CHECK(trials.ctx.unload("leaver").status == BP_PINNED);
}

TEST_CASE("a file that must not meet the old generation is refused if that stays mapped unexpectedly") {
  Trials trials;
  REQUIRE(load_with(trials, "toucher_1", 0).status == BP_OK);
  const Outcome out = reload_old_first(trials, "toucher", "toucher_2");
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK_THAT(out.message, Contains("File already exists in database") && Contains("toucher (generation 1)"));
  CHECK_THAT(out.message, Contains("the old file cannot be loaded again"));
}

TEST_CASE("a file that was tried as one that is never unmapped is tried again as one that is") {
  Trials trials;
  REQUIRE(load_with(trials, "goes", BP_LOAD_SETTINGS | BP_LOAD_UNLOAD_NEVER).status == BP_OK);
  CHECK(trials.ctx.unload("goes").status == BP_PINNED);
  const Outcome out = load_with(trials, "goes", 0);
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK_THAT(out.message, Contains("its destructors ended the process by SIGABRT"));
}

TEST_CASE("damaged files are refused before anything is mapped or started") {
  Trials trials;
  std::string bytes = read_all(module_file("statics"));
  bytes[0x40 + 56 + 16] ^= 0x55;  // an address in the second program header
  const std::size_t before = trials.record.count();
  const Outcome out = trials.ctx.load(write_all(trials.record.dir() / "damaged.so", bytes));
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK_THAT(out.message, Contains("damaged ELF file"));
  CHECK(trials.record.count() == before);
}

TEST_CASE("a module that needs a sanitizer's library which this process lacks is refused") {
  const std::string path = trial_module("needs_asan");
  if (!std::filesystem::exists(path)) return;  // the tests are built with a sanitizer, or the compiler has none
  Trials trials;
  const std::size_t before = trials.record.count();
  CHECK_THAT(trials.refused(path).message, Contains("it needs libasan.so") && Contains("-fsanitize"));
  CHECK(mapped_objects("libasan").empty());
  CHECK(trials.record.count() <= before + 1);  // that of "statics"
}

TEST_CASE("several changes try each of their files") {
  Trials trials;
  const std::string good = fresh_copy("statics");
  const std::string bad = trial_module("throws");
  bp_load_options loads[2] = {{.struct_size = sizeof(bp_load_options), .path = good.c_str()},
                              {.struct_size = sizeof(bp_load_options), .path = bad.c_str()}};
  bp_operation_request each[2] = {};
  const bp_operation_request* all[2] = {&each[0], &each[1]};
  for (int i = 0; i < 2; ++i) {
    each[i].struct_size = sizeof each[i];
    each[i].kind = BP_OPERATION_LOAD;
    each[i].load = &loads[i];
  }
  bp_operation_request change{};
  change.struct_size = sizeof change;
  change.kind = BP_OPERATION_CHANGE;
  change.changes = all;
  change.change_count = 2;
  bp_operation operation{};
  const Outcome begun =
      outcome_of([&](bp_result* result) { return bp_operation_begin(trials.ctx, &change, &operation, result); });
  REQUIRE(begun.status == BP_OK);
  const Outcome out =
      outcome_of([&](bp_result* result) { return bp_operation_wait(trials.ctx, operation, 20'000, result); });
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK_THAT(out.message, Contains("throws.so") && Contains("SIGABRT"));
  CHECK(trials.ctx.state("statics") == "none");
}

TEST_CASE("a program that cannot be run is refused when the host is configured") {
  const pid_t child = ::fork();
  if (child == 0) {
    // A process in which no host exists: this test may run alone, and else the answer is "already runs".
    ::execl("/proc/self/exe", "trial_load_test", "a host without its program", nullptr);
    ::_exit(1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("a host without its program", "[.]") {
  const bp_host_options options = {.struct_size = sizeof options, .trial_program = "/nowhere/backplane-trial"};
  const Outcome out = outcome_of([&](bp_result* result) { return bp_host_configure(&options, result); });
  CHECK(out.status == BP_IO);
  CHECK_THAT(out.message, Contains("/nowhere/backplane-trial, cannot be run: No such file"));
}
