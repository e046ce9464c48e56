/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints sizes and offsets of the structs that the Rust crate declares for itself, as the headers have them.
 */
#include <backplane/backplane.h>
#include <stdio.h>

#define SIZE(type) printf("%s %zu\n", #type, sizeof(type));
#define MEMBER(type, member) printf("%s.%s %zu %zu\n", #type, #member, offsetof(type, member), sizeof(((type*)0)->member));
#define CONSTANT(name) printf("%s %lld\n", #name, (long long)name);
#define STATUS(name, value, text) printf("status %d %s %s\n", value, bp_status_name(value), bp_status_text(value));

int main(void) {
#include "layout.inc"
  BP_STATUS_LIST(STATUS)
  return 0;
}
