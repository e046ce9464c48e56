// SPDX-License-Identifier: Apache-2.0
//
// Handlers and fibers that use up their stacks, each in a process of its own. This one has no host.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "fixture.hpp"
#include "temp_dir.hpp"

using namespace host_test;

namespace {

/// How a process ended, and what it said on stderr.
struct End {
  int status = 0;
  std::string said;

  int exit() const { return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }
  bool by(int signal) const { return WIFSIGNALED(status) && WTERMSIG(status) == signal; }
  /// Lines that tell of an overflow.
  Seen lines() const {
    Seen found;
    std::istringstream stream(said);
    for (std::string line; std::getline(stream, line);) {
      if (line.find("backplane: stack overflow in ") == 0) found.push_back(line);
    }
    return found;
  }
};

/// Runs `body` in a child, without a core, and for no longer than a test may take.
template <class F>
End in_child(F body) {
  const TempDir dir;
  const std::string file = dir / "said";
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(30);
    ::signal(SIGSEGV, SIG_DFL);  // this program's own action allocates, as no action may
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::dup2(::open(file.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600), STDERR_FILENO);
    body();
    ::_exit(99);
  }
  End end;
  REQUIRE(::waitpid(child, &end.status, 0) == child);
  std::ifstream stream(file);
  std::ostringstream said;
  said << stream.rdbuf();
  end.said = said.str();
  return end;
}

// No expectations in here: in the child they would go to stderr.
void call(const char* name) {
  bp_context_options options = no_options();
  options.fiber_stack_size = 131072;
  bp_context context{};
  if (bp_context_create(&options, &context, nullptr) != BP_OK) ::_exit(98);
  const std::string path = module_path(std::string(name).substr(0, std::string_view(name).find('.')));
  const bp_load_options load = load_options(path);
  Result loaded;
  if (bp_module_load(context, &load, &loaded) != BP_OK) {
    ::perror(loaded.words().c_str());
    ::_exit(97);
  }
  Result result;
  bp_call_sync(context, str(name), {nullptr, 0}, 0, &result);
}

std::string line(const std::string& who, int size, const std::string& option, const std::string& module = "overflows") {
  return "backplane: stack overflow in " + who + " of the module \"" + module + "\": its stack of " +
         std::to_string(size) +
         " bytes is used up, and the process ends. Put large objects on the heap, or enlarge the stack with " + option +
         ".";
}
std::string line(int fiber, const std::string& name) {
  return line("fiber " + std::to_string(fiber) + " of \"" + name + "\"", 32768,
              "bp_fiber_desc.stack_size (C++: StackSize)");
}

std::string of_handler(const std::string& module = "overflows") {
  return "bp_handler_desc.stack_size (C++: StackSize); for all handlers of the module that give none, with stack_size "
         "in its manifest, in [modules." +
         module +
         "] of the configuration file, with \"backplane load --stack-size\" or in bp_load_options; or for all modules "
         "with fiber_stack_size in the configuration file or in bp_context_options";
}

void check_tells(const char* name, const std::string& expected) {
  const End end = in_child([&] { call(name); });
  INFO(end.said);
  CHECK(end.lines() == Seen{expected});
  CHECK(end.by(SIGSEGV));
}

void tell(int, siginfo_t*, void*) {
  const char text[] = "the application's own\n";
  [[maybe_unused]] const ssize_t told = ::write(STDERR_FILENO, text, sizeof text - 1);
}
void tell_and_reset(int signal, siginfo_t* info, void* context) {
  tell(signal, info, context);
  ::signal(signal, SIG_DFL);
}

void set_handler(int flags) {
  struct sigaction action {};
  action.sa_sigaction = (flags & static_cast<int>(SA_RESETHAND)) != 0 ? tell : tell_and_reset;
  action.sa_flags = SA_SIGINFO | flags;
  ::sigaction(SIGSEGV, &action, nullptr);
}

}  // namespace

TEST_CASE("a handler that uses up its stack ends the process with a line that names it") {
  check_tells("overflows.handler", line("\"overflows.handler\"", 131072, of_handler()));
}

TEST_CASE("so does one with a stack of its own size") {
  check_tells("overflows.sized", line("\"overflows.sized\"", 1 << 20, of_handler()));
}

TEST_CASE("so does a blocking handler that uses up the stack of its thread") {
  const End end = in_child([] { call("overflows.blocking"); });
  INFO(end.said);
  REQUIRE(end.lines().size() == 1);
  const std::string line = end.lines()[0];
  CHECK(line.find("in \"overflows.blocking\" of the module \"overflows\": its stack of ") != std::string::npos);
  CHECK(line.find("enlarge the stack with \"ulimit -s\" before the process starts") != std::string::npos);
  CHECK(end.by(SIGSEGV));
}

// Without stack probes. It touches only the lowest byte of its frame.
TEST_CASE("a function that was built without -fstack-clash-protection does not step over the guard either") {
  check_tells("overflows_unprobed.array",
              line("\"overflows_unprobed.array\"", 131072, of_handler("overflows_unprobed"), "overflows_unprobed"));
}

TEST_CASE("a fiber that uses up its stack ends the process with a line that names it") {
  check_tells("overflows.fiber", line(2, "overflows.fiber"));
}

TEST_CASE("so does one that is being destroyed") { check_tells("overflows.destroyed", line(2, "overflows.destroyed")); }

TEST_CASE("a frame that is larger than the guard does not step over it") {
  check_tells("overflows.frame", line(2, "overflows.frame"));
}

TEST_CASE("an overflow within the allocator is told of, too") {
  check_tells("overflows.allocating", line(2, "overflows.allocating"));
}

TEST_CASE("an overflow ends the process at once while other threads are in the midst of the host") {
  const End end = in_child([] {
    bp_context host{};
    if (bp_context_create(nullptr, &host, nullptr) != BP_OK) ::_exit(98);
    const auto busy = [](auto round) {
      std::thread([round] {
        for (;;) round();
      }).detach();
    };
    for (int i = 0; i < 2; ++i) {
      busy([host] {
        const std::string path = module_path("sleeper");
        const bp_load_options load = load_options(path);
        Result loaded;
        bp_module_load(host, &load, &loaded);
        Result result;
        bp_module_unload(host, BP_STR("sleeper"), 0, &result);
      });
      busy([host] {
        Result result;
        bp_host_status(host, &result);
      });
      busy([] {
        bp_context made{};
        bp_context_create(nullptr, &made, nullptr);
        bp_context_destroy(made);
      });
    }
    call("overflows.allocating");
  });
  INFO(end.said);
  CHECK(end.lines() == Seen{line(2, "overflows.allocating")});
  CHECK(end.by(SIGSEGV));
}

TEST_CASE("a wild pointer in a fiber is told of by nobody, and is fatal as ever") {
  const End end = in_child([] { call("overflows.null"); });
  INFO(end.said);
  CHECK(end.lines() == Seen{});
  CHECK(end.by(SIGSEGV));
}

TEST_CASE("the application's own action comes after the host's line, once if it is for once") {
  for (const int flags : {0, static_cast<int>(SA_RESETHAND), static_cast<int>(SA_ONSTACK)}) {
    const End end = in_child([&] {
      set_handler(flags);
      call("overflows.fiber");
    });
    INFO(end.said);
    const std::string expected = line(2, "overflows.fiber") + "\nthe application's own\n";
    CHECK(end.said.substr(0, expected.size()) == expected);
    CHECK(end.lines().size() == 1);
    CHECK(end.by(SIGSEGV));
  }
}

TEST_CASE("the application's own action alone comes for a fault that is no overflow") {
  const End end = in_child([] {
    set_handler(0);
    call("overflows.null");
  });
  INFO(end.said);
  CHECK(end.said.find("the application's own\n") == 0);
  CHECK(end.lines() == Seen{});
  CHECK(end.by(SIGSEGV));
}

TEST_CASE("the application's own action may end the process in its own way") {
  const End end = in_child([] {
    struct sigaction action {};
    action.sa_handler = [](int) { ::_exit(7); };
    ::sigaction(SIGSEGV, &action, nullptr);
    call("overflows.handler");
  });
  INFO(end.said);
  CHECK(end.lines().size() == 1);
  CHECK(end.exit() == 7);
}

TEST_CASE("a SIGSEGV that somebody sends is fatal, or ignored, as if there were no host") {
  const auto send = [](void (*before)(int)) {
    return in_child([before] {
      ::signal(SIGSEGV, before);
      bp_context context{};
      if (bp_context_create(nullptr, &context, nullptr) != BP_OK) ::_exit(98);
      ::kill(::getpid(), SIGSEGV);  // to the process: any of its threads may be the one that takes it
      if (before == SIG_DFL) {
        for (;;) ::pause();  // until it has; this process has an alarm
      }
      ::pthread_kill(::pthread_self(), SIGSEGV);  // taken before this returns
      ::_exit(3);
    });
  };
  const End killed = send(SIG_DFL);
  CHECK(killed.by(SIGSEGV));
  CHECK(killed.said.empty());
  const End spared = send(SIG_IGN);
  CHECK(spared.exit() == 3);
}
