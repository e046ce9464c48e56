// SPDX-License-Identifier: Apache-2.0
//
// The requests, answers, events and configuration of the timer module.
#pragma once

#include <backplane/sdk.hpp>

namespace timer {

struct Config {
  std::string name = "timer";
  std::uint32_t max_delay_ms = 60'000;
  std::uint32_t max_messages = 1'000;
  std::uint32_t max_ticks = 10'000;
  std::uint32_t default_backoff_ms = 1'000;
  std::uint32_t plan_horizon_ms = 60'000;
};
BOOST_DESCRIBE_STRUCT(Config, (), (name, max_delay_ms, max_messages, max_ticks, default_backoff_ms, plan_horizon_ms))
BACKPLANE_DOCS(Config, "", (name, "timer_name in the answers"),
               (max_delay_ms, "limit of the delay of a message and of the interval of ticks"),
               (max_messages, "limit of messages of timer.complex"), (max_ticks, "limit of ticks of one timer.ticks"),
               (default_backoff_ms, "used for a job whose backoff_ms is 0"),
               (plan_horizon_ms, "time in which the runs of a repeated job are counted"))

struct Message {
  std::string message;
  std::uint32_t delay_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Message, (), (message, delay_ms))
BACKPLANE_DOCS(Message, "", (delay_ms, "at most max_delay_ms of the configuration"))

struct Echoed {
  std::string echoed, timer_name;
};
BOOST_DESCRIBE_STRUCT(Echoed, (), (echoed, timer_name))

struct EchoFired {
  std::string message;
  std::uint64_t echo_count = 0;
};
BOOST_DESCRIBE_STRUCT(EchoFired, (), (message, echo_count))

struct Complex {
  std::vector<Message> messages;
  std::vector<std::string> tags;
  std::optional<std::string> note;
  std::optional<std::int32_t> retries;
};
BOOST_DESCRIBE_STRUCT(Complex, (), (messages, tags, note, retries))

struct Summary {
  std::string summary;
  std::uint64_t item_count = 0;
  bool has_note = false;
};
BOOST_DESCRIBE_STRUCT(Summary, (), (summary, item_count, has_note))

enum class Priority { low, normal, high };
BOOST_DESCRIBE_ENUM(Priority, low, normal, high)

struct Job {
  std::string name;
  backplane::Cbor payload;
  Priority priority = Priority::normal;
};
BOOST_DESCRIBE_STRUCT(Job, (), (name, payload, priority))
BACKPLANE_DOCS(Job, "", (name, "not empty"), (payload, "listeners get it unchanged"))

struct Retry {
  std::uint32_t max_attempts = 1;
  std::uint32_t backoff_ms = 0;
  std::vector<std::string> retry_on;
};
BOOST_DESCRIBE_STRUCT(Retry, (), (max_attempts, backoff_ms, retry_on))
BACKPLANE_DOCS(Retry, "", (max_attempts, "at least 1"), (backoff_ms, "0: default_backoff_ms of the configuration"))

struct Timing {
  std::uint64_t start_at_ms = 0;
  std::uint64_t interval_ms = 0;
  std::optional<std::uint64_t> jitter;
};
BOOST_DESCRIBE_STRUCT(Timing, (), (start_at_ms, interval_ms, jitter))
BACKPLANE_DOCS(Timing, "", (start_at_ms, "on the caller's clock"), (interval_ms, "0: the job runs once"),
               (jitter, "ms that are added to start_at_ms"))

struct Schedule {
  Job job;
  Retry retry;
  Timing schedule;
};
BOOST_DESCRIBE_STRUCT(Schedule, (), (job, retry, schedule))

struct Scheduled {
  std::string job_id;
  std::uint64_t will_run_count = 0;
  std::uint64_t first_run_at_ms = 0;
  std::uint64_t effective_backoff_ms = 0;
  Priority priority = Priority::normal;
};
BOOST_DESCRIBE_STRUCT(Scheduled, (), (job_id, will_run_count, first_run_at_ms, effective_backoff_ms, priority))
BACKPLANE_DOCS(Scheduled, "", (will_run_count, "within the planning horizon; at least 1"),
               (first_run_at_ms, "start_at_ms plus jitter"),
               (effective_backoff_ms, "halved for a high priority, doubled for a low one"))

struct JobScheduled {
  std::string job_id;
  Job job;
  Retry retry;
  std::uint64_t will_run_count = 0;
  std::uint64_t first_run_at_ms = 0;
  std::uint64_t interval_ms = 0;
  std::uint64_t effective_backoff_ms = 0;
};
BOOST_DESCRIBE_STRUCT(JobScheduled, (),
                      (job_id, job, retry, will_run_count, first_run_at_ms, interval_ms, effective_backoff_ms))

struct Ticks {
  std::uint32_t count = 0;
  std::uint32_t interval_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Ticks, (), (count, interval_ms))

struct Tick {
  std::uint32_t tick = 0;
  std::uint32_t of = 0;
};
BOOST_DESCRIBE_STRUCT(Tick, (), (tick, of))
BACKPLANE_DOCS(Tick, "", (tick, "counts from 1"))

struct Ticked {
  std::uint32_t ticks = 0;
  std::uint64_t elapsed_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Ticked, (), (ticks, elapsed_ms))

}  // namespace timer
