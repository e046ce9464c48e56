// SPDX-License-Identifier: Apache-2.0
//
// The log of the process in the hands of the application (bp_log_to).
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "fixture.hpp"

using namespace host_test;

namespace {

struct Lines {
  std::mutex mutex;
  Seen lines;
  std::atomic<bool> inside{false};
  std::atomic<bool> stays{false};
  std::atomic<std::uint64_t> dropped{0};
  bool leaves = false;  // by itself, in its first line

  static void on_line(void* user, const bp_log_line* line) {
    auto& self = *static_cast<Lines*>(user);
    self.inside = true;
    while (self.stays) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    {
      const std::lock_guard lock(self.mutex);
      self.lines.push_back(std::to_string(line->level) + " " + text_of(line->where) + ": " + text_of(line->text) +
                           (line->repeats == 0 ? "" : " *" + std::to_string(line->repeats)));
      self.dropped += line->dropped;
    }
    if (self.leaves) bp_log_to(nullptr, nullptr);
    self.inside = false;
  }
  Seen seen() {
    const std::lock_guard lock(mutex);
    return lines;
  }
};

void say(std::int32_t level, std::string_view text) { bp_log_write(level, 0, BP_STR("shop"), str(text)); }

}  // namespace

TEST_CASE("a sink gets the lines that the level lets through, whole and in order") {
  Lines lines;
  bp_log_to(Lines::on_line, &lines);
  say(BP_LOG_ERROR, "one\ntwo");
  say(BP_LOG_DEBUG, "not this");
  say(BP_LOG_WARN, "three");
  say(BP_LOG_WARN, "three");
  say(BP_LOG_WARN, "four");
  CHECK(bp_log_flush(5'000) == BP_OK);
  CHECK(lines.seen() == Seen{"4 shop: one\ntwo", "3 shop: three", "3 shop:  *1", "3 shop: four"});
  bp_log_to(nullptr, nullptr);
  say(BP_LOG_WARN, "to stderr");
  CHECK(bp_log_flush(5'000) == BP_OK);
  CHECK(lines.seen().size() == 4);
}

TEST_CASE("when a sink is replaced, it does not run any more") {
  Lines first;
  Lines second;
  first.stays = true;
  bp_log_to(Lines::on_line, &first);
  say(BP_LOG_WARN, "a");
  CHECK(eventually([&] { return first.inside.load(); }));
  std::atomic<bool> replaced{false};
  std::thread replaces([&] {
    bp_log_to(Lines::on_line, &second);
    replaced = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK_FALSE(replaced);
  say(BP_LOG_WARN, "b");
  first.stays = false;
  replaces.join();
  CHECK_FALSE(first.inside);
  CHECK(bp_log_flush(5'000) == BP_OK);
  CHECK(first.seen() == Seen{"3 shop: a"});
  CHECK(second.seen() == Seen{"3 shop: b"});
  bp_log_to(nullptr, nullptr);
}

TEST_CASE("a sink may take itself away") {
  Lines lines;
  lines.leaves = true;
  bp_log_to(Lines::on_line, &lines);
  say(BP_LOG_WARN, "first");
  CHECK(bp_log_flush(5'000) == BP_OK);
  say(BP_LOG_WARN, "second, to stderr");
  CHECK(bp_log_flush(5'000) == BP_OK);
  CHECK(lines.seen() == Seen{"3 shop: first"});
}

TEST_CASE("a sink that blocks loses lines, and is told how many") {
  bp_log_options options{};
  options.struct_size = sizeof options;
  options.queue_lines = 10;
  REQUIRE(bp_log_configure(&options) == BP_OK);
  Lines lines;
  lines.stays = true;
  bp_log_to(Lines::on_line, &lines);
  say(BP_LOG_WARN, "held");
  CHECK(eventually([&] { return lines.inside.load(); }));
  for (int i = 0; i < 50; ++i) say(BP_LOG_WARN, std::to_string(i));
  lines.stays = false;
  CHECK(bp_log_flush(5'000) == BP_OK);
  CHECK(lines.dropped == 40);
  CHECK(lines.seen().size() == 11);
  CHECK(lines.seen().back() == "3 shop: 49");
  bp_log_to(nullptr, nullptr);
}

TEST_CASE("a forked child logs to stderr") {
  Lines lines;
  bp_log_to(Lines::on_line, &lines);
  const ::pid_t child = ::fork();
  if (child == 0) {
    ::alarm(10);
    say(BP_LOG_WARN, "from the child");
    const bool written = bp_log_flush(5'000) == BP_OK;
    ::_exit(written && lines.seen().empty() ? 0 : 1);
  }
  int state = 0;
  REQUIRE(::waitpid(child, &state, 0) == child);
  CHECK((WIFEXITED(state) && WEXITSTATUS(state) == 0));
  bp_log_to(nullptr, nullptr);
}
