// SPDX-License-Identifier: Apache-2.0
//
// protobuf with the lite runtime: sums up an order. Messages come and go as bytes.
#include <backplane/sdk.hpp>

#include "order_lite.pb.h"

using backplane::Bytes;
using backplane::View;

namespace {

Bytes summary(View in) {
  order_lite::Order order;
  if (!order.ParseFromArray(in.data(), static_cast<int>(in.size()))) throw backplane::Error(BP_BAD_PAYLOAD, "no Order");
  order_lite::Summary out;
  out.set_customer(order.customer());
  for (const order_lite::Item& item : order.items()) {
    out.set_count(out.count() + item.count());
    out.add_names(item.name());
  }
  Bytes bytes(out.ByteSizeLong());
  out.SerializeToArray(bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

void endless(backplane::Call& call, View in) {
  for (;; call.check()) summary(in);
}

}  // namespace

BACKPLANE_MODULE(backplane::Stateless, "proto_lite", "1", backplane::raw<"proto_lite.work", summary>,
                 backplane::raw<"proto_lite.long", endless, BP_HANDLER_BLOCKING>);
