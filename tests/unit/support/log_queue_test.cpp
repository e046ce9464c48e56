// SPDX-License-Identifier: Apache-2.0
#include <backplane/base.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "support/log_format.hpp"
#include "support/log_queue.hpp"

using namespace backplane::host;

namespace {

LogLine line_of(std::string_view text, int level = BP_LOG_INFO) {
  LogLine line;
  line.level = level;
  line.where = "kv";
  line.generation = 3;
  line.text = text;
  return line;
}

std::vector<std::string> take_all(LogQueue& queue) {
  const auto buffer = std::make_unique<LogQueue::Buffer>();
  std::vector<std::string> texts;
  LogLine line;
  while (queue.pop(*buffer, line)) texts.emplace_back(line.text);
  return texts;
}

std::string formatted(const LogLine& line, bool json, bool journal = false) {
  LogFormat format(json);
  format.set_journal(journal);
  const auto place = std::make_unique<char[]>(LogFormat::most_line);
  LogText out(place.get(), LogFormat::most_line);
  format.append(out, line);
  return std::string(out.view());
}

}  // namespace

TEST_CASE("lines leave the queue as they came, however often it goes round") {
  LogQueue queue;
  REQUIRE(queue.resize(100, LogQueue::least_bytes));
  std::size_t next = 0;
  std::size_t expected = 0;
  for (std::size_t round = 0; round < 500; ++round) {
    for (std::size_t i = 0; i < round % 20; ++i, ++next) {
      REQUIRE(queue.push(line_of(std::to_string(next) + std::string(next * 37 % 2'000, 'x'))));
    }
    for (const std::string& text : take_all(queue)) {
      REQUIRE(text == std::to_string(expected) + std::string(expected * 37 % 2'000, 'x'));
      ++expected;
    }
  }
  CHECK(expected == next);
  CHECK(queue.dropped() == 0);
}

TEST_CASE("a full queue drops its oldest lines and counts them") {
  LogQueue queue;
  SECTION("by their number") {
    REQUIRE(queue.resize(10, LogQueue::least_bytes));
    for (int i = 0; i < 25; ++i) queue.push(line_of(std::to_string(i)));
    CHECK(queue.dropped() == 15);
    const std::vector<std::string> left = take_all(queue);
    REQUIRE(left.size() == 10);
    CHECK(left.front() == "15");
    CHECK(left.back() == "24");
  }
  SECTION("by their bytes") {
    REQUIRE(queue.resize(1'000'000, LogQueue::least_bytes));
    for (std::size_t i = 0; i < 1'000; ++i)
      queue.push(line_of(std::to_string(i) + "." + std::string(i * 7'919 % 9'000, 'x')));
    const std::size_t size = queue.size();
    CHECK(queue.dropped() == 1'000 - size);
    const std::vector<std::string> left = take_all(queue);
    REQUIRE(left.size() == size);
    CHECK(size > 3);
    for (std::size_t i = 0; i < size; ++i)
      CHECK(left[i].substr(0, left[i].find('.')) == std::to_string(1'000 - size + i));
  }
  SECTION("with the repeats that they stand for") {
    REQUIRE(queue.resize(1, LogQueue::least_bytes));
    LogLine repeats = line_of("");
    repeats.repeats = 41;
    queue.push(repeats);
    queue.push(line_of("next"));
    CHECK(queue.dropped() == 41);
  }
}

TEST_CASE("a queue that gets smaller keeps its newest lines") {
  LogQueue queue;
  for (int i = 0; i < 20; ++i) queue.push(line_of(std::to_string(i)));
  REQUIRE(queue.resize(5, LogQueue::least_bytes));
  CHECK(queue.dropped() == 15);
  CHECK(take_all(queue) == std::vector<std::string>{"15", "16", "17", "18", "19"});
}

TEST_CASE("a line is the last one only if level, source and text are the same") {
  LogQueue queue;
  CHECK_FALSE(queue.is_last(line_of("a")));
  queue.push(line_of("a"));
  CHECK(queue.is_last(line_of("a")));
  take_all(queue);
  CHECK(queue.is_last(line_of("a")));
  CHECK_FALSE(queue.is_last(line_of("b")));
  CHECK_FALSE(queue.is_last(line_of("a", BP_LOG_WARN)));
  LogLine other = line_of("a");
  other.where = "kw";
  CHECK_FALSE(queue.is_last(other));
  const std::string text(LogQueue::most_text + 5, 'x');
  queue.push(line_of(text));
  CHECK(queue.is_last(line_of(text)));
  CHECK_FALSE(queue.is_last(line_of(text + "y")));
}

TEST_CASE("a text that is too long is cut, and the line says by how much") {
  LogQueue queue;
  queue.push(line_of(std::string(LogQueue::most_text + 7, 'x')));
  LogQueue::Buffer buffer;
  LogLine line;
  REQUIRE(queue.pop(buffer, line));
  CHECK(line.text.size() == LogQueue::most_text);
  CHECK(line.left_out == 7);
  CHECK(formatted(line, false).ends_with("x ... (7 bytes more)\n"));
}

TEST_CASE("a line for people has local time, level, source and text") {
  LogLine line = line_of("hello", BP_LOG_WARN);
  line.time_ns = 1'700'000'000'123'000'000;
  CHECK(formatted(line, false).ends_with(" warn kv (generation 3): hello\n"));
  CHECK(formatted(line, false).find(".123") == 19);
  CHECK(formatted(line, false, true) == "<4>warn kv (generation 3): hello\n");
  line.where = "host";
  line.generation = 0;
  CHECK(formatted(line, false).ends_with(" warn host: hello\n"));
}

TEST_CASE("a line of JSON has UTC time and its members") {
  LogLine line = line_of("a \"b\" \\ \n", BP_LOG_DEBUG);
  line.time_ns = 1'700'000'000'123'000'000;
  line.members = "\"call\":7";
  CHECK(formatted(line, true) ==
        "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"debug\",\"module\":\"kv\",\"generation\":3,"
        "\"message\":\"a \\\"b\\\" \\\\ \\n\",\"call\":7}\n");
  line.where = "host";
  line.generation = 0;
  line.repeats = 2;
  line.members = {};
  CHECK(formatted(line, true) ==
        "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"debug\",\"room\":\"host\","
        "\"message\":\"the last line was repeated 2 times\",\"repeated\":2}\n");
}

TEST_CASE("what could end a line, control a terminal or is no UTF-8 is escaped") {
  const auto escaped = [](std::string_view text, bool json) {
    char place[256];
    LogText out(place, sizeof place);
    append_escaped(out, text, json);
    return std::string(out.view());
  };
  CHECK(escaped("a\nb\r\x1b\x7f\tc", false) == "a\\x0ab\\x0d\\x1b\\x7f\\x09c");
  CHECK(escaped("\xc2\x85 \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", false) ==
        "\\u0085 \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  CHECK(escaped("\xff\xc3", false) == "\\xff\\xc3");
  CHECK(escaped("\xff\xc3", true) == "\\ufffd\\ufffd");
  CHECK(escaped("\xc2\x85\n", true) == "\\u0085\\n");
  CHECK(escaped(std::string_view("\0", 1), true) == "\\u0000");
}

TEST_CASE("the longest line that there can be fits") {
  LogQueue queue;
  LogLine line;
  const std::string bad(LogQueue::most_text + 1, '\xff');
  const std::string members = "\"x\":\"" + std::string(LogQueue::most_members - 6, 'x') + "\"";
  line.level = BP_LOG_ERROR;
  line.where = std::string_view(bad).substr(0, LogQueue::most_where);
  line.text = bad;
  line.members = members;
  line.generation = UINT64_MAX;
  REQUIRE(queue.push(line));
  const auto buffer = std::make_unique<LogQueue::Buffer>();
  REQUIRE(queue.pop(*buffer, line));
  CHECK(formatted(line, true, true).ends_with("x\"}\n"));
}
