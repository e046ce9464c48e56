// SPDX-License-Identifier: Apache-2.0
#![deny(warnings)]

pub mod bindings;
