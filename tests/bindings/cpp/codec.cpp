// SPDX-License-Identifier: Apache-2.0
//
// Reads items as a generated type and writes them again, for codec_test.py: on stdin a length in 4 bytes and an item, on
// stdout 1 or 0, a length, and the item as it was written, or why it was not read.
#include <cstdio>
#include <iostream>

#include "forms.hpp"

namespace {

bool read_all(void* data, std::size_t size) { return std::fread(data, 1, size, stdin) == size; }

void answer(std::uint8_t ok, const void* data, std::size_t size) {
  const auto length = static_cast<std::uint32_t>(size);
  std::fwrite(&ok, 1, 1, stdout);
  std::fwrite(&length, 1, sizeof length, stdout);
  std::fwrite(data, 1, size, stdout);
  std::fflush(stdout);
}

template <class T>
int run() {
  std::uint32_t size = 0;
  backplane::Bytes item;
  while (read_all(&size, sizeof size)) {
    item.resize(size);
    if (!read_all(item.data(), size)) return 2;
    try {
      const backplane::Bytes again = backplane::encode(backplane::decode<T>(item, backplane::lenient));
      answer(1, again.data(), again.size());
    } catch (const backplane::Error& error) {
      answer(0, error.message().data(), error.message().size());
    }
  }
  return 0;
}

}  // namespace

int main(int, char** arguments) {
  const std::string_view type = arguments[1];
  if (type == "Scalars") return run<forms::Scalars>();
  if (type == "Composed") return run<forms::Composed>();
  if (type == "Tree") return run<forms::Tree>();
  if (type == "Defaults") return run<forms::Defaults>();
  if (type == "PointPage") return run<forms::PointPage>();
  if (type == "Config") return run<forms::Config>();
  if (type == "TreeList") return run<forms::TreeList>();
  std::cerr << "unknown type " << type << std::endl;
  return 2;
}
