/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines of timer.
 */
#define _POSIX_C_SOURCE 200809L
#include "transcript.h"

void on_fired(void* user, const struct timer_echo_fired* event) {
  fired_event* fired = (fired_event*)user;
  snprintf(fired->message, sizeof fired->message, "%s", event->message.data);
  fired->echo_count = event->echo_count;
  raise_flag(&fired->flag);
}

void show_fired(fired_event* fired, const char* name) {
  bp_str message;
  await_flag(&fired->flag, name);
  message.data = fired->message;
  message.size = strlen(fired->message);
  printf("%s:", name);
  text_member("message", message);
  uint_member("echo_count", fired->echo_count);
  end_line();
}

static void show_summary(const struct timer_client* timer, const char* name, const struct timer_complex* request) {
  struct timer_summary reply;
  bp_error error = {0};
  must(name, timer_complex(timer, request, NULL, &reply, &error), &error);
  printf("%s:", name);
  text_member("summary", reply.summary);
  uint_member("item_count", reply.item_count);
  bool_member("has_note", reply.has_note);
  end_line();
  timer_summary_free(&reply);
}

static const char* priority_name(enum timer_priority priority) {
  static const char* const names[] = {"low", "normal", "high"};
  return names[priority];
}

static void show_plan(const struct timer_client* timer, const char* name, const struct timer_schedule* request) {
  struct timer_scheduled reply;
  bp_error error = {0};
  must(name, timer_schedule(timer, request, NULL, &reply, &error), &error);
  printf("%s:", name);
  text_member("job_id", reply.job_id);
  uint_member("will_run_count", reply.will_run_count);
  uint_member("first_run_at_ms", reply.first_run_at_ms);
  uint_member("effective_backoff_ms", reply.effective_backoff_ms);
  printf(" priority=%s", priority_name(reply.priority));
  end_line();
  timer_scheduled_free(&reply);
}

typedef struct planned_event {
  signal_flag flag;
  struct timer_job_scheduled event;
} planned_event;

/* What a callback gets is freed after it, so a copy is made of it as CBOR. */
static void on_planned(void* user, const struct timer_job_scheduled* event) {
  planned_event* planned = (planned_event*)user;
  bp_buffer* item;
  if (timer_job_scheduled_write(event, &item, NULL) != BP_OK) return;
  timer_job_scheduled_read(view(item->data, item->size), &planned->event, NULL);
  bp_buffer_free(item);
  raise_flag(&planned->flag);
}

static void schedule_lines(const struct timer_client* timer) {
  planned_event planned = {.flag = SIGNAL_FLAG};
  bp_str io = BP_STR("io");
  struct timer_schedule request = {{BP_STR("j"), payload(), TIMER_PRIORITY_HIGH},
                                   {3, 500, {&io, 1}},
                                   {1000, 0, true, UINT64_C(18446744073709550615)}};
  bp_typed_handle* listener;
  bp_error error = {0};
  must("timer.job_scheduled", timer_on_job_scheduled(timer, on_planned, NULL, &planned, &listener, &error), &error);
  show_plan(timer, "timer.schedule", &request);
  await_flag(&planned.flag, "timer.job_scheduled");
  printf("timer.job_scheduled:");
  text_member("job_id", planned.event.job_id);
  text_member("name", planned.event.job.name);
  item_member("payload", planned.event.job.payload);
  printf(" priority=%s", priority_name(planned.event.job.priority));
  end_line();
  bp_typed_end(listener);
  timer_job_scheduled_free(&planned.event);
  request.job.payload.size = 0;
  request.job.priority = TIMER_PRIORITY_LOW;
  request.retry.backoff_ms = 0;
  request.retry.retry_on.count = 0;
  request.schedule.start_at_ms = 1;
  request.schedule.has_jitter = false;
  show_plan(timer, "timer.schedule absent", &request);
}

static void ticks_lines(const struct timer_client* timer) {
  struct timer_ticks request = {3, 1};
  struct timer_tick part;
  struct timer_ticked reply;
  bp_error error = {0};
  bp_pending call;
  int parts = 0;
  must("timer.ticks", timer_ticks_start(timer, &request, NULL, &call, &error), &error);
  while (timer_ticks_next(call, 10000, &part, &reply, &error) == BP_PARTIAL) {
    printf("timer.ticks part:");
    uint_member("tick", part.tick);
    uint_member("of", part.of);
    end_line();
  }
  must("timer.ticks", error.status, &error);
  printf("timer.ticks:");
  uint_member("ticks", reply.ticks);
  end_line();
  bp_call_free(call);
  request.count = 10001;
  timer_ticks(timer, &request, NULL, &reply, &error);
  show_error("timer.ticks limit", &error, 1);
  request.count = 1000;
  must("timer.ticks left", timer_ticks_start(timer, &request, NULL, &call, &error), &error);
  while (parts < 2 && timer_ticks_next(call, 10000, &part, &reply, &error) == BP_PARTIAL) parts++;
  bp_call_free(call);
  printf("timer.ticks left: parts=%d", parts);
  end_line();
}

void timer_lines(const struct timer_client* timer) {
  fired_event fired = {SIGNAL_FLAG, "", 0};
  struct timer_message message = {BP_STR("hello"), 1};
  struct timer_message messages[] = {{BP_STR("a"), 1}, {BP_STR("b"), 2}};
  bp_str tags[] = {BP_STR("x"), BP_STR("y")};
  const struct timer_complex batch = {{messages, 2}, {tags, 2}, true, BP_STR("n"), true, -3};
  const struct timer_complex nothing = {0};
  struct timer_echoed reply;
  bp_typed_handle* listener;
  bp_error error = {0};
  must("timer.echo_fired", timer_on_echo_fired(timer, on_fired, NULL, &fired, &listener, &error), &error);
  must("timer.echo", timer_echo(timer, &message, NULL, &reply, &error), &error);
  printf("timer.echo:");
  text_member("echoed", reply.echoed);
  text_member("timer_name", reply.timer_name);
  end_line();
  timer_echoed_free(&reply);
  show_fired(&fired, "timer.echo_fired");
  bp_typed_end(listener);
  message.delay_ms = 60001;
  timer_echo(timer, &message, NULL, &reply, &error);
  show_error("timer.echo limit", &error, 1);
  show_summary(timer, "timer.complex", &batch);
  show_summary(timer, "timer.complex absent", &nothing);
  schedule_lines(timer);
  ticks_lines(timer);
}
