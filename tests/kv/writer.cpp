// SPDX-License-Identifier: Apache-2.0
//
// kv_writer FILE PREFIX: puts the keys PREFIX0, PREFIX1, … into the store. Each value is the key three times. After
// each put it writes the number to stdout, as 8 bytes. It continues until it is killed.
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
