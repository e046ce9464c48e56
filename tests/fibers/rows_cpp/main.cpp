// SPDX-License-Identifier: Apache-2.0
//
// fiber_cpp: the fiber suite in C++ against the SDK's class.
#include "row.hpp"

namespace fiber_rows {

Bytes echo(Call&, View payload) { return {payload.begin(), payload.end()}; }

// A blocking handler.
Bytes nowhere(Call& call, View payload) {
  Row row(call, payload);
  EXPECT_STATUS(row, BP_NOT_SUPPORTED, Fibers fibers(call));
  return row.verdict();
}

}  // namespace fiber_rows

#define ENTRY_OF_ROW(name) , backplane::raw<"fiber_cpp." #name, &fiber_rows::run<fiber_rows::name>>
#define ENTRY_OF_LOOSE(name) , backplane::raw<"fiber_cpp." #name, &fiber_rows::name>

BACKPLANE_MODULE(backplane::Stateless, "fiber_cpp", "1",
                 backplane::raw<"fiber_cpp.blocking", &fiber_rows::nowhere, BP_HANDLER_BLOCKING> FIBER_ROWS(
                     ENTRY_OF_ROW) FIBER_CPP_ROWS(ENTRY_OF_ROW) FIBER_LOOSE(ENTRY_OF_LOOSE));
