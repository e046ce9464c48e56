// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/reader.hpp>
#include <map>

#include "fixture.hpp"

namespace host_test {

/// What bp_host_status says of all contexts together.
struct Books {
  std::size_t contexts = 0;
  std::map<std::string, std::uint64_t> sums;  // "running", "tokens.open", "workers.queued", …

  explicit Books(bp_context context) {
    Result report;
    REQUIRE(bp_host_status(context, &report) == BP_OK);
    backplane::cbor::Reader in({report.payload.data, report.payload.size});
    read(in, "");
  }
  void read(backplane::cbor::Reader& in, const std::string& path) {
    using backplane::cbor::Type;
    const auto item = in.next();
    if (item.type == Type::uint) {
      sums[path] += item.value;
    } else if (item.type == Type::array) {
      contexts = item.value;
      for (std::uint64_t i = 0; i < item.value; ++i) read(in, "");
    } else if (item.type == Type::map) {
      for (std::uint64_t i = 0; i < item.value; ++i) {
        const std::string key(in.next().text());
        read(in, key == "contexts" || path.empty() ? key : path + "." + key);
      }
    }
  }
  bool nothing_open() {
    for (const char* key : {"queued", "running", "tokens.open", "workers.queued", "workers.running"}) {
      if (sums.at(key) != 0) return false;
    }
    return sums.at("accepted") == sums.at("replied");
  }
};

}  // namespace host_test
