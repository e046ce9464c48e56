// SPDX-License-Identifier: Apache-2.0
//
// The whole SDK: authors of C++ modules include this file only. docs/sdk.md shows how to use it.
#pragma once

#include "sdk/call.hpp"
#include "sdk/cbor.hpp"
#include "sdk/entries.hpp"
#include "sdk/error.hpp"
#include "sdk/fibers.hpp"
#include "sdk/generator.hpp"
#include "sdk/host.hpp"
#include "sdk/instance.hpp"
#include "sdk/module.hpp"
#include "sdk/names.hpp"
#include "sdk/reply.hpp"
