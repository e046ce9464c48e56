// SPDX-License-Identifier: Apache-2.0
//
// A module in C++20, built with pkg-config alone:
//
//   c++ -std=c++20 -O2 shouter.cpp $(pkg-config --cflags --libs backplane-sdk) -o shouter.so
#include <backplane/sdk.hpp>

struct Shout {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Shout, (), (text))

Shout loud() { return {"HELLO"}; }

BACKPLANE_MODULE(backplane::Stateless, "shouter", "1.0.0", backplane::handler<"shouter.loud", loud>);
