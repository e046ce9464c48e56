/* SPDX-License-Identifier: Apache-2.0
 *
 * zstd: unpacks, and packs with threads of the library.
 */
#include <zstd.h>

#include "plain.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=zstd");
BP_MANIFEST("version=1");
BP_MANIFEST("provides=zstd.work");
BP_MANIFEST("provides=zstd.pack");
BP_MANIFEST("provides=zstd.long");
BP_MANIFEST("requires=" BP_EXT_AWAIT);

enum { LARGEST = 64 << 20 };

static bp_handled answer_bytes(const bp_call* call, bp_buffer* buffer, size_t size) {
  const char* why = ZSTD_isError(size) ? ZSTD_getErrorName(size) : NULL;
  buffer->size = why == NULL ? size : 0;
  bp_answer out = {.struct_size = sizeof out, .status = BP_OK, .buffer = buffer};
  if (why != NULL || host->reply(call->token, &out) != BP_OK) host->buffer_free(buffer);
  return why != NULL ? refuse(call, why) : BP_DONE;
}

static bp_handled unpack(const bp_call* call) {
  unsigned long long size = ZSTD_getFrameContentSize(call->payload.data, call->payload.size);
  if (size > LARGEST) return refuse(call, "found no frame that tells its size; expected at most 64 MiB");
  bp_buffer* buffer = host->buffer_new((size_t)size);
  if (buffer == NULL) return refuse(call, "out of memory");
  return answer_bytes(call, buffer,
                      ZSTD_decompress(buffer->data, (size_t)size, call->payload.data, call->payload.size));
}

static size_t packed(bp_bytes in, bp_buffer* buffer) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, 2);
  size_t size = ZSTD_compress2(context, buffer->data, buffer->capacity, in.data, in.size);
  ZSTD_freeCCtx(context); /* ends its threads */
  return size;
}

static bp_handled pack(const bp_call* call) {
  bp_buffer* buffer = host->buffer_new(ZSTD_compressBound(call->payload.size));
  return buffer != NULL ? answer_bytes(call, buffer, packed(call->payload, buffer)) : refuse(call, "out of memory");
}

static bp_handled pack_long(const bp_call* call) {
  bp_buffer* buffer = host->buffer_new(ZSTD_compressBound(call->payload.size));
  while (buffer != NULL && !canceled(call)) packed(call->payload, buffer);
  host->buffer_free(buffer);
  return BP_DONE;
}

static bp_status init(const bp_host_api* api, bp_module* module, void** data) {
  (void)data;
  use(api);
  const uint32_t blocking = BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT;
  bp_status status = add(module, "zstd.work", unpack, 0, 0);
  if (status == BP_OK) status = add(module, "zstd.pack", pack, blocking, 0);
  return status == BP_OK ? add(module, "zstd.long", pack_long, blocking, 0) : status;
}

BP_MODULE_ENTRY = {
    .struct_size = sizeof(bp_module_entry), .abi_major = BP_ABI_MAJOR, .abi_minor = BP_ABI_MINOR, .init = init};
