// SPDX-License-Identifier: Apache-2.0
#include "server/life_sign.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <exception>
#include <system_error>
#include <utility>

#include "support/unique_fd.hpp"

namespace backplane::host {

void LifeSign::begin(std::chrono::nanoseconds interval, Question question, std::function<void()> alive) {
  question_ = std::move(question);
  alive_ = std::move(alive);
  UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  itimerspec each{};
  each.it_interval.tv_sec = static_cast<time_t>(interval.count() / 1'000'000'000);
  each.it_interval.tv_nsec = static_cast<long>(interval.count() % 1'000'000'000);
  each.it_value = each.it_interval;
  if (!timer || ::timerfd_settime(timer.get(), 0, &each, nullptr) != 0) {
    throw std::system_error(errno, std::system_category(), "cannot make a timer for the signs of life");
  }
  timer_.assign(timer.get());
  timer.release();
  wait();
}

void LifeSign::stop() noexcept {
  boost::system::error_code ignored;
  timer_.close(ignored);
}

void LifeSign::wait() {
  timer_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                    KeptHandler(memory_, [this](const boost::system::error_code& error) {
                      if (error || !timer_.is_open()) return;
                      std::uint64_t count = 0;
                      [[maybe_unused]] const ssize_t size = ::read(timer_.native_handle(), &count, sizeof count);
                      wait();
                      ring();
                    }));
}

void LifeSign::ring() noexcept {
  // With a stuck handler, each report takes a while, and peers may have asked for many: the question waits its turn.
  const std::uint64_t done = control_.jobs_done();
  const bool answered = answered_;
  if (!answered && done == done_) return;  // the control thread has hung since the last ring
  done_ = done;
  alive_();
  if (!answered) return;
  answered_ = false;
  try {
    control_.push([this](bool run) {
      if (run) question_();
      answered_ = true;
    });
  } catch (const std::exception&) {
    answered_ = true;  // it was not asked: a shortage of memory is no hang
  }
}

}  // namespace backplane::host
