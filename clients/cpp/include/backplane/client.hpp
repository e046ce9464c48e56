// SPDX-License-Identifier: Apache-2.0
//
// backplane/client.hpp: the host, for applications in C++20. In short:
//
//   namespace client = backplane::client;
//   client::Host host;                                         an embedded host, or
//   client::Context context = client::Context::connect();      the one that `backplane run` started
//   host.load("kv.so");
//   client::Context context = host.context();
//   Found found = context.call<Found>("kv.get", Key{"a"});
//
// TYPES. Requests, answers, parts, events and details are types of the SDK's codec: structs and enums that
// Boost.Describe describes, and what docs/sdk.md lists. Answers and events are read leniently: unknown members are
// ignored. `Raw` is a payload that is not read.
//
// ERRORS. call() and the other functions throw CallError: status, message and typed detail. The functions that begin
// with try_ throw nothing and return a Result: the value, or the same as a Failure.
//
// THREADS. Any thread may call any function of a Context at any time. Callbacks run on threads of the host, unless an
// Executor takes them. They must not block there: a function that waits fails with BP_REENTRANT. An exception that
// leaves a callback is logged, and ends there. No callback runs under a lock of the client.
#pragma once

#include "client/async.hpp"
#include "client/async_stream.hpp"
#include "client/context.hpp"
#include "client/error.hpp"
#include "client/event_range.hpp"
#include "client/executor.hpp"
#include "client/function.hpp"
#include "client/host.hpp"
#include "client/listener.hpp"
#include "client/method.hpp"
#include "client/options.hpp"
#include "client/payload.hpp"
#include "client/stream.hpp"
#include "client/task.hpp"
#include "client/typed.hpp"
#include "client/upload.hpp"
#include "client/values.hpp"
