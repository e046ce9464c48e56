// SPDX-License-Identifier: Apache-2.0
//
// Python's cbor2 reads what the SDK writes, and the SDK reads what cbor2 writes.
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>

#include "sample.hpp"

using namespace sample;

namespace {

std::vector<std::string> ask_oracle(const std::vector<Bytes>& items) {
  char path[] = "/tmp/backplane-oracle-XXXXXX";
  const int fd = mkstemp(path);
  REQUIRE(fd >= 0);
  close(fd);
  {
    std::ofstream file(path);
    for (const Bytes& item : items) file << to_hex(item) << "\n";
  }
  const std::string command = std::string("/usr/bin/python3 " SDK_ORACLE " ") + path;
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  std::array<char, 4096> buffer;
  while (const std::size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
  const int status = pclose(pipe);
  unlink(path);
  INFO("this test needs the package python3-cbor2");
  REQUIRE(status == 0);
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < out.size();) {
    const std::size_t end = out.find('\n', begin);
    lines.push_back(out.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace

TEST_CASE("another CBOR library understands what the codec writes, and is understood") {
  Everything two = full();
  two.choice = std::vector<int>{1, -2};
  two.note.reset();
  const std::vector<Bytes> items = {backplane::encode(full()), backplane::encode(two),
                                    backplane::encode(Message{"x", -42}), backplane::encode(Everything())};
  const auto lines = ask_oracle(items);
  REQUIRE(lines.size() == 8);
  CHECK(lines[4] == R"({"delay_ms": -42, "message": "x"})");
  for (const char* part : {R"("i64": -9223372036854775808)", R"("u64": 18446744073709551615)", R"("f64": -0.1)",
                           R"("f32": 1.5)", R"("text": "grüße, 世界 😀")", R"("bytes": "h'0001feff'")",
                           R"("flags": [true, false, true])", R"("holes": [1, null, 3])", R"("colour": "delete")",
                           R"("class": 7)", R"("any": ["x", "y"])", R"("choice": {"delay_ms": 9, "message": "m"})"}) {
    INFO(part);
    CHECK(lines[0].find(part) != std::string::npos);
  }
  CHECK(lines[2].find("note") == std::string::npos);
  for (const std::size_t i : {0U, 1U, 3U}) {
    const auto back = backplane::decode<Everything>(hex(lines[2 * i + 1]));
    const auto sent = backplane::decode<Everything>(items[i]);
    CHECK(back.messages == sent.messages);
    CHECK(back.text == sent.text);
    CHECK(back.u64 == sent.u64);
    CHECK(back.choice.index() == sent.choice.index());
    CHECK(back.note == sent.note);
  }
}
