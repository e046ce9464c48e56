/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the transcript in C.
 */
#ifndef TRANSCRIPT_H
#define TRANSCRIPT_H

#include "echo.h"
#include "generator.h"
#include "kv.h"
#include "session.h"
#include "shown.h"
#include "timer.h"

bp_bytes view(const void* data, size_t size);
/* The payload of the README. */
bp_bytes payload(void);

typedef struct fired_event {
  signal_flag flag;
  char message[16];
  uint64_t echo_count;
} fired_event;

void on_fired(void* user, const struct timer_echo_fired* event);
void show_fired(fired_event* fired, const char* name);

void echo_lines(const struct echo_client* echo);
void timer_lines(const struct timer_client* timer);
void kv_lines(const struct kv_client* kv);
void session_lines(const struct session_client* session);

#endif /* TRANSCRIPT_H */
