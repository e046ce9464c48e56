// SPDX-License-Identifier: Apache-2.0
//
// The crate against real hosts: embedded, and connected to a process of its own.

mod calls;
mod codec;
mod ends;
mod events;
mod functions;
mod host;
mod native;
mod parts;
mod reconnect;
mod uploads;
