// SPDX-License-Identifier: Apache-2.0
//
// An application in C++ calls the module greeter of the running host.
#include <backplane/client.hpp>
#include <iostream>

struct Greeting {
  std::string text;
  std::uint64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(Greeting, (), (text, count))

int main() {
  try {
    const auto context = backplane::client::Context::connect();
    const auto greeting = context.call<Greeting>("greeter.hello");
    std::cout << greeting.text << ", call " << greeting.count << '\n';
    return 0;
  } catch (const backplane::client::CallError& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
