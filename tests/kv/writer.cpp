// SPDX-License-Identifier: Apache-2.0
//
// kv_writer FILE PREFIX: puts PREFIX0, PREFIX1, … into the store, each value the key itself three times,
// and writes each number to standard output, as 8 bytes, once its put has returned. It goes on until it
// is killed.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "store.hpp"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: kv_writer FILE PREFIX\n", stderr);
    return 2;
  }
  try {
    backplane::kv::Store store(argv[1]);
    for (std::uint64_t i = 0;; ++i) {
      const std::string key = argv[2] + std::to_string(i);
      const std::string text = key + key + key;
      store.put(key, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
      if (write(STDOUT_FILENO, &i, sizeof i) != sizeof i) return 1;
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "kv_writer: %s\n", e.what());
    return 1;
  }
}
