// SPDX-License-Identifier: Apache-2.0
#include <backplane/sdk.hpp>

struct Order {
  int id = 0;
  int id_ = 0;
};
BOOST_DESCRIBE_STRUCT(Order, (), (id, id_))

backplane::Bytes bytes() { return backplane::encode(Order{}); }
