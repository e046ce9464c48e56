/* SPDX-License-Identifier: Apache-2.0
 *
 * How the transcript shows values: see tests/bindings/transcript/README.md. Everything goes to stdout.
 */
#ifndef SHOWN_H
#define SHOWN_H

#include <backplane/cbor.h>
#include <backplane/typed.h>

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

static inline void show_text(bp_str text) {
  size_t i;
  putchar('"');
  for (i = 0; i < text.size; i++) {
    const unsigned char c = (unsigned char)text.data[i];
    if (c == '"' || c == '\\') putchar('\\');
    if (c < 0x20) {
      printf("\\u%04x", c);
    } else {
      putchar(c);
    }
  }
  putchar('"');
}

static inline void show_bytes(bp_bytes bytes) {
  size_t i;
  printf("h'");
  for (i = 0; i < bytes.size; i++) printf("%02x", bytes.data[i]);
  putchar('\'');
}

static inline void show_next(bp_cbor_reader* in) {
  bp_cbor_head head;
  bp_cbor_level level;
  bp_str text;
  bp_bytes bytes;
  int first = 1;
  if (!bp_cbor_peek_head(in, &head)) return;
  if (head.kind == BP_CBOR_ARRAY || head.kind == BP_CBOR_MAP) {
    const int is_map = head.kind == BP_CBOR_MAP; /* its keys come in order in all that is shown here */
    putchar(is_map ? '{' : '[');
    if (is_map) {
      bp_cbor_enter_map(in, &level);
    } else {
      bp_cbor_enter_array(in, &level);
    }
    while (bp_cbor_more(in, &level)) {
      if (!first) printf(", ");
      first = 0;
      show_next(in);
      if (!is_map) continue;
      printf(": ");
      show_next(in);
    }
    putchar(is_map ? '}' : ']');
  } else if (head.kind == BP_CBOR_TEXT && bp_cbor_get_text(in, &text)) {
    show_text(text);
  } else if (head.kind == BP_CBOR_BYTES && bp_cbor_get_bytes(in, &bytes)) {
    show_bytes(bytes);
  } else {
    bp_cbor_skip(in);
    if (head.kind == BP_CBOR_UINT) {
      printf("%" PRIu64, head.value);
    } else if (head.kind == BP_CBOR_NINT && head.value == UINT64_MAX) {
      printf("-18446744073709551616");
    } else if (head.kind == BP_CBOR_NINT) {
      printf("-%" PRIu64, head.value + 1);
    } else if (head.kind == BP_CBOR_FLOAT) {
      const double value = bp_cbor_float_value(head.value, head.size - 1);
      if (isnan(value)) {
        printf("NaN");
      } else {
        printf("%.1f", value);
      }
    } else {
      printf("%s", head.kind != BP_CBOR_BOOL ? "null" : head.value != 0 ? "true" : "false");
    }
  }
}

static inline void show_item(bp_bytes item) {
  bp_cbor_reader in;
  bp_cbor_begin(&in, item);
  show_next(&in);
}

static inline void text_member(const char* name, bp_str text) {
  printf(" %s=", name);
  show_text(text);
}
static inline void item_member(const char* name, bp_bytes item) {
  printf(" %s=", name);
  show_item(item);
}
static inline void uint_member(const char* name, uint64_t value) { printf(" %s=%" PRIu64, name, value); }
static inline void bool_member(const char* name, bool value) { printf(" %s=%s", name, value ? "true" : "false"); }

static inline void end_line(void) {
  putchar('\n');
  fflush(stdout);
}

/* The line of an error, which is freed. */
static inline void show_error(const char* name, bp_error* error, int with_message) {
  if (error->status == BP_OK) {
    printf("%s: no error", name);
  } else {
    printf("%s: error status=", name);
    if (error->status >= BP_STATUS_MODULE_FIRST) {
      printf("%d", error->status);
    } else {
      printf("%s", bp_status_name(error->status));
    }
    if (with_message) text_member("message", error->message);
    if (error->detail.size != 0) item_member("detail", error->detail);
  }
  end_line();
  bp_error_free(error);
}

/* Ends the program if a call that must succeed did not. */
static inline void must(const char* name, bp_status status, const bp_error* error) {
  if (status == BP_OK) return;
  printf("%s: failed: %s: %s\n", name, bp_status_name(status), error->message.data != NULL ? error->message.data : "");
  exit(1);
}

/* A count that other threads raise, and that one waits for. */
typedef struct signal_flag {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int raised;
} signal_flag;
#define SIGNAL_FLAG \
  { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 }

static inline void raise_flag(signal_flag* flag) {
  pthread_mutex_lock(&flag->mutex);
  flag->raised++;
  pthread_cond_broadcast(&flag->changed);
  pthread_mutex_unlock(&flag->mutex);
}
static inline void await_flag(signal_flag* flag, const char* name) {
  struct timespec until;
  int status = 0;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 10;
  pthread_mutex_lock(&flag->mutex);
  while (flag->raised == 0 && status == 0) status = pthread_cond_timedwait(&flag->changed, &flag->mutex, &until);
  if (flag->raised > 0) flag->raised--;
  pthread_mutex_unlock(&flag->mutex);
  if (status == 0) return;
  printf("%s: timeout\n", name);
  exit(1);
}

static inline void sleep_ms(long ms) {
  struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&wait, NULL);
}

#endif /* SHOWN_H */
