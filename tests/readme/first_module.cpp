// SPDX-License-Identifier: Apache-2.0
#include <backplane/sdk.hpp>

struct Order {
  std::string dish;
  std::uint32_t count;
};
BOOST_DESCRIBE_STRUCT(Order, (), (dish, count))

struct Bill {
  std::string text;
  std::uint64_t dishes_today = 0;
};
BOOST_DESCRIBE_STRUCT(Bill, (), (text, dishes_today))

class Kitchen {
 public:
  Bill order(const Order& in) {
    if (in.count == 0) throw backplane::Error(BP_INVALID_ARGUMENT, "count: expected at least 1, got 0");
    return {backplane::join(in.count, " x ", in.dish), dishes_ += in.count};
  }

 private:
  std::uint64_t dishes_ = 0;  // one Kitchen a context, its handlers one at a time: no lock
};

BACKPLANE_MODULE(Kitchen, "kitchen", "1.0.0", backplane::handler<"kitchen.order", &Kitchen::order>);
