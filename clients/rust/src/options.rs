// SPDX-License-Identifier: Apache-2.0

//! Options of contexts, connections, calls and listeners. The default of each field is the library's.

use crate::executor::Spawn;
use crate::ffi::{bp_context_options, bp_source};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One call.
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    /// From now; then the call ends with `deadline`. None: no bound. It is rounded up to milliseconds; zero counts as
    /// one millisecond.
    pub deadline: Option<Duration>,
    /// Bytes of partial replies that may be on their way; 0: the context's option.
    pub window_bytes: u64,
    /// The same, as a number of parts.
    pub window_parts: u32,
    /// Whose call it is; see bp_source_open. Only embedded.
    pub source: bp_source,
}

impl CallOptions {
    /// With a deadline.
    pub fn deadline(deadline: Duration) -> CallOptions {
        CallOptions {
            deadline: Some(deadline),
            ..CallOptions::default()
        }
    }
}

/// A context in this process.
#[derive(Clone, Default)]
pub struct ContextOptions {
    /// As for bp_context_create; the crate sets struct_size.
    pub native: bp_context_options,
    /// Runs the futures of host functions. None: a thread of the client.
    pub executor: Option<Arc<dyn Spawn>>,
    /// Called on a thread of the client when the interface of a module changes that a client was made for.
    pub on_interface_change: Option<Arc<dyn Fn(&InterfaceChange) + Send + Sync>>,
}

/// The interface of a module that a client was made for has changed.
#[derive(Clone, Debug)]
pub struct InterfaceChange {
    /// Its name.
    pub module: String,
    /// The hash that the client was built for.
    pub expected: String,
    /// Whether calls fail now: with `interface_changed`, until the module has a fitting interface again.
    pub breaks: bool,
    /// What has changed, for people.
    pub message: String,
}

/// How a connection is made again after it broke. The wait before attempt n is random between (1 - jitter) * w and w,
/// where w is initial * factor^(n - 1), and at most max.
#[derive(Clone, Debug)]
pub struct Reconnect {
    /// Whether it connects again.
    pub enabled: bool,
    /// 1 ms to max.
    pub initial: Duration,
    /// initial to 1 h.
    pub max: Duration,
    /// 1 to 10.
    pub factor: f64,
    /// 0 to 1.
    pub jitter: f64,
    /// Then it gives up; 0: never.
    pub attempts: u32,
}

impl Default for Reconnect {
    fn default() -> Reconnect {
        Reconnect {
            enabled: true,
            initial: Duration::from_millis(100),
            max: Duration::from_secs(10),
            factor: 2.0,
            jitter: 0.5,
            attempts: 0,
        }
    }
}

/// What a connection does.
#[derive(Clone, Debug)]
pub enum ConnectionState {
    /// Again: calls work, listeners and host functions are registered again.
    Connected {
        /// How many attempts it took.
        attempt: u32,
        /// What the host refuses now; else empty.
        refused: String,
    },
    /// Open calls have ended with `unreachable`; so does each call until it is connected again.
    Lost {
        /// Why.
        reason: String,
    },
    /// An attempt has failed; the next one comes after `wait` at most.
    Waiting {
        /// How many have failed.
        attempt: u32,
        /// The longest wait.
        wait: Duration,
        /// Why.
        reason: String,
    },
    /// No further attempt comes.
    GivenUp {
        /// Why.
        reason: String,
    },
}

/// A connection to a running host.
#[derive(Clone, Default)]
pub struct ConnectOptions {
    /// None: the default of bp_connect_options.
    pub socket_path: Option<PathBuf>,
    /// To connect; None: 5 s.
    pub timeout: Option<Duration>,
    /// Events that may wait; 0: 8 MiB.
    pub event_bytes: u64,
    /// What happens when it breaks.
    pub reconnect: Reconnect,
    /// Called on a thread of the client. It may make calls.
    pub on_state: Option<Arc<dyn Fn(&ConnectionState) + Send + Sync>>,
    /// As of [`ContextOptions`].
    pub executor: Option<Arc<dyn Spawn>>,
    /// As of [`ContextOptions`].
    pub on_interface_change: Option<Arc<dyn Fn(&InterfaceChange) + Send + Sync>>,
}

impl ConnectOptions {
    /// A connection to this socket.
    pub fn to(path: impl Into<PathBuf>) -> ConnectOptions {
        ConnectOptions {
            socket_path: Some(path.into()),
            ..ConnectOptions::default()
        }
    }
}

/// A listener. See bp_subscription.
#[derive(Clone, Debug, Default)]
pub struct ListenOptions {
    /// Its callback has a thread of its own. Only embedded.
    pub own_thread: bool,
    /// Emitters that wait for their listeners wait for this one.
    pub lossless: bool,
    /// Shown in the status.
    pub label: String,
    /// With `lossless`: bytes that are on their way at once; 0: 1 MiB.
    pub window_bytes: u64,
    /// Events that may wait in an [`Events`](crate::Events) iterator; then the oldest are lost; 0: 65536.
    pub queue_events: usize,
    /// Their bytes; 0: 8 MiB.
    pub queue_bytes: usize,
}

/// A module to load. See bp_load_options.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// `ffi::BP_LOAD_…`
    pub flags: u32,
    /// Bytes of its handlers' stacks.
    pub stack_size: u64,
    /// The most threads of its blocking handlers.
    pub workers: u32,
    /// Of a reload or unload: how long it waits for running work; None: 5 s.
    pub drain: Option<Duration>,
}
