/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_names_a and others: modules with very many wire names, bench_names_a.n0 and on; none of them does anything.
 * Several, because a manifest is bounded. BENCH_NAMES is the name of the module.
 */
#include <backplane/plugin.h>
#include <stdio.h>

#define COUNT 25000

BP_MANIFEST_ABI;
BP_MANIFEST("name=" BENCH_NAMES);
BP_MANIFEST("version=1");
/* As BP_MANIFEST("provides=" BENCH_NAMES ".n…") so often; the assembler counts faster than the compiler. */
__asm__(
    ".pushsection " BP_MANIFEST_SECTION ", \"a\", @progbits\n"
    ".altmacro\n"
    ".macro bench_name number\n"
    ".asciz \"provides=" BENCH_NAMES ".n\\number\"\n"
    ".endm\n"
    ".set bench_number, 0\n"
    ".rept " BP_STRING(COUNT) "\n"
    "bench_name %bench_number\n"
    ".set bench_number, bench_number + 1\n"
    ".endr\n"
    ".noaltmacro\n"
    ".popsection\n");

static bp_handled nothing(const bp_call* call) {
  (void)call;
  return BP_DONE;
}

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  for (int i = 0; i < COUNT; i++) {
    char name[32];
    const int size = snprintf(name, sizeof name, BENCH_NAMES ".n%d", i);
    const bp_handler_desc desc = {.struct_size = sizeof desc, .name = {name, (size_t)size}, .handler = nothing};
    const bp_status status = host->register_handler(module, &desc);
    if (status != BP_OK) return status;
  }
  return BP_OK;
}

BP_MODULE_ENTRY = {
    sizeof(bp_module_entry), BP_ABI_MAJOR, BP_ABI_MINOR, 0, init, NULL, NULL, NULL, NULL,
};
