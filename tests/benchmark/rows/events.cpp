// SPDX-License-Identifier: Apache-2.0
//
// Events of 512 bytes from a handler to one listener: as many as can be, and one at a time.
#include <array>
#include <atomic>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../host.hpp"
#include "../module/calls.h"
#include "../rounds.hpp"
#include "asio_floor.hpp"
#include "floor_handover.hpp"
#include "in_flight.hpp"
#include "pipeline.hpp"

namespace bench {
namespace {

// As many as the floor has in flight. The log keeps far more, so no event is lost.
constexpr std::uint32_t window = 512;
constexpr std::size_t size = 512;

using Event = std::array<std::uint8_t, size>;

/// The one listener: that each event comes, once, and in order.
class Listener {
 public:
  Listener(bp_context context, bp_event_fn on_event, void* user) : context_(context) {
    expect_ok(bp_listen(context, BP_STR("bench_calls.tick"), on_event, user, &id_), "bp_listen", bp_result{});
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() { bp_unlisten(context_, id_); }

 private:
  const bp_context context_;
  bp_listener id_{};
};

/// Whether it is the event number `expected`.
bool is_number(const bp_event& event, std::uint64_t expected) {
  std::uint64_t number = 0;
  if (event.payload.size != size) return false;
  std::memcpy(&number, event.payload.data, sizeof number);
  return number == expected && event.payload.data[size - 1] == 0x5a;
}

class Stream {
 public:
  explicit Stream(std::size_t listeners = 1) : heard_(listeners) {
    event_.fill(0x5a);
    for (Heard& each : heard_) {
      each.stream = this;
      each.listener.emplace(host_.context(), on_event, &each);
    }
  }

  /// Nanoseconds each, for all listeners together.
  double emit(std::uint64_t count) {
    for (Heard& each : heard_) each.received = 0;
    in_flight_.start(static_cast<std::uint32_t>(count));
    const auto before = [](void* self) { static_cast<Stream*>(self)->in_flight_.wait_for_room(); };
    const auto after = [](void* self) { static_cast<Stream*>(self)->in_flight_.wait_for_all(); };
    const bench_report report =
        host_.order("emit", bench_emission{count, event_.data(), event_.size(), before, after, this});
    if (wrong_) throw std::runtime_error("an event was lost, or not what was emitted");
    return static_cast<double>(report.nanoseconds) / static_cast<double>(count);
  }

 private:
  struct Heard {
    Stream* stream = nullptr;
    std::uint64_t received = 0;
    std::optional<Listener> listener;
  };

  // The listeners of one pattern are called in the order in which they came, so the last one ends an event.
  static void on_event(void* user, const bp_event* event) {
    auto& heard = *static_cast<Heard*>(user);
    Stream& self = *heard.stream;
    if (!is_number(*event, heard.received++)) self.wrong_ = true;
    if (&heard == &self.heard_.back()) self.in_flight_.ended();
  }

  Event event_;
  InFlight in_flight_{window, 2};
  std::atomic<bool> wrong_{false};
  Host host_{"bench_calls"};
  std::vector<Heard> heard_;
};

template <std::size_t listeners>
Figure sustained(Effort effort) {
  Stream events(listeners);
  PostFloor floor;
  return as_rate(interleaved(
      Rounds::of(effort, 50'000), [&](std::uint64_t n) { return events.emit(n); },
      [&](std::uint64_t n) { return floor.post(static_cast<std::uint32_t>(n), window); }));
}

/// One event at a time, from just before emit to the first instruction of the listener.
class Single {
 public:
  Single() { event_.fill(0x5a); }

  void samples(std::uint64_t count, std::vector<double>& out) {
    out_ = &out;
    received_ = 0;
    emitted_ = 0;
    host_.order("emit", bench_emission{count, event_.data(), event_.size(), before, after, this});
    if (wrong_) throw std::runtime_error("an event was lost, or not what was emitted");
  }

 private:
  static void before(void* user) {
    auto& self = *static_cast<Single*>(user);
    self.take();
    // So that the event thread has done with the one before, and waits.
    const std::uint64_t until = bench_now() + 5'000;
    while (bench_now() < until) relax();
    ++self.emitted_;
    self.begin_ = bench_now();
  }
  static void after(void* user) { static_cast<Single*>(user)->take(); }

  // Waits for the last one emitted, if there is one.
  void take() {
    if (emitted_ == 0) return;
    while (arrived_.load(std::memory_order_acquire) != emitted_) relax();
    out_->push_back(static_cast<double>(end_ - begin_));
  }
  static void on_event(void* user, const bp_event* event) {
    const std::uint64_t now = bench_now();
    auto& self = *static_cast<Single*>(user);
    self.end_ = now;
    if (!is_number(*event, self.received_++)) self.wrong_ = true;
    self.arrived_.store(self.received_, std::memory_order_release);
  }

  Event event_;
  std::vector<double>* out_ = nullptr;
  std::uint64_t emitted_ = 0;
  std::uint64_t begin_ = 0;
  alignas(64) std::uint64_t received_ = 0;
  std::uint64_t end_ = 0;
  std::atomic<std::uint64_t> arrived_{0};
  std::atomic<bool> wrong_{false};
  Host host_{"bench_calls"};
  Listener listener_{host_.context(), on_event, this};
};

Figure latency(Effort effort) {
  Single events;
  SpinHandOver floor;
  return interleaved_samples(
      Rounds::of(effort, 2000), [&](std::uint64_t n, std::vector<double>& out) { events.samples(n, out); },
      [&](std::uint64_t n, std::vector<double>& out) { floor.samples(n, out); });
}

constexpr Row rows[] = {
    {"events.sustained",
     "events/s",
     "512 bytes emitted by a handler, heard by one listener, at most 512 of them queued",
     "asio::post to a thread's io_context, completed, 512 in flight",
     {Reach::Of::ratio, Reach::Side::at_least, 1},
     sustained<1>},
    {"events.three",
     "events/s",
     "the same, heard by three listeners",
     "asio::post to a thread's io_context, completed, 512 in flight",
     {Reach::Of::ratio, Reach::Side::at_least, 0.5},
     sustained<3>},
    {"events.latency",
     "ns",
     "from emit to the listener, one event of 512 bytes each 5 us, median",
     "two threads that spin, there and back",
     {Reach::Of::ratio, Reach::Side::at_most, 5},
     latency,
     true},
};

}  // namespace

std::span<const Row> events_rows() { return rows; }

}  // namespace bench
