// SPDX-License-Identifier: Apache-2.0
#include <backplane/sdk.hpp>

enum class Change { add, delete_, add_ };
BOOST_DESCRIBE_ENUM(Change, add, delete_, add_)

backplane::Bytes bytes() { return backplane::encode(Change::add); }
