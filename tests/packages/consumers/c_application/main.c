/* SPDX-License-Identifier: Apache-2.0
 *
 * An application in C embeds a host, and calls a name of a module without a payload: c_application MODULE.so NAME. It
 * writes the answer to stdout, as CBOR. Before this process maps the module, the program that is installed with the
 * library tries it in a process of its own. */
#include <backplane/backplane.h>
#include <stdio.h>
#include <string.h>

static int failed(const char* what, bp_result* why) {
  fprintf(stderr, "%s: %s: %.*s\n", what, bp_status_name(why->status), (int)why->message.size, why->message.data);
  bp_result_free(why);
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 3) return fprintf(stderr, "usage: c_application MODULE.so NAME\n"), 2;
  fprintf(stderr, "headers %s, library %s\n", BP_VERSION_STRING, bp_version());

  bp_result result = {.struct_size = sizeof result};
  if (bp_check_headers(&result) != BP_OK) return failed("versions", &result);
  bp_host_options host = {.struct_size = sizeof host, .trial_program = ""};
  if (bp_host_configure(&host, &result) != BP_OK) return failed("configure", &result);
  bp_context ctx;
  if (bp_context_create(NULL, &ctx, &result) != BP_OK) return failed("create", &result);

  bp_load_options load = {.struct_size = sizeof load, .path = argv[1]};
  if (bp_module_load(ctx, &load, &result) != BP_OK) return failed("load", &result);
  bp_result_free(&result);

  bp_str name = {argv[2], strlen(argv[2])};
  bp_bytes nothing = {NULL, 0};
  if (bp_call_sync(ctx, name, nothing, 5000, &result) != BP_OK) return failed("call", &result);
  fwrite(result.payload.data, 1, result.payload.size, stdout);
  bp_result_free(&result);

  return bp_context_destroy(ctx) == BP_OK ? 0 : 1;
}
