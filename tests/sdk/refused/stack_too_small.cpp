// SPDX-License-Identifier: Apache-2.0
#include <backplane/sdk.hpp>

void work(backplane::Call&) {}

BACKPLANE_MODULE(backplane::Stateless, "work", "1", backplane::handler<"work.now", work, backplane::StackSize{4096}>);
