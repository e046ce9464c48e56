// SPDX-License-Identifier: Apache-2.0
#include "asio_floor.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <thread>

#include "in_flight.hpp"

namespace bench {

struct PostFloor::State {
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  std::thread thread{[this] { io.run(); }};
};

PostFloor::PostFloor() : state_(std::make_unique<State>()) {}

PostFloor::~PostFloor() {
  state_->work.reset();
  state_->thread.join();
}

double PostFloor::post(std::uint64_t count, std::uint64_t window) {
  InFlight in_flight(window);
  return timed(count, [&] {
    for (std::uint64_t i = 0; i < count; ++i) {
      in_flight.wait_for_room();
      boost::asio::post(state_->io, [&in_flight] { in_flight.ended(); });
    }
    in_flight.wait_for_all();
  });
}

}  // namespace bench
