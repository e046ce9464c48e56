// SPDX-License-Identifier: Apache-2.0
#include <backplane/sdk.hpp>

void ping(backplane::Fibers&) {}

BACKPLANE_MODULE(backplane::Stateless, "one", "1.0", backplane::offers<"one.ping", ping>);
