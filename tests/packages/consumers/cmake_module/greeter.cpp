// SPDX-License-Identifier: Apache-2.0
//
// A module in C++20, built with CMake.
#include <backplane/sdk.hpp>

struct Greeting {
  std::string text;
  std::uint64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(Greeting, (), (text, count))

class Greeter {
 public:
  Greeting hello() { return {"hello", ++count_}; }

 private:
  std::uint64_t count_ = 0;
};

BACKPLANE_MODULE(Greeter, "greeter", "1.0.0", backplane::handler<"greeter.hello", &Greeter::hello>);
