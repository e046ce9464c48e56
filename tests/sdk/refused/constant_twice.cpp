// SPDX-License-Identifier: Apache-2.0
#include <backplane/sdk.hpp>

struct Ping {
  int n = 0;
};
BOOST_DESCRIBE_STRUCT(Ping, (), (n))

Ping ping(const Ping& in) { return in; }

BACKPLANE_MODULE(backplane::Stateless, "one", "1.0", backplane::handler<"one.ping", ping>,
                 backplane::constant<"most", 5>, backplane::constant<"most", 6>);
