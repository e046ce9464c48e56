// SPDX-License-Identifier: Apache-2.0
//
// timer: answers after a delay, answers in parts, and plans jobs.
//
//   timer.echo {message, delay_ms} → {echoed, timer_name}
//       Returns the message after delay_ms, and emits timer.echo_fired {message, echo_count}.
//   timer.complex {messages, tags, note?, retries?} → {summary, item_count, has_note}
//       Summarises a batch, without waiting. item_count is the number of messages.
//   timer.schedule {job, retry, schedule} → {job_id, will_run_count, first_run_at_ms, effective_backoff_ms,
//                                            priority}
//       Plans a job, and emits the plan with the job as timer.job_scheduled. A listener must run the job.
//       - first_run_at_ms is schedule.start_at_ms plus schedule.jitter, on the caller's clock;
//       - will_run_count is 1 if interval_ms is 0; otherwise the number of runs within the planning horizon, at least
//       1;
//       - effective_backoff_ms is retry.backoff_ms (0: the configured default), halved for priority "high" and doubled
//         for "low".
//   timer.ticks {count, interval_ms} → {ticks, elapsed_ms}
//       Sends a partial answer {tick, of} after each interval, then the answer.
//
// Configuration: name, max_delay_ms, max_messages, max_ticks, default_backoff_ms, plan_horizon_ms; types.hpp has the
// defaults. A request above a limit is refused with invalid_argument.
#include "types.hpp"

namespace timer {
namespace {

constexpr auto echo_fired = backplane::event<"timer.echo_fired", EchoFired, "a message has been returned">;
constexpr auto job_scheduled =
    backplane::event<"timer.job_scheduled", JobScheduled, "a job has been planned; a listener must run it">;
constexpr auto above_limit =
    backplane::fails<BP_INVALID_ARGUMENT, void, "a value is above a limit of the configuration, or makes no sense">;

class Timer {
 public:
  explicit Timer(backplane::Instance& self) : self_(self), config_(self.config<Config>()) {
    if (config_.plan_horizon_ms == 0) {
      throw backplane::Error(BP_CONFIG, "configuration: plan_horizon_ms: expected at least 1, got 0");
    }
  }

  Echoed echo(backplane::Call& call, const Message& in) {
    limit("delay_ms", in.delay_ms, "max_delay_ms", config_.max_delay_ms);
    if (in.delay_ms != 0) call.sleep(backplane::Milliseconds(in.delay_ms));
    self_.announce(echo_fired, {in.message, ++echo_count_});
    return {in.message, config_.name};
  }

  Summary complex(const Complex& in) const {
    limit("messages", in.messages.size(), "max_messages", config_.max_messages);
    std::uint64_t delay = 0;
    for (const Message& m : in.messages) {
      limit("delay_ms", m.delay_ms, "max_delay_ms", config_.max_delay_ms);
      delay += m.delay_ms;
    }
    std::string tags;
    for (const std::string& tag : in.tags) tags += (tags.empty() ? "" : ",") + tag;
    return {backplane::join("received ", in.messages.size(), " messages over ", delay, " ms, tags=[", tags,
                            "], note=", in.note.value_or("none"), ", retries=", in.retries.value_or(0)),
            in.messages.size(), in.note.has_value()};
  }

  Scheduled schedule(const Schedule& in) {
    if (in.job.name.empty()) throw invalid("job.name: expected a name, got empty text");
    if (in.retry.max_attempts == 0) throw invalid("retry.max_attempts: expected at least 1, got 0");
    const std::uint64_t jitter = in.schedule.jitter.value_or(0);
    if (jitter > UINT64_MAX - in.schedule.start_at_ms) {
      throw invalid("schedule: start_at_ms plus jitter is beyond what 64 bits hold");
    }
    Scheduled plan;
    plan.job_id = backplane::join(config_.name, "-", ++job_count_);
    plan.will_run_count = runs(in.schedule.interval_ms);
    plan.first_run_at_ms = in.schedule.start_at_ms + jitter;
    plan.effective_backoff_ms = backoff(in.job.priority, in.retry.backoff_ms);
    plan.priority = in.job.priority;
    self_.announce(job_scheduled, {plan.job_id, in.job, in.retry, plan.will_run_count, plan.first_run_at_ms,
                                   in.schedule.interval_ms, plan.effective_backoff_ms});
    return plan;
  }

  Ticked ticks(backplane::Stream<Tick>& call, const Ticks& in) const {
    limit("count", in.count, "max_ticks", config_.max_ticks);
    limit("interval_ms", in.interval_ms, "max_delay_ms", config_.max_delay_ms);
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint32_t tick = 1; tick <= in.count; ++tick) {
      call.sleep(backplane::Milliseconds(in.interval_ms));
      call.partial({tick, in.count});
    }
    const auto elapsed = std::chrono::steady_clock::now() - begin;
    return {in.count, static_cast<std::uint64_t>(std::chrono::duration_cast<backplane::Milliseconds>(elapsed).count())};
  }

 private:
  static backplane::Error invalid(std::string message) {
    return backplane::Error(BP_INVALID_ARGUMENT, std::move(message));
  }

  static void limit(const char* field, std::uint64_t value, const char* option, std::uint64_t most) {
    if (value <= most) return;
    throw invalid(backplane::join(field, ": ", value, " is above this timer's limit of ", most, "; raise ", option,
                                  " in its configuration, or ask for less"));
  }

  std::uint64_t runs(std::uint64_t interval_ms) const {
    return interval_ms == 0 ? 1 : std::max<std::uint64_t>(1, config_.plan_horizon_ms / interval_ms);
  }

  std::uint64_t backoff(Priority priority, std::uint32_t wanted_ms) const {
    const std::uint64_t base = wanted_ms != 0 ? wanted_ms : config_.default_backoff_ms;
    if (priority == Priority::high) return base / 2;
    return priority == Priority::low ? base * 2 : base;
  }

  backplane::Instance& self_;
  const Config config_;
  std::uint64_t echo_count_ = 0;
  std::uint64_t job_count_ = 0;
};

}  // namespace
}  // namespace timer

BACKPLANE_MODULE(
    timer::Timer, "timer", "1.0.0", backplane::summary<"answers after a while, in parts, and plans jobs">,
    backplane::configuration<timer::Config>,
    backplane::handler<"timer.echo", &timer::Timer::echo, "returns the message after delay_ms", timer::above_limit>,
    backplane::handler<"timer.complex", &timer::Timer::complex, "summarises a batch, without waiting",
                       timer::above_limit>,
    backplane::handler<"timer.schedule", &timer::Timer::schedule, "plans a job, and emits the plan",
                       timer::above_limit>,
    backplane::handler<"timer.ticks", &timer::Timer::ticks,
                       "sends a partial answer after each interval, then the answer", timer::above_limit>,
    timer::echo_fired, timer::job_scheduled);
