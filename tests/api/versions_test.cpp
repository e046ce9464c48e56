// SPDX-License-Identifier: Apache-2.0
//
// A program and a library of different versions, as far as one process can have them. tests/abi compiles programs
// against altered headers.
#include "waited_fixture.hpp"

using namespace host_test;

TEST_CASE("the library serves headers of its own major version, and names all versions otherwise") {
  CHECK(bp_check_headers(nullptr) == BP_OK);
  const auto check = [](std::uint32_t major, std::uint32_t minor, Result& why) {
    return bp_abi_check(major << 16 | minor, BP_STR("7.8.9"), &why);
  };
  Result newer_minor, newer, older;
  CHECK(check(BP_ABI_MAJOR, BP_ABI_MINOR + 9, newer_minor) == BP_OK);
  CHECK(check(BP_ABI_MAJOR + 1, 4, newer) == BP_NOT_SUPPORTED);
  CHECK(newer.says("headers of ABI 2.4 (Backplane 7.8.9)"));
  CHECK(newer.says("the library has ABI 1.0 (Backplane " BP_VERSION_STRING ")"));
  CHECK(check(0, 9, older) == BP_NOT_SUPPORTED);
  CHECK(older.says("ABI 0.9"));
  CHECK(bp_abi_check(0, {nullptr, 3}, nullptr) == BP_INVALID_ARGUMENT);
}

TEST_CASE("method ids fit a double") {
  const BothWays both;
  const Loaded module(both.home.context, "partials");
  bp_method method{};
  REQUIRE(bp_method_find(both.ctx, BP_STR("partials.count"), &method) == BP_OK);
  CHECK(method.id != 0);
  CHECK(method.id < std::uint64_t{1} << 53);
  CHECK(static_cast<std::uint64_t>(static_cast<double>(method.id)) == method.id);
}
