// SPDX-License-Identifier: Apache-2.0
//
// Compiling this is most of the test: the SDK (namespace backplane) and the host (namespace backplane::host) have
// names in common, and one unit may include both.
#include <backplane/backplane.h>

#include <backplane/sdk.hpp>
#include <catch2/catch.hpp>
#include <string_view>
#include <typeinfo>

#include "every_host_header.hpp"

// A class of both: one mangled name for its functions would make one function of two.
TEST_CASE("a class of the SDK and one of the host with the same name stay apart") {
  CHECK(std::string_view(typeid(backplane::Fiber).name()) == "N9backplane5FiberE");
  CHECK(std::string_view(typeid(backplane::host::Fiber).name()) == "N9backplane4host5FiberE");
}
