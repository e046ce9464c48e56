/* SPDX-License-Identifier: Apache-2.0
 *
 * libxml2: evaluates an XPath expression, the first line of the request, in the document after it.
 */
#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "plain.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=xml");
BP_MANIFEST("version=1");
BP_MANIFEST("provides=xml.work");
BP_MANIFEST("provides=xml.long");
BP_MANIFEST("requires=" BP_EXT_AWAIT);

/* A callback of this document alone. One of the library, as by xmlSetGenericErrorFunc, would outlive the module. */
static void quiet(void* user, xmlErrorPtr error) {
  (void)error;
  ++*(int*)user;
}

static xmlChar* evaluated(bp_bytes in) {
  const char* end = memchr(in.data, '\n', in.size);
  if (end == NULL) return NULL;
  const size_t length = (size_t)(end - (const char*)in.data);
  xmlChar* expression = xmlStrndup(in.data, (int)length);
  xmlDocPtr document = xmlReadMemory(end + 1, (int)(in.size - length - 1), "request.xml", NULL,
                                     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_HUGE);
  xmlXPathContextPtr context = document != NULL ? xmlXPathNewContext(document) : NULL;
  xmlChar* text = NULL;
  if (context != NULL) {
    int errors = 0;
    context->error = quiet;
    context->userData = &errors;
    xmlXPathObjectPtr found = xmlXPathEvalExpression(expression, context);
    if (found != NULL) text = xmlXPathCastToString(found);
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(context);
  }
  xmlFreeDoc(document);
  xmlFree(expression);
  return text;
}

static bp_handled evaluate(const bp_call* call) {
  xmlChar* text = evaluated(call->payload);
  if (text == NULL) return refuse(call, "expected a line with an XPath expression, and then an XML document");
  answer(call, text, (size_t)xmlStrlen(text));
  xmlFree(text);
  return BP_DONE;
}

static bp_handled evaluate_long(const bp_call* call) {
  while (!canceled(call)) xmlFree(evaluated(call->payload));
  return BP_DONE;
}

static bp_status init(const bp_host_api* api, bp_module* module, void** data) {
  (void)data;
  use(api);
  xmlInitParser();
  /* XPath recurses: about 1.5 KiB of stack for each pair of parentheses. */
  bp_status status = add(module, "xml.work", evaluate, 0, 8 << 20);
  return status == BP_OK ? add(module, "xml.long", evaluate_long, BP_HANDLER_BLOCKING, 0) : status;
}

BP_MODULE_ENTRY = {
    .struct_size = sizeof(bp_module_entry), .abi_major = BP_ABI_MAJOR, .abi_minor = BP_ABI_MINOR, .init = init};
