// SPDX-License-Identifier: Apache-2.0

//! The client of Backplane, a plugin host, for applications in Rust.
#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod cbor;
pub mod ffi;

mod backoff;
mod call;
mod client;
mod context;
mod core;
mod error;
mod events;
mod executor;
mod function;
mod function_names;
mod host_thread;
mod interfaces;
mod keeper;
mod listener;
mod modules;
mod native;
mod options;
mod parts;
mod replies;
mod serving;
mod status;
mod upload;

pub use call::{Call, Canceler};
pub use cbor::{ByteArray, Bytes, Empty, Raw, Value};
pub use client::Client;
pub use context::{check_library, Context};
pub use error::{Declared, Error};
pub use events::Events;
pub use executor::{block_on, Spawn, Task};
pub use function::{Completion, Provided};
pub use listener::{EventInfo, Gap, Listener};
pub use modules::{
    CompareChange, CompareReport, Compared, LoadReport, ModuleInfo, PinReason, ReloadReport,
    UnloadReport,
};
pub use options::{
    CallOptions, ConnectOptions, ConnectionState, ContextOptions, InterfaceChange, ListenOptions,
    LoadOptions, Reconnect,
};
pub use parts::{AsyncParts, Next, Parts, Stream};
pub use serving::{configure, HostOptions, ServeOptions, Serving};
pub use status::Status;
pub use upload::{AsyncUpload, Upload};
