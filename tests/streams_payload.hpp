// SPDX-License-Identifier: Apache-2.0
//
// The payloads of the test module "streams" (fixtures/modules/streams.cpp).
#pragma once

#include <backplane/cbor/writer.hpp>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

/// A map of numbers.
inline std::string numbers(std::initializer_list<std::pair<const char*, std::uint64_t>> fields) {
  backplane::cbor::Bytes out;
  backplane::cbor::Writer writer(out);
  writer.map(fields.size());
  for (const auto& [key, value] : fields) {
    writer.text(key);
    writer.uint(value);
  }
  return {out.begin(), out.end()};
}
inline std::string order(std::uint64_t parts, std::uint64_t size, std::uint64_t wait_ms = 0) {
  return numbers({{"parts", parts}, {"size", size}, {"wait_ms", wait_ms}});
}
inline std::string piece(std::uint64_t number, std::size_t size) {
  backplane::cbor::Bytes out;
  backplane::cbor::Writer writer(out);
  writer.map(2);
  writer.text("number");
  writer.uint(number);
  writer.text("data");
  writer.text(std::string(size, 'y'));
  return {out.begin(), out.end()};
}
