// SPDX-License-Identifier: Apache-2.0
//
// protobuf with the full runtime: answers an order as JSON. Static constructors register the messages of this file
// with the library, which stays in the process and takes them only once. So there is one generation, for good.
#include <google/protobuf/util/json_util.h>

#include <backplane/sdk.hpp>

#include "order_full.pb.h"

using backplane::Bytes;
using backplane::View;

namespace {

Bytes json(View in) {
  order_full::Order order;
  if (!order.ParseFromArray(in.data(), static_cast<int>(in.size()))) throw backplane::Error(BP_BAD_PAYLOAD, "no Order");
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(order, &text).ok()) throw backplane::Error(BP_ERROR, "no JSON");
  return Bytes(text.begin(), text.end());
}

void endless(backplane::Call& call, View in) {
  for (;; call.check()) json(in);
}

}  // namespace

BACKPLANE_MODULE(backplane::Stateless, "proto_full", "1", backplane::unload_never,
                 backplane::raw<"proto_full.work", json, BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT>,
                 backplane::raw<"proto_full.long", endless, BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT>);
