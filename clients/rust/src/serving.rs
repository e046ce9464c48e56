// SPDX-License-Identifier: Apache-2.0

//! The host of the process, and the sockets on which it answers other programs.

use crate::ffi::*;
use crate::native::{self, NativeResult};
use crate::{host_thread, Context, Error};
use std::ffi::CString;
use std::os::raw::c_void;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;

/// The host of a process. The fields are those of bp_host_options, which has their bounds and defaults; 0 or None is
/// the default.
#[derive(Clone, Debug, Default)]
pub struct HostOptions {
    /// Threads for blocking handlers.
    pub worker_threads: u32,
    /// Where modules keep data.
    pub data_dir: Option<PathBuf>,
    /// Where modules may be loaded from; empty: anywhere.
    pub module_dirs: Vec<PathBuf>,
    /// Milliseconds.
    pub watchdog_period_ms: u32,
    /// Milliseconds.
    pub watchdog_threshold_ms: u32,
    /// Milliseconds.
    pub watchdog_start_grace_ms: u32,
    /// Bytes.
    pub memory_limit: u64,
    /// Milliseconds.
    pub load_timeout_ms: u32,
    /// Whether a crash of a module writes a line.
    pub crash_line: bool,
    /// The program that loads each file first.
    pub trial_program: Option<PathBuf>,
    /// Where private copies of modules are.
    pub module_cache: Option<PathBuf>,
}

/// Configures the host of this process. Optional; call it at most once, before the first context.
pub fn configure(options: &HostOptions) -> Result<(), Error> {
    crate::check_library()?;
    let c_path = |path: &Option<PathBuf>| path.as_deref().map(native::c_path).transpose();
    let pointer = |path: &Option<CString>| path.as_ref().map_or(ptr::null(), |path| path.as_ptr());
    let data_dir = c_path(&options.data_dir)?;
    let trial_program = c_path(&options.trial_program)?;
    let module_cache = c_path(&options.module_cache)?;
    let mut dirs = Vec::new();
    for dir in &options.module_dirs {
        dirs.push(native::c_path(dir)?);
    }
    let mut dir_pointers: Vec<_> = dirs.iter().map(|dir| dir.as_ptr()).collect();
    dir_pointers.push(ptr::null());
    let native = bp_host_options {
        struct_size: native::size::<bp_host_options>(),
        worker_threads: options.worker_threads,
        data_dir: pointer(&data_dir),
        module_dirs: match dirs.is_empty() {
            true => ptr::null(),
            false => dir_pointers.as_ptr(),
        },
        watchdog_period_ms: options.watchdog_period_ms,
        watchdog_threshold_ms: options.watchdog_threshold_ms,
        watchdog_start_grace_ms: options.watchdog_start_grace_ms,
        memory_limit: options.memory_limit,
        load_timeout_ms: options.load_timeout_ms,
        crash_line: options.crash_line.into(),
        trial_program: pointer(&trial_program),
        module_cache: pointer(&module_cache),
    };
    let mut why = NativeResult::new();
    match unsafe { bp_host_configure(&native, &mut why.0) } {
        0 => Ok(()),
        status => Err(why.error("bp_host_configure", status)),
    }
}

/// How an embedded context is served.
#[derive(Clone, Default)]
pub struct ServeOptions {
    /// `ffi::BP_SERVE_…`: what peers may do; 0: all.
    pub may: u32,
    /// A peer asks the application to end. It must not wait. None: such a request is refused.
    pub on_stop: Option<Arc<dyn Fn() + Send + Sync>>,
    /// Maximum connections; 0: 1024.
    pub max_peers: u32,
}

type OnStop = Arc<dyn Fn() + Send + Sync>;

/// A socket on which an embedded context answers other programs, until it is dropped.
#[must_use = "dropping it ends the serving"]
pub struct Serving {
    native: bp_serving,
    _on_stop: Option<Box<OnStop>>,
}

unsafe extern "C" fn on_stop(user: *mut c_void) {
    host_thread::enter(|| {
        let on_stop = &*(user as *const OnStop);
        host_thread::guarded_and_logged("on_stop", || on_stop());
    });
}

impl Serving {
    /// Ends it. Open calls have this long to finish.
    pub fn end(self, drain_ms: u32) {
        unsafe { bp_serving_end(self.native, drain_ms) };
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        unsafe { bp_serving_end(self.native, 0) }; // does nothing the second time
    }
}

impl Context {
    /// Serves an embedded context on a Unix socket, so that the command line and other clients reach it. See
    /// bp_context_serve.
    pub fn serve(&self, path: impl AsRef<Path>, options: &ServeOptions) -> Result<Serving, Error> {
        let path = path.as_ref();
        let c_path = native::c_path(path)?;
        let told = options.on_stop.clone().map(Box::new);
        let native = bp_serve_options {
            struct_size: native::size::<bp_serve_options>(),
            may: match options.may {
                0 => BP_SERVE_CALL | BP_SERVE_OBSERVE | BP_SERVE_MANAGE,
                may => may,
            },
            on_stop: told.as_ref().map(|_| on_stop as bp_stop_fn),
            user: told.as_ref().map_or(ptr::null_mut(), |told| {
                &**told as *const OnStop as *mut c_void
            }),
            max_peers: options.max_peers,
            reserved: 0,
        };
        let mut made = bp_serving::default();
        let mut why = NativeResult::new();
        let at = self.native();
        let status =
            unsafe { bp_context_serve(at, c_path.as_ptr(), &native, &mut made, &mut why.0) };
        match status {
            0 => Ok(Serving {
                native: made,
                _on_stop: told,
            }),
            status => Err(why.error(&path.to_string_lossy(), status)),
        }
    }
}
