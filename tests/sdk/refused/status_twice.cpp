// SPDX-License-Identifier: Apache-2.0
#include <backplane/sdk.hpp>

struct Ping {
  int n = 0;
};
BOOST_DESCRIBE_STRUCT(Ping, (), (n))

Ping ping(const Ping& in) { return in; }

constexpr auto far = backplane::fails<1001, Ping>;
constexpr auto near = backplane::fails<1001, std::string>;

BACKPLANE_MODULE(backplane::Stateless, "one", "1.0", backplane::handler<"one.ping", ping, far, near>);
