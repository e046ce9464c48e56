// SPDX-License-Identifier: Apache-2.0
#include <backplane/sdk.hpp>

struct Undescribed {
  int n = 0;
};

int ping(const Undescribed& in) { return in.n; }

BACKPLANE_MODULE(backplane::Stateless, "one", "1.0", backplane::handler<"one.ping", ping>);
