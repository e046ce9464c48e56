// SPDX-License-Identifier: Apache-2.0
#include <backplane/cbor.h>

#include <backplane/cbor/reader.hpp>
#include <cstddef>
#include <cstdint>

extern "C" int other_reader_accepts(const std::uint8_t* data, std::size_t size) {
  try {
    backplane::cbor::check_well_formed({data, size});
    return 1;
  } catch (const backplane::cbor::Error&) {
    return 0;
  }
}
