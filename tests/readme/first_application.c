/* SPDX-License-Identifier: Apache-2.0 */
#include <backplane/backplane.h>
#include <backplane/cbor.h>
#include <stdio.h>

static int failed(const char* what, bp_result* why) {
  fprintf(stderr, "%s: %s: %.*s\n", what, bp_status_name(why->status), (int)why->message.size, why->message.data);
  bp_result_free(why);
  return 1;
}

int main(int argc, char** argv) {
  bp_context ctx;
  bp_result result = {.struct_size = sizeof result};
  if (argc != 2) return fprintf(stderr, "usage: first_application MODULE.so\n"), 2;
  if (bp_context_create(NULL, &ctx, &result) != BP_OK) return failed("create", &result);

  bp_load_options load = {.struct_size = sizeof load, .path = argv[1]};
  if (bp_module_load(ctx, &load, &result) != BP_OK) return failed("load", &result);
  bp_result_free(&result);

  uint8_t memory[64];
  bp_cbor_writer request; /* {"text": "hello"} */
  bp_cbor_writer_fixed(&request, memory, sizeof memory);
  bp_cbor_put_map(&request, 1);
  bp_cbor_put_string(&request, "text");
  bp_cbor_put_string(&request, "hello");
  bp_bytes payload = bp_cbor_view(&request);
  if (bp_call_sync(ctx, BP_STR("echo.shout"), payload, 1000, &result) != BP_OK) return failed("call", &result);
  fwrite(result.payload.data, 1, result.payload.size, stdout);
  bp_result_free(&result);

  return bp_context_destroy(ctx) == BP_OK ? 0 : 1;
}
