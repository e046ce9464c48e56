/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl: gets a page from a server on a Unix socket. The request is the path of the socket, a newline and the URL.
 */
#include <curl/curl.h>

#include "plain.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=curl");
BP_MANIFEST("version=1");
BP_MANIFEST("provides=curl.work");
BP_MANIFEST("provides=curl.long");
BP_MANIFEST("requires=" BP_EXT_AWAIT);

typedef struct web_page {
  char* data;
  size_t size;
} web_page;

static size_t take(char* data, size_t one, size_t count, void* user) {
  web_page* page = user;
  char* grown = realloc(page->data, page->size + one * count);
  if (grown == NULL) return 0;
  memcpy(grown + page->size, data, one * count);
  page->data = grown;
  page->size += one * count;
  return one * count;
}

static int stop(void* user, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up) {
  (void)total, (void)now, (void)up_total, (void)up;
  return canceled(user);
}

static bp_handled get(const bp_call* call) {
  char text[512];
  size_t size = call->payload.size < sizeof text ? call->payload.size : sizeof text - 1;
  memcpy(text, call->payload.data, size);
  text[size] = 0;
  char* url = strchr(text, '\n');
  if (url == NULL) return refuse(call, "expected the path of a socket, a newline and a URL");
  *url++ = 0;

  web_page page = {NULL, 0};
  CURL* easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, text);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L); /* several threads: curl must not use SIGALRM */
  curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &page);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, stop);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, (void*)call);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  CURLcode code = curl_easy_perform(easy);
  curl_easy_cleanup(easy);
  if (code == CURLE_OK) answer(call, page.data, page.size);
  if (code != CURLE_OK) refuse(call, curl_easy_strerror(code));
  free(page.data);
  return BP_DONE;
}

static bp_status init(const bp_host_api* api, bp_module* module, void** data) {
  (void)data;
  use(api);
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return unfit(module, "curl_global_init has failed");
  const uint32_t blocking = BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT;
  bp_status status = add(module, "curl.work", get, blocking, 0);
  return status == BP_OK ? add(module, "curl.long", get, blocking, 0) : status;
}

static void deinit(void* data) {
  (void)data;
  curl_global_cleanup(); /* curl counts: the last one cleans up */
}

BP_MODULE_ENTRY = {.struct_size = sizeof(bp_module_entry),
                   .abi_major = BP_ABI_MAJOR,
                   .abi_minor = BP_ABI_MINOR,
                   .init = init,
                   .deinit = deinit};
