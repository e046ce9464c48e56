// SPDX-License-Identifier: Apache-2.0
#include "asio_floor.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <semaphore>
#include <thread>

#include "in_flight.hpp"

namespace bench {

struct PostFloor::State {
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  std::thread thread{[this] { io.run(); }};

  /// Returns when all that was posted has returned.
  void pass() {
    std::binary_semaphore passed{0};
    boost::asio::post(io, [&passed] { passed.release(); });
    passed.acquire();
  }
};

PostFloor::PostFloor() : state_(std::make_unique<State>()) {}

PostFloor::~PostFloor() {
  state_->work.reset();
  state_->thread.join();
}

double PostFloor::post(std::uint32_t count, std::uint32_t window) {
  InFlight in_flight(window, 2);
  in_flight.start(count);
  const double each = timed(count, [&] {
    for (std::uint32_t i = 0; i < count; ++i) {
      in_flight.wait_for_room();
      boost::asio::post(state_->io, [&in_flight] { in_flight.ended(); });
    }
    in_flight.wait_for_all();
  });
  state_->pass();  // the thread has told of the last one, and may still be about to wake who waited
  return each;
}

}  // namespace bench
