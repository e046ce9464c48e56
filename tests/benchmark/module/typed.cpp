// SPDX-License-Identifier: Apache-2.0
//
// bench_typed: a handler with typed parameters and a typed answer, as most modules have.
#include "typed.hpp"

#include <backplane/sdk.hpp>

namespace {

using bench::TypedIn;
using bench::TypedOut;

TypedOut check(const TypedIn& in) { return {bench::typed_answer(in)}; }

}  // namespace

BACKPLANE_MODULE(backplane::Stateless, "bench_typed", "1", backplane::handler<"bench_typed.check", check>);
