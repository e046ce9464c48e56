/* SPDX-License-Identifier: Apache-2.0
 *
 * libjpeg: decodes a picture to grey bytes, one for each pixel. libjpeg reports errors by longjmp.
 */
#include <stdio.h>

#include <jpeglib.h>
#include <setjmp.h>

#include "plain.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=jpeg");
BP_MANIFEST("version=1");
BP_MANIFEST("provides=jpeg.work");
BP_MANIFEST("provides=jpeg.long");
BP_MANIFEST("requires=" BP_EXT_AWAIT);

typedef struct picture {
  struct jpeg_decompress_struct decoder;
  struct jpeg_error_mgr errors;
  jmp_buf failed;
  char why[JMSG_LENGTH_MAX];
  bp_buffer* buffer;
} picture;

static void fail(j_common_ptr decoder) {
  picture* self = decoder->client_data;
  decoder->err->format_message(decoder, self->why);
  longjmp(self->failed, 1);
}

static void quiet(j_common_ptr decoder) { (void)decoder; }

/* Leaves the pixels in the buffer, or the reason in `why`. */
static int decode(picture* self, bp_bytes in) {
  struct jpeg_decompress_struct* decoder = &self->decoder;
  decoder->err = jpeg_std_error(&self->errors);
  self->errors.error_exit = fail;
  self->errors.output_message = quiet;
  decoder->client_data = self;
  self->buffer = NULL;
  if (setjmp(self->failed)) {
    jpeg_destroy_decompress(decoder);
    host->buffer_free(self->buffer);
    return 0;
  }
  jpeg_create_decompress(decoder);
  jpeg_mem_src(decoder, in.data, in.size);
  jpeg_read_header(decoder, TRUE);
  decoder->out_color_space = JCS_GRAYSCALE;
  jpeg_start_decompress(decoder);
  self->buffer = host->buffer_new((size_t)decoder->output_width * decoder->output_height);
  while (self->buffer != NULL && decoder->output_scanline < decoder->output_height) {
    JSAMPROW row = self->buffer->data + self->buffer->size;
    self->buffer->size += decoder->output_width * jpeg_read_scanlines(decoder, &row, 1);
  }
  if (self->buffer != NULL) jpeg_finish_decompress(decoder);
  jpeg_destroy_decompress(decoder);
  return self->buffer != NULL;
}

static bp_handled answer_pixels(const bp_call* call) {
  picture self = {.why = "out of memory"};
  if (!decode(&self, call->payload)) return refuse(call, self.why);
  bp_answer out = {.struct_size = sizeof out, .status = BP_OK, .buffer = self.buffer};
  if (host->reply(call->token, &out) != BP_OK) host->buffer_free(self.buffer);
  return BP_DONE;
}

static bp_handled decode_long(const bp_call* call) {
  picture self = {.why = "out of memory"};
  while (!canceled(call)) {
    if (decode(&self, call->payload)) host->buffer_free(self.buffer);
  }
  return BP_DONE;
}

static bp_status init(const bp_host_api* api, bp_module* module, void** data) {
  (void)data;
  use(api);
  bp_status status = add(module, "jpeg.work", answer_pixels, 0, 0);
  return status == BP_OK ? add(module, "jpeg.long", decode_long, BP_HANDLER_BLOCKING, 0) : status;
}

BP_MODULE_ENTRY = {
    .struct_size = sizeof(bp_module_entry), .abi_major = BP_ABI_MAJOR, .abi_minor = BP_ABI_MINOR, .init = init};
