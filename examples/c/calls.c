/* SPDX-License-Identifier: Apache-2.0
 *
 * calls MODULE_DIR: an application in C that embeds a host and waits for its calls, without callbacks.
 *
 *   cc -std=c11 -Iabi/include examples/c/calls.c -Lbuild/lib -lbackplane -Wl,-rpath,$PWD/build/lib -o calls
 *   ./calls build/plugins
 */
#include <backplane/backplane.h>
#include <backplane/cbor.h>
#include <stdio.h>

static int failed(const char* what, bp_result* result) {
  fprintf(stderr, "%s: %s: %.*s\n", what, bp_status_name(result->status), (int)result->message.size,
          result->message.data);
  bp_result_free(result);
  return 1;
}

/* {"count": count} in memory of the caller. */
static bp_bytes count_of(uint8_t* memory, size_t size, uint64_t count) {
  bp_cbor_writer out;
  bp_cbor_writer_fixed(&out, memory, size);
  bp_cbor_put_map(&out, 1);
  bp_cbor_put_string(&out, "count");
  bp_cbor_put_uint(&out, count);
  return bp_cbor_view(&out);
}

/* {"message": message, "delay_ms": delay_ms} */
static bp_bytes later(uint8_t* memory, size_t size, const char* message, uint64_t delay_ms) {
  bp_cbor_writer out;
  bp_cbor_writer_fixed(&out, memory, size);
  bp_cbor_put_map(&out, 2);
  bp_cbor_put_string(&out, "message");
  bp_cbor_put_string(&out, message);
  bp_cbor_put_string(&out, "delay_ms");
  bp_cbor_put_uint(&out, delay_ms);
  return bp_cbor_view(&out);
}

/* The partial replies of one call, one after another. The handler runs on while a window of them waits to be read. */
static int print_primes(bp_context ctx) {
  uint8_t memory[32];
  bp_submission submission = {.struct_size = sizeof submission,
                              .name = BP_STR("generator.primes"),
                              .payload = count_of(memory, sizeof memory, 5),
                              .timeout_ms = 5000};
  bp_pending call;
  bp_result part = {.struct_size = sizeof part};
  if ((part.status = bp_call_start(ctx, &submission, &call)) != BP_OK) return failed("start", &part);
  while (bp_call_next(call, BP_FOREVER, &part) == BP_PARTIAL) {
    bp_cbor_reader in;
    uint64_t prime;
    if (bp_cbor_find(part.payload, BP_STR("prime"), &in) && bp_cbor_get_uint(&in, &prime)) {
      printf("prime %u\n", (unsigned)prime);
    }
    bp_result_free(&part);
  }
  bp_call_free(call); /* `part` is the terminal answer, and ours */
  if (part.status != BP_OK) return failed("generator.primes", &part);
  bp_result_free(&part);
  return 0;
}

/* Two calls at the same time. The slow one is given up. */
static int race(bp_context ctx) {
  uint8_t slow_memory[64], fast_memory[64];
  bp_submission slow = {.struct_size = sizeof slow, .name = BP_STR("timer.echo")};
  bp_submission fast = slow;
  bp_pending slow_call, fast_call;
  bp_result result = {.struct_size = sizeof result};
  slow.payload = later(slow_memory, sizeof slow_memory, "slow", 60000);
  fast.payload = later(fast_memory, sizeof fast_memory, "fast", 10);
  if ((result.status = bp_call_start(ctx, &slow, &slow_call)) != BP_OK) return failed("start", &result);
  if ((result.status = bp_call_start(ctx, &fast, &fast_call)) != BP_OK) return failed("start", &result);
  if (bp_call_wait(fast_call, BP_FOREVER, &result) != BP_OK) return failed("timer.echo", &result);
  bp_result_free(&result);
  if (bp_call_wait(slow_call, 20, &result) != BP_STALE) return failed("the slow call", &result);
  bp_call_cancel(slow_call);
  if (bp_call_wait(slow_call, BP_FOREVER, &result) != BP_CANCELED) return failed("the cancel", &result);
  bp_result_free(&result);
  bp_call_free(slow_call);
  bp_call_free(fast_call);
  puts("the fast one has won");
  return 0;
}

static int load(bp_context ctx, const char* folder, const char* name) {
  char path[4096];
  bp_load_options options = {.struct_size = sizeof options, .path = path};
  bp_result result = {.struct_size = sizeof result};
  snprintf(path, sizeof path, "%s/%s.so", folder, name);
  if (bp_module_load(ctx, &options, &result) != BP_OK) return failed(path, &result);
  bp_result_free(&result);
  return 0;
}

int main(int argc, char** argv) {
  bp_context ctx;
  bp_result why = {.struct_size = sizeof why};
  if (argc != 2) return fprintf(stderr, "usage: calls MODULE_DIR\n"), 2;
  if (bp_check_headers(&why) != BP_OK) return failed("the library", &why);
  if (bp_context_create(NULL, &ctx, &why) != BP_OK) return failed("create", &why);
  if (load(ctx, argv[1], "generator") != 0 || load(ctx, argv[1], "timer") != 0) return 1;
  if (print_primes(ctx) != 0 || race(ctx) != 0) return 1;
  return bp_context_destroy(ctx) == BP_OK ? 0 : 1;
}
